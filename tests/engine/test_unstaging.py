"""Taking a staged Job away never hits a launched one. The API server here plays one race a case."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from tests.engine.views import KEY, NOON, OTHER, UID, job
from ticklock.domain.errors import Conflict, Transient
from ticklock.domain.model import JobUid
from ticklock.engine.unstaging import Fate, unstage
from ticklock.ports import Jobs, JobView, Ledger, Leftover

LEFTOVER = Leftover("shop", "payout-1", UID, KEY)


class Stage:
    """One Job and the calls made for it; `races` happen one before each delete."""

    def __init__(self, standing: JobView | None, *races: Callable[[JobView], JobView]) -> None:
        self.standing = standing
        self.races = list(races)
        self.calls: list[str] = []

    async def read(self, namespace: str, name: str) -> JobView | None:
        return self.standing

    async def delete(self, given: JobView, *, only_if_unchanged: bool) -> JobView | None:
        assert only_if_unchanged
        if self.races and self.standing is not None:
            self.standing = self.races.pop(0)(self.standing)
        if self.standing is None or self.standing.resource_version != given.resource_version:
            self.calls.append("refused")
            raise Conflict("it moved on")
        self.calls.append("deleted")
        self.standing = replace(self.standing, deleting=True)
        return self.standing

    async def release(self, namespace: str, name: str, uid: JobUid) -> bool:
        self.calls.append("released")
        return True

    async def rebuild_launched(self, found: JobView) -> bool:
        self.calls.append("rebuilt")
        return True


def launched(standing: JobView) -> JobView:
    return replace(standing, suspended=False, started_at=NOON, resource_version="6")


def touched(standing: JobView) -> JobView:
    return replace(standing, resource_version=standing.resource_version + "1")


CASES = [
    pytest.param(Stage(None), Fate.GONE, [], id="it is gone already: nobody knows"),
    pytest.param(Stage(job(uid=OTHER)), Fate.GONE, [], id="another job has its name"),
    pytest.param(Stage(job()), Fate.NEVER_STARTED, ["deleted", "released"], id="it is deleted and let go"),
    pytest.param(
        Stage(job(), touched), Fate.NEVER_STARTED, ["refused", "deleted", "released"], id="it changes once meanwhile"
    ),
    pytest.param(
        Stage(job(), launched), Fate.LAUNCHED, ["refused", "rebuilt"], id="it is launched right before the delete"
    ),
    pytest.param(Stage(job(suspended=False)), Fate.LAUNCHED, ["rebuilt"], id="it runs"),
    pytest.param(
        Stage(job(deleting=True)), Fate.NEVER_STARTED, ["released"], id="its user deletes it, and it never started"
    ),
    pytest.param(
        Stage(job(deleting=True, suspended=False)),
        Fate.LAUNCHED,
        ["rebuilt"],
        id="its user deletes it after a launch: without a start time it may still have pods",
    ),
]


@pytest.mark.parametrize(("stage", "fate", "calls"), CASES)
async def test_a_job_that_must_not_start(stage: Stage, fate: Fate, calls: list[str]) -> None:
    assert await unstage(cast("Jobs", stage), cast("Ledger", stage), LEFTOVER) is fate
    assert stage.calls == calls


async def test_a_late_launch_after_our_own_delete_starts_nothing() -> None:
    stage = Stage(job())
    delete = stage.delete

    async def delete_then_launch(given: JobView, *, only_if_unchanged: bool) -> JobView | None:
        await delete(given, only_if_unchanged=only_if_unchanged)
        stage.standing = replace(job(), deleting=True, suspended=False)
        return stage.standing

    stage.delete = delete_then_launch  # type: ignore[method-assign]
    assert await unstage(cast("Jobs", stage), cast("Ledger", stage), LEFTOVER) is Fate.NEVER_STARTED
    assert stage.calls == ["deleted", "released"]


async def test_a_job_that_changes_all_the_time_is_left_for_later() -> None:
    stage = Stage(job(), *[touched] * 5)
    with pytest.raises(Transient):
        await unstage(cast("Jobs", stage), cast("Ledger", stage), LEFTOVER)
