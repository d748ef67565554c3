"""What is done to the replicas while the demo runs: the leader dies half-way and comes back later."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tools.demo.books import due_ticks
from tools.demo.facts import Death, Schedule
from tools.devcluster.installation import Installation
from tools.devcluster.replica import Replica

_AIM_SECONDS = 10.0
"""How long after half-time the blow may wait for a moment at which much is due."""
_AFTER_TICK = 0.01
"""Between bind and launch: the moment at which a death hurts most."""
_BACK_AFTER = 20.0
_SHORTEST_ABSENCE = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """When what happens; seconds since 1970."""

    kill_at: float
    revive_at: float
    end: float


def plan(schedules: Iterable[Schedule], *, start: float, seconds: float) -> Plan:
    """Plan the demo: kill at the busiest tick after half-time, revive at three quarters or 20 s later."""
    half, end = start + seconds / 2, start + seconds
    moments = Counter(
        run.tick for run in due_ticks(schedules, half + _AIM_SECONDS) if run.tick is not None and run.tick > half
    )
    busiest = min(moments, key=lambda moment: (-moments[moment], moment), default=half)
    kill_at = min(busiest + _AFTER_TICK, end)
    revive_at = max(min(kill_at + _BACK_AFTER, start + seconds * 3 / 4), kill_at + _SHORTEST_ABSENCE)
    return Plan(kill_at, revive_at, end)


@dataclass(slots=True)
class Blow:
    """Kills the leader and brings it back, in a thread of its own: the moment matters to the millisecond."""

    installation: Installation
    plan: Plan
    say: Callable[[str], None]
    replica_of: Callable[[str, float], str | None]
    """The id under which a pod ran at a time."""
    deaths: list[Death] = field(default_factory=list)
    down: str | None = None
    """The pod that is dead by our hand at present."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to wait for the moment."""
        self._thread = threading.Thread(target=self._run, name="blow", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Do nothing more; a replica that is dead stays dead."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def next_step(self, now: float) -> str:
        """Say what comes next."""
        if not self.deaths:
            return f"SIGKILL to the leader in {max(self.plan.kill_at - now, 0):.0f} s"
        if self.down:
            return f"{self.down} starts again in {max(self.plan.revive_at - now, 0):.0f} s"
        return f"the summary in {max(self.plan.end - now, 0):.0f} s"

    def _run(self) -> None:
        if self._stop.wait(max(self.plan.kill_at - 1 - time.time(), 0)):
            return
        leader = self._leader()
        if leader is None or self._stop.wait(max(self.plan.kill_at - time.time(), 0)):
            return
        self._kill(leader)
        if not self._stop.wait(max(self.plan.revive_at - time.time(), 0)):
            self.say(f">>> {leader.pod} starts again")
            leader.start()
            self.down = None

    def _leader(self) -> Replica | None:
        """Return the leader, or wait for one."""
        while (leader := self.installation.leader()) is None:
            if self._stop.wait(0.2):
                return None
        return leader

    def _kill(self, leader: Replica) -> None:
        self.down = leader.pod
        pid = leader.pid
        at = time.time()
        leader.kill9()
        self.deaths.append(Death(leader.pod, self.replica_of(leader.pod, at) or "", at))
        self.say(f">>> SIGKILL to the leader, {leader.pod} (process {pid})")
