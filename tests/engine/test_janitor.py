"""What the janitor does about a Job that contradicts its row, once it has seen that twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.engine.views import KEY, NOON, UID, job, row
from ticklock.domain.model import AttemptKey, AttemptState
from ticklock.engine.janitor import Janitor
from ticklock.ports import JobView, RowView


class World:
    """One Job and its row, behind all the ports that a comparison needs; notes what is done."""

    def __init__(self, standing: JobView, known: RowView | None, *, owed: bool) -> None:
        self.standing, self.known_row, self.owed = standing, known, owed
        self.done: list[str] = []

    def known(self) -> Sequence[JobView]:
        return [self.standing]

    async def rows(self, keys: Sequence[AttemptKey]) -> dict[AttemptKey, RowView]:
        return {} if self.known_row is None else {KEY: self.known_row}

    async def still_owed(self, _: JobView) -> bool:
        return self.owed

    async def read(self, *_: str) -> JobView | None:
        return self.standing

    async def delete(self, given: JobView, *, only_if_unchanged: bool) -> JobView | None:
        self.done.append("deleted")
        self.standing = replace(given, deleting=True)
        return self.standing

    async def release(self, *_: object) -> bool:
        self.done.append("released")
        return True

    async def release_again(self, *_: object) -> None:
        self.done.append("to be released again")

    async def rebuild_launched(self, _: JobView) -> bool:
        self.done.append("rebuilt")
        return True


ENDED = {"suspended": False, "started_at": NOON, "finished": AttemptState.COMPLETED, "finished_at": NOON}

CASES = [
    pytest.param(job(), None, True, [], id="no row, its tick still to be planned: it may yet be adopted"),
    pytest.param(job(), None, False, ["deleted", "released"], id="no row, and none to come: it is taken away"),
    pytest.param(job(), row(state=AttemptState.SKIPPED), True, ["deleted", "released"], id="its run was skipped"),
    pytest.param(
        job(**ENDED),
        row(state=AttemptState.COMPLETED, job_uid=UID, released=True),
        False,
        ["to be released again"],
        id="it was released, and etcd brought it back with our finalizer",
    ),
    pytest.param(
        job(suspended=False, started_at=NOON),
        row(state=AttemptState.STOPPED, job_uid=UID, released=True),
        False,
        ["deleted", "to be released again"],
        id="it was deleted while it ran, and etcd brought it back as if it had not been",
    ),
    pytest.param(
        job(suspended=False, started_at=NOON),
        row(state=AttemptState.STOPPED, job_uid=UID),
        False,
        ["deleted"],
        id="etcd brought it back before it was released at all: its release comes anyway",
    ),
    pytest.param(
        job(suspended=False, started_at=NOON, deleting=True),
        row(state=AttemptState.STOPPED, job_uid=UID, released=True),
        False,
        ["to be released again"],
        id="it was deleted, and etcd brought it back on its way out",
    ),
    pytest.param(
        job(**ENDED),
        row(state=AttemptState.STOPPED, job_uid=UID, released=True),
        False,
        ["to be released again"],
        id="it was deleted as it ended, and etcd brought its end back",
    ),
    pytest.param(job(suspended=False, started_at=NOON), None, True, ["rebuilt"], id="it runs and has no row"),
]


@pytest.mark.parametrize(("standing", "known", "owed", "done"), CASES)
async def test_after_two_looks(standing: JobView, known: RowView | None, done: list[str], *, owed: bool) -> None:
    world = World(standing, known, owed=owed)
    meter = SimpleNamespace(gauge=lambda *_, **__: None, count=lambda *_, **__: None)
    every = cast("Any", world)
    janitor = Janitor(every, every, every, every, cast("Any", meter), 1, timedelta(hours=24), lambda: NOON)
    await janitor._compare()
    assert world.done == []
    await janitor._compare()
    assert world.done == done
