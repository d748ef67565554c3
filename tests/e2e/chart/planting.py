"""ScheduledJobs whose pods truly run, and the bystander who counts them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.support.accounting import Tally, every_tick_once
from tests.support.pods import BUSYBOX, Room
from tests.support.sights import SeenJob, Sights
from tests.support.waiting import eventually
from tools.devcluster.manifests import collection

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.e2e.chart.figures import Figures
    from tests.e2e.chart.release import Release
    from tests.support.rows import Rows

RARELY = "0 0 1 1 *"
"""A schedule that does not tick while a test runs."""
OFTEN = "*/5 * * * * *"
OUTAGE = ("Missed", "Outage")


def manifest(name: str, *command: str, **spec: Any) -> dict[str, Any]:
    """A ScheduledJob of one container. What of `spec` is `pod`, `container` or `trigger` goes there."""
    container = {"name": "main", "image": BUSYBOX, "command": list(command or ["true"]), **spec.pop("container", {})}
    trigger = spec.pop("trigger", None)
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        **spec.pop("pod", {}),
    }
    job = {"backoffLimit": 0, "template": {"spec": pod}, **spec.pop("job", {})}
    return {
        "apiVersion": "ticklock.dev/v1",
        "kind": "ScheduledJob",
        "metadata": {"name": name, "annotations": {"ticklock.dev/trigger": trigger} if trigger else {}},
        "spec": {"jobTemplate": {"spec": job}, **spec},
    }


@dataclass(frozen=True, slots=True)
class Planted:
    """One ScheduledJob of a room, and what was seen of it."""

    room: Room
    sights: Sights
    name: str
    uid: str
    expression: str
    created: datetime

    def status(self) -> dict[str, Any]:
        """Return its status."""
        found = self.room.get("scheduledjobs", self.name, "apis/ticklock.dev/v1") or {}
        return dict(found.get("status") or {})

    def last_run(self) -> dict[str, Any]:
        """Return what its status tells of its last run."""
        return dict(self.status().get("lastRun") or {})

    def launched(self) -> list[SeenJob]:
        """Return its Jobs that were let go."""
        return [job for job in self.sights.jobs(self.uid) if job.let_go_at is not None]

    def since(self, moment: float) -> list[SeenJob]:
        """Return its Jobs that were let go after a moment."""
        return [job for job in self.launched() if job.let_go_at is not None and job.let_go_at > moment]

    def wait_launched(self, number: int = 1, *, since: float = 0, seconds: float = 120) -> SeenJob:
        """Wait until so many Jobs were let go after a moment; return the last of them."""
        what = f"{number} Jobs of {self.name} were let go"
        return eventually(lambda: self.since(since)[number - 1 :], what=what, seconds=seconds)[0]

    def wait_ended(self, *, seconds: float = 120) -> dict[str, Any]:
        """Wait until its status tells how a run has ended; return that."""
        ends = {"Completed", "Failed", "Stopped", "Skipped", "Missed", "Unknown"}

        def ended() -> dict[str, Any] | None:
            found = self.last_run()
            return found if found.get("state") in ends else None

        found = eventually(ended, what=f"a run of {self.name} has ended", seconds=seconds, interval=0.2)
        assert found is not None
        return found

    def patch(self, body: dict[str, Any]) -> None:
        """Merge a change into it."""
        self.room.cluster.control_plane.api.merge_patch(f"{collection(self.room.namespace)}/{self.name}", body)


@dataclass(frozen=True, slots=True)
class Bystander:
    """Whoever saw the Jobs, beside whoever keeps the books."""

    release: Release
    sights: Sights
    figures: Figures

    @property
    def rows(self) -> Rows:
        """The ledger as it stands."""
        return self.release.rows

    def plant(self, room: Room, body: dict[str, Any]) -> Planted:
        """Create a ScheduledJob."""
        made = room.cluster.control_plane.api.post(collection(room.namespace), body)
        created = datetime.fromisoformat(made["metadata"]["creationTimestamp"]).astimezone(UTC)
        expression = str(made["spec"].get("schedule", ""))
        return Planted(room, self.sights, made["metadata"]["name"], made["metadata"]["uid"], expression, created)

    def every_tick_once(
        self, planted: Sequence[Planted], *, until: float, allowed: Collection[tuple[str, str]] = ()
    ) -> Tally:
        """Account for every tick up to a moment, as `tests.support.accounting` does."""
        return every_tick_once(self, planted, until=until, allowed=allowed, seconds=120)

    def account(
        self, planted: Sequence[Planted], what: str, *, since: float, allowed: Collection[tuple[str, str]] = ()
    ) -> Tally:
        """The same up to now; take note of the latest start since a moment."""
        tally = self.every_tick_once(planted, until=time.time(), allowed=allowed)
        felt = [lag for name, lag in tally.lags.items() if name.tick + lag > since]
        self.figures.put(f"{what}: the latest start of a tick after its time", max(felt))
        return tally
