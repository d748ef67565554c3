"""Which ticks of the past a person may have run, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ticklock.domain.backfill import Known, LeftAlone, Memory, Wanted, sort_out
from ticklock.domain.model import RunState

TICK = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MEMORY = Memory(
    created_at=TICK - 9 * DAY,
    pruned_through=None,
    audit_from=TICK - 20 * DAY,
    doubted_through=None,
    next_tick=TICK + DAY,
)
MISSED = Known(RunState.MISSED, "Outage", "late", bound=False)


def verdict(known: Known | None, *, bound: bool = False, **memory: Any) -> Wanted | LeftAlone:
    runs = {} if known is None else {TICK: known}
    wanted, left = sort_out([TICK], runs, frozenset({TICK} if bound else ()), replace(MEMORY, **memory))
    assert len(wanted) + len(left) == 1
    return wanted[0] if wanted else left[0]


@pytest.mark.parametrize(
    ("known", "memory"),
    [
        pytest.param(None, {}, id="a tick that never had a run"),
        pytest.param(MISSED, {}, id="a missed one"),
        pytest.param(replace(MISSED, state=RunState.SKIPPED), {}, id="a skipped one"),
        pytest.param(MISSED, {"pruned_through": TICK + DAY}, id="a missed one among pruned ones"),
        pytest.param(None, {"pruned_through": TICK - DAY}, id="one without a run above what was pruned"),
        pytest.param(None, {"pruned_through": TICK}, id="one without a run where the audit trail would show it"),
        pytest.param(
            MISSED, {"created_at": TICK + DAY}, id="a missed one from before the object, by a former backfill"
        ),
        pytest.param(None, {"created_at": TICK, "before_creation": True}, id="one before the object, vouched for"),
        pytest.param(
            None,
            {"created_at": TICK + DAY, "before_creation": True, "pruned_through": TICK + DAY, "audit_from": TICK + DAY},
            id="one before the object, of which the whole life is in the audit trail",
        ),
        pytest.param(None, {"doubted_through": TICK - DAY}, id="one after what is doubted"),
        pytest.param(None, {"next_tick": None}, id="one of a schedule that is suspended or over"),
    ],
)
def test_it_runs(known: Known | None, memory: dict[str, Any]) -> None:
    assert verdict(known, **memory) == Wanted(TICK, known)


@pytest.mark.parametrize(
    ("known", "memory", "why", "words"),
    [
        *(
            pytest.param(
                replace(MISSED, state=state), {}, state.value, "a trigger starts one more", id=f"a {state} one"
            )
            for state in (RunState.COMPLETED, RunState.FAILED, RunState.STOPPED, RunState.UNKNOWN)
        ),
        pytest.param(replace(MISSED, state=RunState.PENDING), {}, "Pending", "planned already", id="one that waits"),
        pytest.param(replace(MISSED, state=RunState.RUNNING), {}, "Running", "runs now", id="one that runs"),
        pytest.param(replace(MISSED, bound=True), {}, "Missed", "was decided", id="a missed one that was bound"),
        pytest.param(None, {"bound": True}, "Decided", "audit trail", id="one that was bound, without a row"),
        pytest.param(MISSED, {"bound": True}, "Decided", "audit trail", id="a missed one that was bound, by the trail"),
        pytest.param(None, {"next_tick": TICK}, "Owed", "about to", id="one that is planned in a moment"),
        pytest.param(None, {"created_at": TICK}, "BeforeCreation", "--before-creation", id="one before the object"),
        pytest.param(
            None,
            {"pruned_through": TICK, "audit_from": TICK + DAY},
            "Pruned",
            "nobody can tell",
            id="one of which the audit trail is gone",
        ),
        pytest.param(
            None,
            {"pruned_through": TICK, "audit_from": None},
            "Pruned",
            "nobody",
            id="one where there is no trail at all",
        ),
        pytest.param(None, {"doubted_through": TICK}, "Doubted", "lost commits", id="one without a run, after a loss"),
        pytest.param(MISSED, {"doubted_through": TICK}, "Doubted", "use a trigger", id="a missed one, after a loss"),
    ],
)
def test_it_is_left_alone(known: Known | None, memory: dict[str, Any], why: str, words: str) -> None:
    found = verdict(known, **memory)
    assert isinstance(found, LeftAlone)
    assert found.why == why
    assert words in found.message
