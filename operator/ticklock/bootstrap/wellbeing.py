"""What /healthz and /readyz tell of a replica.

Ready means that it can serve; a database that is away does not make it unready, since every replica would be so at
once. Whether it can launch is told apart. Alive means that the event loop and each duty still make steps, failed ones
included. A loop that is stuck answers nothing; its age here tells of one that has just come loose.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ticklock.api.health import Age, Check, Launching, Liveness, Readiness
from ticklock.bootstrap.watchdog import Watchdog
from ticklock.engine.service import Replica

_STUCK_SECONDS = 60.0


@dataclass(slots=True)
class Wellbeing:
    """Answers for a replica, and before there is one."""

    replica: Replica | None = None
    watchdog: Watchdog | None = None

    def readiness(self) -> Readiness:
        """Tell whether the process can serve, and launch."""
        replica = self.replica
        if replica is None:
            started = Check(passed=False, cause="waiting for the database and the API server")
            return Readiness({"started": started}, Launching(able=False, cause=started.cause), leading=False)
        stopping = Check(passed=not replica.stop, cause="stopping" if replica.stop else "")
        last = replica.heart.last
        return Readiness(
            {"started": Check(passed=True), "running": stopping},
            self._launching(replica),
            leading=replica.leadership.leading,
            leader=last.leader if last else None,
        )

    def liveness(self) -> Liveness:
        """Tell when each duty last made a step."""
        if self.replica is None:
            return Liveness({})
        now = time.monotonic()
        ages = {name: Age(now - beat, _STUCK_SECONDS) for name, beat in self.replica.beats.items()}
        if self.watchdog is not None:
            ages["loop"] = Age(self.watchdog.silent(), self.watchdog.limit)
        return Liveness(ages)

    def _launching(self, replica: Replica) -> Launching:
        heart = replica.heart
        if heart.cause is not None:
            return Launching(able=False, cause=heart.cause)
        return Launching(able=heart.last is not None, cause="" if heart.last else "no heartbeat yet")
