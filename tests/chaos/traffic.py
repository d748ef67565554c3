"""The schedules of the crash matrix: a little of everything, so each step of the protocol is passed all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.chaos.clients import Client, Standing
from tests.support.place import manifest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.chaos.world import World

_LASTS = {"simulate-seconds": "3"}
_SHAPES: dict[str, tuple[str, dict[str, str] | None, dict[str, Any]]] = {
    "plain-0": ("@every 2s", None, {}),
    "plain-1": ("@every 2s", None, {}),
    "plain-2": ("@every 3s", {"simulate-seconds": "1"}, {}),
    "fails": ("@every 4s", {"simulate": "fail"}, {}),
    # outlasts its interval: older waiting ticks are skipped, by whoever looks first, and their Jobs are taken away
    "forbid": ("@every 2s", _LASTS, {"concurrencyPolicy": "Forbid"}),
    "replace": ("@every 4s", {"simulate-seconds": "15"}, {"concurrencyPolicy": "Replace"}),
    "no-history": ("@every 3s", None, {"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0}),
}
TOGGLED = "toggled"
"""The one that is suspended and resumed while others run."""


@dataclass(slots=True)
class Traffic:
    """The schedules of one world, in a namespace of their own."""

    world: World
    people: Client
    standing: dict[str, Standing]

    @classmethod
    def begin(cls, world: World) -> Traffic:
        """Plant them, and wait until each has run once."""
        people = Client("people", world.cluster.api.credentials, world.recorder)
        namespace = world.namespace("traffic")
        bodies = {
            name: manifest(name, expression, simulate=simulate, **spec)
            for name, (expression, simulate, spec) in _SHAPES.items()
        }
        bodies[TOGGLED] = manifest(TOGGLED, "@every 1s")
        standing = {name: Standing(namespace, name, body) for name, body in bodies.items()}
        traffic = cls(world, people, standing)
        for one in standing.values():
            people.create(one)
        eventually(lambda: traffic.launched() >= set(standing), what="each schedule has run")
        return traffic

    @property
    def uids(self) -> list[str]:
        return [one.uid for one in self.standing.values()]

    def launched(self) -> set[str]:
        """The names of those of which a run was launched."""
        names = {one.uid: name for name, one in self.standing.items()}
        return {names[row["schedule_uid"]] for row in self.world.rows.runs(*self.uids) if row["launched_at"]}

    def unsuspended(self) -> None:
        """See to it that the one to be suspended is not, and has a Job that waits for its tick."""
        one = self.standing[TOGGLED]
        if one.body["spec"].get("suspend"):
            self.people.resume(one)
        staged = "SELECT 1 FROM attempts WHERE schedule_uid = %(uid)s AND state = 'planned' AND staged_uid IS NOT NULL"
        eventually(lambda: self.world.rows.all(staged, uid=one.uid), what="a Job of it waits for its tick")

    def suspend(self) -> None:
        """Suspend it: an edit, a verdict, and a Job to be taken away."""
        self.people.suspend(self.standing[TOGGLED])

    def overdue(self, before: float) -> list[dict[str, Any]]:
        """Return the attempts due before a time that are neither launched nor over, those apart that wait for a run."""
        return self.world.rows.all(
            """SELECT run_id, state, reason, message, due_at, claimed_until FROM attempts
               WHERE state IN ('planned', 'bound') AND due_at < to_timestamp(%(before)s)
               AND reason IS DISTINCT FROM 'WaitingForRun' AND schedule_uid = ANY(%(uids)s)""",
            before=before,
            uids=self.uids,
        )

    def end(self) -> None:
        """Suspend all, and wait until nothing moves."""
        for one in self.standing.values():
            eventually(lambda one=one: self.people.suspend(one) is not None, what="it is suspended")  # type: ignore[misc]
        self.world.settle()
        self.people.close()
