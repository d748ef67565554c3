"""How a launch is tried again that the API server does not take."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.engine.quiet import QuietMeter, QuietWakeups
from tests.engine.views import KEY, NOON, UID, job
from tests.support.virtual_time import run_virtual
from ticklock.domain.errors import Transient
from ticklock.domain.model import ObjectRef, ScheduleUid
from ticklock.engine.dispatcher import Dispatcher
from ticklock.ports import BindOutcome, Bound, Jobs, JobView, Ledger

CLAIM = timedelta(seconds=10)
NOTHING: Any = None
BOUND = Bound(KEY, ObjectRef("shop", "payout", ScheduleUid("owner")), "payout-1", UID, NOON, None, 7, stranded=False)


class BusyJobs:
    """Refuses the first launches, each with what it says; notes when each was asked for."""

    def __init__(self, *refusals: Transient) -> None:
        self.refusals = list(refusals)
        self.asked_at: list[float] = []

    async def launch(self, namespace: str, name: str, uid: str) -> JobView | None:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.refusals:
            raise self.refusals.pop(0)
        return job(suspended=False)


class OneBind:
    """Binds one attempt, once."""

    def __init__(self) -> None:
        self.left = [BOUND]

    async def bind(self, **_: object) -> BindOutcome:
        bound, self.left = self.left, []
        return BindOutcome(bound, (), (), len(bound))


async def launched(jobs: BusyJobs) -> list[float]:
    """Bind one, let the launchers finish; return the pauses between the tries."""
    loop = asyncio.get_running_loop()
    dispatcher = Dispatcher(
        ledger=cast("Ledger", OneBind()),
        jobs=cast("Jobs", jobs),
        objects=NOTHING,
        wakeups=QuietWakeups(),
        meter=QuietMeter(),
        lookup=cast("Any", NoLookup()),
        claim=CLAIM,
        batch=10,
        launchers=2,
        now=lambda: None,
        next_due=lambda: 1.0,
        monotonic=loop.time,
    )
    await dispatcher.step()
    dispatcher.closing.set()
    await dispatcher.run_launchers()
    return [later - earlier for earlier, later in zip(jobs.asked_at, jobs.asked_at[1:], strict=False)]


class NoLookup:
    async def look(self, blockers: object) -> None: ...


def test_the_pauses_grow_and_differ_by_chance() -> None:
    pauses = run_virtual(lambda: launched(BusyJobs(*[Transient("503")] * 6)))
    bounds = [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert len(pauses) == len(bounds)
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, bounds, strict=True))
    others = run_virtual(lambda: launched(BusyJobs(*[Transient("503")] * 6)))
    assert pauses != others


@pytest.mark.parametrize(
    ("asked", "paused"),
    [pytest.param(1.5, 1.5, id="longer than ours"), pytest.param(0.01, 0.1, id="shorter than ours")],
)
def test_the_server_may_ask_for_a_longer_pause(asked: float, paused: float) -> None:
    (pause,) = run_virtual(lambda: launched(BusyJobs(Transient("429", retry_after=asked))))
    assert paused <= pause <= max(asked, 0.2)


def test_it_is_given_up_before_the_claim_ends() -> None:
    jobs = BusyJobs(*[Transient("503")] * 1000)
    run_virtual(lambda: launched(jobs))
    assert jobs.asked_at[-1] - jobs.asked_at[0] < CLAIM.total_seconds() - 1.0
