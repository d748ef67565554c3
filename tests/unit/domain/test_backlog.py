"""Which ticks are owed after a gap, and which are lost."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticklock.domain.backlog import COUNTED, GRACE, MISSED_ROWS, Plan, plan
from ticklock.domain.reasons import Reason
from ticklock.domain.timetable import Timetable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTELY = Timetable.parse("* * * * *", anchor=NOON)
NONE = timedelta(0)


def at(minutes: float, seconds: float = 0) -> datetime:
    """Return a time so long after noon."""
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def minutes_of(planned: Plan) -> list[int]:
    return [int((tick - NOON).total_seconds() // 60) for tick in planned.pending]


CASES = [
    pytest.param(at(0), at(0, 30), 3, None, [], [], id="between two ticks: nothing"),
    pytest.param(at(0), at(0, 58), 3, None, [1], [], id="a tick within the horizon is planned ahead"),
    pytest.param(at(0), at(1), 0, None, [1], [], id="a tick at this very moment is due"),
    pytest.param(at(1), at(1), 0, None, [], [], id="a tick at the cursor was planned before"),
    pytest.param(at(0), at(1, 14), 0, None, [1], [], id="a tick within the grace is nothing unusual"),
    pytest.param(at(0), at(1, 50), 0, None, [1], [], id="a late tick without a newer one still runs"),
    pytest.param(at(0), at(5, 30), 0, None, [5], [1, 2, 3, 4], id="of a backlog the latest runs"),
    pytest.param(at(0), at(5, 5), 0, None, [5], [1, 2, 3, 4], id="of a backlog the latest runs, on time as it is"),
    pytest.param(
        at(0), at(5, 58), 3, None, [5, 6], [1, 2, 3, 4], id="a tick to come does not take the latest one's place"
    ),
    pytest.param(at(0), at(5, 30), 0, 60, [5], [1, 2, 3, 4], id="within its deadline the latest runs"),
    pytest.param(at(0), at(5, 30), 0, 20, [], [1, 2, 3, 4, 5], id="beyond its deadline even the latest is lost"),
    pytest.param(at(0), at(5, 10), 0, 5, [5], [1, 2, 3, 4], id="within the grace the bind decides about the deadline"),
    pytest.param(at(9), at(5), 0, None, [], [], id="a cursor ahead of the time plans nothing"),
]


@pytest.mark.parametrize(("cursor", "now", "horizon", "deadline", "pending", "lost"), CASES)
def test_what_is_owed(  # noqa: PLR0917
    cursor: datetime, now: datetime, horizon: int, deadline: int | None, pending: list[int], lost: list[int]
) -> None:
    limit = None if deadline is None else timedelta(seconds=deadline)
    planned = plan(MINUTELY, cursor=cursor, now=now, horizon=timedelta(seconds=horizon), deadline=limit)
    assert minutes_of(planned) == pending
    assert [int((item.tick - NOON).total_seconds() // 60) for item in planned.lost] == lost
    assert planned.cursor == max(cursor, now + timedelta(seconds=horizon))


@pytest.mark.parametrize(
    ("deadline", "reasons"),
    [
        pytest.param(None, [Reason.OUTAGE] * 4, id="without a deadline: the outage"),
        pytest.param(150, [Reason.DEADLINE_EXCEEDED] * 2 + [Reason.OUTAGE] * 2, id="those beyond it: the deadline"),
    ],
)
@pytest.mark.field("startingDeadlineSeconds", check="semantics")
def test_each_lost_tick_has_its_reason(deadline: int | None, reasons: list[Reason]) -> None:
    limit = None if deadline is None else timedelta(seconds=deadline)
    planned = plan(MINUTELY, cursor=at(0), now=at(5, 29), horizon=NONE, deadline=limit)
    assert [item.reason for item in planned.lost] == reasons
    assert all("s late" in item.message for item in planned.lost)


@pytest.mark.parametrize(
    ("missed", "rows"),
    [
        pytest.param(MISSED_ROWS, MISSED_ROWS, id="a hundred, one by one"),
        pytest.param(MISSED_ROWS + 1, 1, id="a hundred and one, as a range"),
        pytest.param(525_600, 1, id="a year, as a range"),
    ],
)
@pytest.mark.parametrize("kept", [True, False], ids=["the latest runs", "the latest is lost too"])
def test_a_long_outage_does_not_flood(missed: int, rows: int, kept: bool) -> None:  # noqa: FBT001
    deadline = None if kept else timedelta(seconds=20)
    planned = plan(MINUTELY, cursor=at(0), now=at(missed + kept, 30), horizon=NONE, deadline=deadline)
    assert len(planned.pending) == kept
    assert len(planned.lost) == rows
    assert planned.lost[-1].tick == at(missed)
    if rows == 1:
        assert planned.lost[0].message.startswith("all ticks from 2026-03-02T12:01:00Z to ")
        assert planned.lost[0].first == at(1)
    assert sum(item.ticks for item in planned.lost) == min(missed, COUNTED + 1)


def test_a_range_of_more_than_is_counted_says_so() -> None:
    (lost,) = plan(MINUTELY, cursor=at(0), now=at(COUNTED + 2, 30), horizon=NONE, deadline=None).lost
    assert (lost.ticks, lost.tick) == (COUNTED + 1, at(COUNTED + 1))
    assert lost.message.endswith("fell into an outage: more than 10000 of them")
    (lost,) = plan(MINUTELY, cursor=at(0), now=at(COUNTED + 1, 30), horizon=NONE, deadline=None).lost
    assert lost.message.endswith("fell into an outage: 10000 of them")


def test_the_next_tick_is_the_first_after_the_cursor() -> None:
    planned = plan(MINUTELY, cursor=at(0), now=at(0, 58), horizon=timedelta(seconds=3), deadline=None)
    assert planned.next_tick == at(2)


def test_a_timetable_without_a_next_tick_has_none() -> None:
    once = Timetable.parse("0 0 30 2 *", anchor=NOON)
    assert plan(once, cursor=at(0), now=at(5), horizon=NONE, deadline=None).next_tick is None


EXPRESSIONS = st.sampled_from(["@every 1s", "@every 7s", "*/3 * * * * *", "* * * * *", "30 2 * * *", "0 0 1 1 *"])
STEPS = st.lists(st.floats(min_value=0.001, max_value=GRACE.total_seconds()), min_size=1, max_size=30)


# no time limit for an example: they share the machine with whatever else runs
UNHURRIED = settings(deadline=None, max_examples=60)


@UNHURRIED
@given(expression=EXPRESSIONS, steps=STEPS, horizon=st.integers(min_value=0, max_value=10))
def test_planning_in_any_chunks_gives_the_same_ticks_when_on_time(
    expression: str, steps: list[float], horizon: int
) -> None:
    timetable = Timetable.parse(expression, anchor=NOON)
    ahead = timedelta(seconds=horizon)
    now, cursor, pending = NOON, NOON, list[datetime]()
    for step in steps:
        now += timedelta(seconds=step)
        planned = plan(timetable, cursor=cursor, now=now, horizon=ahead, deadline=None)
        assert planned.lost == ()
        pending.extend(planned.pending)
        cursor = planned.cursor
    assert pending == list(timetable.ticks(after=NOON, until=cursor))


MOMENTS = st.lists(st.floats(min_value=0, max_value=4000), min_size=1, max_size=12)


@UNHURRIED
@given(expression=EXPRESSIONS, gaps=MOMENTS, deadline=st.none() | st.integers(min_value=0, max_value=600))
def test_whatever_the_gaps_each_tick_is_owed_or_lost_once(
    expression: str, gaps: list[float], deadline: int | None
) -> None:
    timetable = Timetable.parse(expression, anchor=NOON)
    limit = None if deadline is None else timedelta(seconds=deadline)
    now, cursor = NOON, NOON
    told: list[datetime] = []
    ranged = False
    for gap in gaps:
        now += timedelta(seconds=gap)
        planned = plan(timetable, cursor=cursor, now=now, horizon=timedelta(seconds=3), deadline=limit)
        assert planned.cursor >= cursor
        assert all(cursor < tick <= planned.cursor for tick in planned.pending)
        assert len(planned.lost) <= MISSED_ROWS
        ranged = ranged or any(item.message.startswith("all ticks") for item in planned.lost)
        late = [tick for tick in planned.pending if tick <= now - GRACE]
        assert len(late) <= 1
        told.extend(sorted({*planned.pending, *(item.tick for item in planned.lost)}))
        cursor = planned.cursor
    every = list(timetable.ticks(after=NOON, until=cursor))
    assert all(earlier < later for earlier, later in pairwise(told))
    assert set(told) <= set(every)
    if not ranged:
        assert told == every
