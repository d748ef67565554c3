"""May it start now? The chain of objections, as a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ticklock.domain.backlog import GRACE
from ticklock.domain.model import AttemptState, ConcurrencyPolicy
from ticklock.domain.policy import RETRY_BLOCKED, Defer, Go, Judge, Situation, decide
from ticklock.domain.reasons import Reason

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALLOW, FORBID, REPLACE = ConcurrencyPolicy.ALLOW, ConcurrencyPolicy.FORBID, ConcurrencyPolicy.REPLACE
MISSED, SKIPPED, STOPPED = AttemptState.MISSED, AttemptState.SKIPPED, AttemptState.STOPPED
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
            situation(policy=FORBID, suspended=True, blocked_by="run"),
            SKIPPED,
            Reason.SCHEDULE_SUSPENDED,
            id="a verdict beats waiting",
        ),
    ],
)
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
    ],
)
def test_it_waits_and_names_what_is_in_the_way(at: Situation, until: datetime) -> None:
    assert decide(at) == Defer(until, Reason.WAITING_FOR_RUN, "waiting for run run")
