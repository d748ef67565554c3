"""For each guard the story that it is there for: played against the product as it is, and with that guard taken out.

Each story leads to the moment at which the guard decides, by faults that can happen to anybody: a request that comes
late, an answer that is lost, a replica that is held up, a database set back to a backup.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.chaos.clients import Client, Standing
from tests.chaos.history import Target
from tests.chaos.messages import REQUESTS
from tests.support.place import RARELY, manifest
from tests.support.proxy import FOR_GOOD, Fault, Harm
from tests.support.waiting import eventually
from tools.devcluster.pgharm import HarmablePostgres

if TYPE_CHECKING:
    from tests.chaos.world import World

_CREATE, _LAUNCH = REQUESTS[0], REQUESTS[1]
_STATUS = next(one for one in REQUESTS if "status" in one.path)
_NO_HISTORY: dict[str, Any] = {"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0}

_LONG = 8.0
"""Longer than a run of these stories takes, from its bind until its Job is gone."""
_KEPT_SECONDS = 8.0
"""How long a Job is waited for that may be kept for good."""

Row = dict[str, Any]


@dataclass(slots=True)
class Scene:
    """A world, and somebody who uses it."""

    world: World
    people: Client
    namespace: str
    planted: list[Standing] = field(default_factory=list)

    def plant(self, name: str, schedule: str, *, simulate: dict[str, str] | None = None, **spec: Any) -> Standing:
        """Create a ScheduledJob, and wait until it is known."""
        one = Standing(self.namespace, name, manifest(name, schedule, simulate=simulate, **spec))
        assert self.people.create(one) is not None
        self.planted.append(one)
        known = "SELECT 1 FROM schedules WHERE uid = %(uid)s"
        eventually(lambda: self.world.rows.all(known, uid=one.uid), what="it is known")
        return one

    def runs(self, one: Standing) -> list[Row]:
        return self.world.rows.runs(one.uid)

    def wait(self, one: Standing, like: Callable[[list[Row]], bool], *, what: str, seconds: float = 30) -> None:
        """Wait until its runs are so."""
        seen: list[Row] = []

        def asked() -> bool:
            seen[:] = self.runs(one)
            return like(seen)

        try:
            eventually(asked, what=what, seconds=seconds, interval=0.02)
        except AssertionError as late:
            raise AssertionError(f"{late}: {seen}") from late

    def jobs(self) -> list[dict[str, Any]]:
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        return list(self.world.cluster.api.get(path)["items"])

    def gone(self, uid: str) -> bool:
        return all(job["metadata"]["uid"] != uid for job in self.jobs())

    def end(self) -> None:
        """Suspend all, so that it can come to rest."""
        for one in self.planted:
            self.people.suspend(one)


Play = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Story:
    """What is played, and with how many replicas."""

    play: Play
    replicas: int = 1

    @property
    def sentence(self) -> str:
        return (self.play.__doc__ or "").strip().partition("\n")[0]


def stale_bind(scene: Scene) -> None:
    """A replica stands still between reading and binding, until another one has done all of the run."""
    world = scene.world
    one = scene.plant("stale", "@every 10s", **_NO_HISTORY)
    scene.wait(one, lambda rows: any(row["state"] == "Completed" for row in rows), what="a first run is over")
    with world.fault("held up", Target.REPLICA):
        slow, fast = world.replicas
        fast.pause()
        world.arm(slow, f"before-bind=sleep:{_LONG:g}")
        eventually(lambda: world.struck(slow, "before-bind"), what="it stands still before a bind", seconds=40)
        fast.resume()
        woken = time.time() + _LONG
        eventually(lambda: time.time() > woken, what="it has gone on", seconds=2 * _LONG)
        bound = "SELECT 1 FROM attempts WHERE state = 'bound' OR state = 'launched'"
        eventually(lambda: not world.rows.all(bound), what="whatever it did is recorded", seconds=20)


def late_twin(scene: Scene) -> None:
    """A create and a launch of a run come late, when the run is over and its Job gone."""
    world = scene.world
    link = world.api_link(world.replicas[0])
    one = scene.plant("twin", RARELY, **_NO_HISTORY)
    with world.fault("late requests", Target.API_LINK):
        create, launch = link.harm(_CREATE.late()), link.harm(_LAUNCH.late())
        assert scene.people.trigger(one, "once") is not None
        scene.wait(one, lambda rows: [row["state"] for row in rows] == ["Completed"], what="the run is over")
        first = scene.runs(one)[0]["job_uid"]
        eventually(lambda: scene.gone(first), what="its Job is gone")
        assert (create.hits, launch.hits) == (1, 1)
        create.deliver.set()
        eventually(lambda: create.answers == [201], what="the create has arrived", interval=0.01)
        launch.deliver.set()
        eventually(lambda: len(launch.answers) == 1, what="the launch has arrived")
    eventually(lambda: not scene.jobs() or world.doubles(), what="no Job is left, or one has started that must not")


def late_launch(scene: Scene) -> None:
    """The launch of a Job arrives between the read and the DELETE by which its run was to be given up."""
    world = scene.world
    replica = world.replicas[0]
    link = world.api_link(replica)
    one = scene.plant("late", "@every 20s", simulate={"simulate-seconds": "6"}, startingDeadlineSeconds=10)
    with world.fault("late requests", Target.API_LINK):
        launch = link.harm(_LAUNCH.late())
        link.harm(Fault("PATCH", _LAUNCH.path, Harm.ANSWER, times=FOR_GOOD, body=_LAUNCH.body))
        world.arm(replica, "before-unstage=sleep:3")
        eventually(lambda: world.struck(replica, "before-unstage"), what="the run is to be given up", seconds=60)
        launch.deliver.set()
        eventually(lambda: launch.answers == [200], what="the launch has arrived")
        link.heal()
    scene.wait(one, lambda rows: bool(rows) and rows[0]["state"] != "Pending", what="its run is told", seconds=20)
    ended = {"Completed", "Stopped", "Missed", "Unknown", "Failed"}
    scene.wait(one, lambda rows: rows[0]["state"] in ended, what="its run is over", seconds=20)


def lost_answer(scene: Scene) -> None:
    """The answer to a launch is lost."""
    world = scene.world
    one = scene.plant("lost", RARELY)
    with world.fault("lost answer", Target.API_LINK):
        fault = world.api_link(world.replicas[0]).harm(_LAUNCH.lost())
        assert scene.people.trigger(one, "once") is not None
        eventually(lambda: fault.answers == [200], what="the answer is lost")
    scene.wait(one, lambda rows: [row["state"] for row in rows] == ["Completed"], what="the run is over")


def lost_commits(scene: Scene) -> None:
    """The database is set back to a backup from before some runs, which are over and gone."""
    _set_back(scene, blind=False)


def lost_commits_unseen(scene: Scene) -> None:
    """The same, while the statuses that would bear witness cannot be written."""
    _set_back(scene, blind=True)


def _set_back(scene: Scene, *, blind: bool) -> None:
    world, database = scene.world, scene.world.database
    assert isinstance(database, HarmablePostgres)
    one = scene.plant("set-back", "@every 3s", **_NO_HISTORY)
    scene.wait(one, lambda rows: any(row["state"] == "Completed" for row in rows), what="a first run is over")
    with world.fault("commits are lost", Target.DATABASE, lost_commits=True):
        link = world.api_link(world.replicas[0])
        if blind:
            link.harm(Fault("PATCH", _STATUS.path, Harm.ANSWER, times=FOR_GOOD))
        backup = database.back_up()
        known = {row["id"] for row in scene.runs(one)}

        def launched(rows: list[Row]) -> list[Row]:
            return [row for row in rows if row["id"] not in known and row["launched_at"]]

        scene.wait(one, lambda rows: len(launched(rows)) >= 2, what="more runs were launched")
        last = launched(scene.runs(one))[-1]
        scene.wait(
            one, lambda rows: last["id"] in {row["id"] for row in rows if row["log"] == "Completed"}, what="it is over"
        )
        over = time.time()
        went = lambda: scene.gone(last["job_uid"]) or time.time() > over + _KEPT_SECONDS  # noqa: E731 - said twice
        eventually(went, what="its Job is gone, or kept", seconds=2 * _KEPT_SECONDS)
        database.restore(backup)
        link.heal()
        world.heal()


def overlap(scene: Scene) -> None:
    """A schedule under Forbid has runs that last longer than its interval."""
    one = scene.plant("overlap", "@every 2s", simulate={"simulate-seconds": "5"}, concurrencyPolicy="Forbid")
    scene.wait(
        one, lambda rows: sum(row["launched_at"] is not None for row in rows) >= 2, what="two runs were launched"
    )


STORIES: dict[str, Story] = {
    "bind-compare-and-set": Story(stale_bind, replicas=2),
    "launch-uid": Story(late_twin),
    "unstage-version": Story(late_launch),
    "no-second-create": Story(lost_answer),
    "incarnation": Story(lost_commits),
    "witness-first": Story(lost_commits_unseen),
    "locks": Story(overlap),
}
