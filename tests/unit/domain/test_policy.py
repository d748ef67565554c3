"""May it start now? The chain of objections, as a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ticklock.domain.backlog import GRACE
from ticklock.domain.catch_up import CatchUp, CatchUpPolicy
from ticklock.domain.model import AttemptState, ConcurrencyPolicy
from ticklock.domain.policy import RETRY_BLOCKED, Defer, Go, Judge, Situation, decide
from ticklock.domain.reasons import Reason

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALLOW, FORBID, REPLACE = ConcurrencyPolicy.ALLOW, ConcurrencyPolicy.FORBID, ConcurrencyPolicy.REPLACE
MISSED, SKIPPED, STOPPED = AttemptState.MISSED, AttemptState.SKIPPED, AttemptState.STOPPED
SKIP = CatchUp(CatchUpPolicy.SKIP)
NARROW = CatchUp(window=timedelta(seconds=60))
ALL = CatchUp(CatchUpPolicy.ALL, limit=2)
FREE = Situation(
    tick=NOON,
    due_at=NOON,
    now=NOON,
    is_tick=True,
    deleted=False,
    suspended=False,
    deadline=None,
    policy=ALLOW,
    newest_due=NOON,
    blocked_by=None,
)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def situation(**changes: Any) -> Situation:
    return replace(FREE, **changes)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(FREE, id="a tick on time"),
        pytest.param(situation(now=NOON + s(9999)), id="a late tick, if no newer one is due"),
        pytest.param(situation(newest_due=None), id="a tick that is not due yet"),
        pytest.param(situation(deadline=s(10), now=NOON + s(10)), id="a tick at the last moment of its deadline"),
        pytest.param(
            situation(newest_due=NOON + s(10), now=NOON + GRACE),
            id="under Allow, a tick within the grace beside a newer one",
        ),
        pytest.param(situation(policy=FORBID), id="under Forbid, if nobody is in the way"),
        pytest.param(situation(is_tick=False, suspended=True), id="a trigger of a suspended schedule"),
        pytest.param(situation(is_tick=False, deadline=s(1), now=NOON + s(99)), id="a trigger, however late"),
        pytest.param(
            situation(is_tick=False, policy=FORBID, newest_due=NOON + s(60), now=NOON + s(99)),
            id="a trigger beside newer ticks",
        ),
        pytest.param(situation(catch_up=SKIP, now=NOON + GRACE), id="under Skip, a tick within the grace"),
        pytest.param(
            situation(catch_up=SKIP, policy=FORBID, now=NOON + s(99), free_since=NOON + s(90)),
            id="under Skip, a tick that had to wait for a run",
        ),
        pytest.param(
            situation(catch_up=SKIP, is_tick=False, now=NOON + s(99)), id="under Skip, a trigger, however late"
        ),
        pytest.param(situation(catch_up=NARROW, now=NOON + s(60)), id="a tick just as old as its window"),
        pytest.param(
            situation(catch_up=ALL, newest_due=NOON + s(60), now=NOON + s(99), newer_missed=1),
            id="under All, a missed tick beside a newer one",
        ),
        pytest.param(
            situation(catch_up=ALL, policy=FORBID, newest_due=NOON + s(60), now=NOON + s(99), oldest_due=NOON),
            id="under All and Forbid, the oldest first",
        ),
        pytest.param(
            situation(is_tick=False, under_way=1, max_parallel=2), id="a run of a backfill of which one more may run"
        ),
    ],
)
def test_it_may_start(at: Situation) -> None:
    assert decide(at) == Go()


@pytest.mark.parametrize(
    ("at", "state", "reason"),
    [
        pytest.param(situation(deleted=True), STOPPED, Reason.SCHEDULE_DELETED, id="deleted"),
        pytest.param(situation(deleted=True, is_tick=False), STOPPED, Reason.SCHEDULE_DELETED, id="a trigger, deleted"),
        pytest.param(situation(suspended=True), SKIPPED, Reason.SCHEDULE_SUSPENDED, id="suspended"),
        pytest.param(
            situation(deadline=s(10), now=NOON + s(10.001)), MISSED, Reason.DEADLINE_EXCEEDED, id="beyond its deadline"
        ),
        pytest.param(
            situation(deadline=s(0), now=NOON + s(1)), MISSED, Reason.DEADLINE_EXCEEDED, id="a deadline of nothing"
        ),
        pytest.param(
            situation(newest_due=NOON + s(60), now=NOON + s(61)),
            MISSED,
            Reason.OUTAGE,
            id="under Allow, beyond the grace",
        ),
        pytest.param(
            situation(policy=FORBID, newest_due=NOON + s(1), now=NOON + s(1)),
            SKIPPED,
            Reason.CONCURRENCY_FORBIDDEN,
            id="under Forbid, as soon as a newer one is due",
        ),
        pytest.param(
            situation(policy=REPLACE, newest_due=NOON + s(1), now=NOON + s(1)),
            SKIPPED,
            Reason.REPLACED,
            id="under Replace too",
        ),
        pytest.param(
            situation(policy=FORBID, newest_due=NOON + s(60), now=NOON + s(60), deadline=s(30)),
            MISSED,
            Reason.DEADLINE_EXCEEDED,
            id="the deadline is named first, it would have been missed anyway",
        ),
        pytest.param(
            situation(catch_up=SKIP, now=NOON + s(15.1)), MISSED, Reason.OUTAGE, id="under Skip, a missed one"
        ),
        pytest.param(
            situation(catch_up=SKIP, policy=FORBID, now=NOON + s(99), free_since=NOON + s(80)),
            MISSED,
            Reason.OUTAGE,
            id="under Skip, one that was missed after its wait was over",
        ),
        pytest.param(
            situation(catch_up=NARROW, now=NOON + s(61)), MISSED, Reason.CATCH_UP_WINDOW, id="older than its window"
        ),
        pytest.param(
            situation(catch_up=ALL, now=NOON + s(99), newer_missed=2),
            MISSED,
            Reason.CATCH_UP_LIMIT,
            id="under All, beyond the limit",
        ),
        pytest.param(
            situation(catch_up=ALL, policy=REPLACE, newest_due=NOON + s(1), now=NOON + s(1)),
            SKIPPED,
            Reason.REPLACED,
            id="under Replace each would end the one before: the latest alone",
        ),
        pytest.param(
            situation(policy=FORBID, suspended=True, blocked_by="run"),
            SKIPPED,
            Reason.SCHEDULE_SUSPENDED,
            id="a verdict beats waiting",
        ),
    ],
)
@pytest.mark.field("concurrencyPolicy", "startingDeadlineSeconds", "suspend", check="semantics")
def test_it_never_starts(at: Situation, state: AttemptState, reason: Reason) -> None:
    decision = decide(at)
    assert isinstance(decision, Judge)
    assert (decision.state, decision.reason) == (state, reason)
    assert decision.message


@pytest.mark.parametrize(
    ("at", "until"),
    [
        pytest.param(situation(policy=FORBID, blocked_by="run"), NOON + RETRY_BLOCKED, id="due: a little later"),
        pytest.param(
            situation(policy=FORBID, blocked_by="run", now=NOON - s(3)), NOON, id="ahead of its time: when it is due"
        ),
        pytest.param(situation(policy=REPLACE, blocked_by="run"), NOON + RETRY_BLOCKED, id="under Replace too"),
        pytest.param(
            situation(policy=FORBID, blocked_by="run", is_tick=False),
            NOON + RETRY_BLOCKED,
            id="a trigger waits as well",
        ),
        pytest.param(
            situation(policy=FORBID, blocked_by="run", catch_up=SKIP, now=NOON + s(99)),
            NOON + s(99) + RETRY_BLOCKED,
            id="under Skip too, however late: it is not missed",
        ),
    ],
)
def test_it_waits_and_names_what_is_in_the_way(at: Situation, until: datetime) -> None:
    assert decide(at) == Defer(until, Reason.WAITING_FOR_RUN, "waiting for run run")


@pytest.mark.parametrize(
    ("tick", "until"),
    [
        pytest.param(NOON + s(60), NOON + s(99) + RETRY_BLOCKED, id="missed: a little later"),
        pytest.param(NOON + s(103), NOON + s(103), id="ahead of its time: when it is due"),
    ],
)
def test_under_all_and_forbid_one_waits_for_the_one_before(tick: datetime, until: datetime) -> None:
    at = situation(catch_up=ALL, policy=FORBID, tick=tick, due_at=tick, now=NOON + s(99), oldest_due=NOON)
    assert decide(at) == Defer(until, Reason.WAITING_FOR_RUN, "waiting for the run of 2026-03-02T12:00:00Z")


def test_a_run_of_a_backfill_waits_for_its_turn() -> None:
    at = situation(is_tick=False, under_way=2, max_parallel=2, blocked_by="run")
    message = "2 runs of its backfill are under way, and 2 may be at a time"
    assert decide(at) == Defer(NOON + RETRY_BLOCKED, Reason.WAITING_FOR_TURN, message)
