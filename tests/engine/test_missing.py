"""A bound run whose deadline passes before its launch: what is written depends on what became of its Job."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.engine.views import KEY, NOON, UID, job
from ticklock.domain.model import AttemptState, ObjectRef, ScheduleUid
from ticklock.engine.dispatcher import Dispatcher
from ticklock.ports import Bound, JobView

BOUND = Bound(
    key=KEY,
    ref=ObjectRef("shop", "payout", ScheduleUid("owner")),
    job_name="payout-1",
    job_uid=UID,
    scheduled_time=NOON,
    deadline_at=NOON,
    token=1,
    stranded=False,
)


class Cluster:
    """One Job; whoever is asked answers for all ports that a miss needs."""

    def __init__(self, standing: JobView | None) -> None:
        self.standing = standing

    async def read(self, namespace: str, name: str) -> JobView | None:
        return self.standing

    async def delete(self, given: JobView, *, only_if_unchanged: bool) -> JobView | None:
        self.standing = replace(given, deleting=True)
        return self.standing

    async def release(self, *_: object) -> bool:
        return True

    async def rebuild_launched(self, *_: object) -> bool:
        return True


def dispatcher(cluster: Cluster) -> Dispatcher:
    nothing = SimpleNamespace(poke=lambda _: None, count=lambda *_, **__: None, observe=lambda *_, **__: None)
    anything = cast("Any", nothing)
    return Dispatcher(
        ledger=cast("Any", cluster),
        jobs=cast("Any", cluster),
        objects=anything,
        wakeups=anything,
        meter=anything,
        lookup=anything,
        claim=timedelta(seconds=10),
        batch=10,
        launchers=1,
        now=lambda: NOON + timedelta(seconds=1),
        next_due=lambda: 1.0,
    )


CASES = [
    pytest.param(job(), [AttemptState.MISSED], id="still suspended: it is taken away and Missed"),
    pytest.param(None, [AttemptState.UNKNOWN], id="gone: it may have run, nobody can say that it was missed"),
    pytest.param(job(suspended=False, started_at=NOON), [], id="launched by another replica: it runs"),
]


@pytest.mark.parametrize(("standing", "written"), CASES)
async def test_a_run_that_comes_too_late(standing: JobView | None, written: list[AttemptState]) -> None:
    late = dispatcher(Cluster(standing))
    await late._launch(BOUND, until=late.monotonic() + 10)
    assert [ending.state for ending in late.endings] == written
    assert len(late.launches) == (0 if written else 1)
