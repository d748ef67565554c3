"""What is made up for: of missed ticks those that `catchUp` asks for, each of the others with its reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.docs.pages import ROOT, tables
from ticklock.domain.backlog import GRACE, MISSED_ROWS, Plan, after_pause, plan
from ticklock.domain.catch_up import AFTER_OUTAGES, CatchUp, CatchUpPolicy
from ticklock.domain.model import AttemptState, ConcurrencyPolicy
from ticklock.domain.parse_catch_up import read_catch_up
from ticklock.domain.policy import Go, Situation, decide
from ticklock.domain.reasons import Reason
from ticklock.domain.times import NOTHING_MORE, Times
from ticklock.domain.timetable import Timetable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTELY = Timetable.parse("* * * * *", anchor=NOON)
NONE = timedelta(0)
OUTAGE, DEADLINE = Reason.OUTAGE, Reason.DEADLINE_EXCEEDED
LIMIT, WINDOW = Reason.CATCH_UP_LIMIT, Reason.CATCH_UP_WINDOW


def at(minutes: float, seconds: float = 0) -> datetime:
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def s(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def skip() -> CatchUp:
    return CatchUp(CatchUpPolicy.SKIP)


def latest(window: float | None = None) -> CatchUp:
    return CatchUp(CatchUpPolicy.LATEST, window=s(window))


def every(limit: int = 10, window: float | None = None) -> CatchUp:
    return CatchUp(CatchUpPolicy.ALL, limit, s(window))


def minutes_of(ticks: tuple[datetime, ...]) -> list[int]:
    return [int((tick - NOON).total_seconds() // 60) for tick in ticks]


def reasons_of(planned: Plan) -> list[tuple[int, Reason]]:
    return [(minute, item.reason) for item in planned.lost for minute in minutes_of((item.tick,))]


@pytest.mark.parametrize(
    ("catch_up", "now", "deadline", "pending", "lost"),
    [
        pytest.param(skip(), at(3, 30), None, [], [(1, OUTAGE), (2, OUTAGE), (3, OUTAGE)], id="Skip: none"),
        pytest.param(skip(), at(3, 10), None, [3], [(1, OUTAGE), (2, OUTAGE)], id="Skip: one within the grace runs"),
        pytest.param(skip(), at(2, 30), 60, [], [(1, DEADLINE), (2, OUTAGE)], id="Skip: the deadline is named first"),
        pytest.param(AFTER_OUTAGES, at(3, 30), None, [3], [(1, OUTAGE), (2, OUTAGE)], id="unset: the latest"),
        pytest.param(latest(), at(3, 30), None, [3], [(1, OUTAGE), (2, OUTAGE)], id="Latest: the latest"),
        pytest.param(latest(), at(3, 10), None, [3], [(1, OUTAGE), (2, OUTAGE)], id="Latest: one on time is it"),
        pytest.param(latest(120), at(3, 30), None, [3], [(1, WINDOW), (2, OUTAGE)], id="Latest, young enough"),
        pytest.param(latest(20), at(2, 30), None, [], [(1, WINDOW), (2, WINDOW)], id="Latest, older than its window"),
        pytest.param(latest(30), at(2, 30), None, [2], [(1, WINDOW)], id="Latest, just as old as its window"),
        pytest.param(every(), at(3, 30), None, [1, 2, 3], [], id="All: each"),
        pytest.param(every(2), at(4, 30), None, [3, 4], [(1, LIMIT), (2, LIMIT)], id="All: the newest up to the limit"),
        pytest.param(every(2), at(4, 10), None, [2, 3, 4], [(1, LIMIT)], id="All: one on time does not count"),
        pytest.param(every(10, 150), at(4, 30), None, [2, 3, 4], [(1, WINDOW)], id="All: as far as the window goes"),
        pytest.param(every(10), at(4, 30), 100, [3, 4], [(1, DEADLINE), (2, DEADLINE)], id="All: within the deadline"),
        pytest.param(every(10, 15), at(4, 5), None, [4], [(1, WINDOW), (2, WINDOW), (3, WINDOW)], id="a narrow window"),
        pytest.param(
            every(2, 300),
            at(8, 30),
            400,
            [7, 8],
            [(1, DEADLINE), (2, WINDOW), (3, WINDOW), (4, LIMIT), (5, LIMIT), (6, LIMIT)],
            id="All: deadline, window and limit, each where it is the cause",
        ),
    ],
)
@pytest.mark.field("catchUp", check="semantics")
def test_what_runs_after_an_outage_and_why_the_rest_does_not(  # noqa: PLR0917 - a row of the table
    catch_up: CatchUp, now: datetime, deadline: float | None, pending: list[int], lost: list[tuple[int, Reason]]
) -> None:
    planned = plan(MINUTELY, cursor=at(0), now=now, horizon=NONE, deadline=s(deadline), catch_up=catch_up)
    assert minutes_of(planned.pending) == pending
    assert reasons_of(planned) == lost
    assert all(item.message for item in planned.lost)


def test_jitter_is_no_lateness() -> None:
    planned = plan(
        MINUTELY, cursor=at(0), now=at(4, 30), late=at(2, 30), horizon=NONE, deadline=None, catch_up=every(10, 60)
    )
    assert minutes_of(planned.pending) == [2, 3, 4]
    assert reasons_of(planned) == [(1, WINDOW)]


@pytest.mark.parametrize(
    ("catch_up", "kept"),
    [
        pytest.param(skip(), 0, id="Skip"),
        pytest.param(latest(), 1, id="Latest"),
        pytest.param(every(40), 40, id="All, forty"),
    ],
)
def test_a_long_outage_is_one_record_of_its_range_whatever_runs(catch_up: CatchUp, kept: int) -> None:
    planned = plan(MINUTELY, cursor=at(0), now=at(3000, 30), horizon=NONE, deadline=None, catch_up=catch_up)
    (lost,) = planned.lost
    assert len(planned.pending) == kept
    assert (lost.first, lost.tick, lost.ticks) == (at(1), at(3000 - kept), 3000 - kept)
    assert lost.message.endswith(f"fell into an outage: {3000 - kept} of them")


@pytest.mark.parametrize(
    ("catch_up", "pending", "lost"),
    [
        pytest.param(latest(), [4], [1, 2, 3], id="Latest: the latest, also one of a moment ago"),
        pytest.param(every(2), [3, 4], [1, 2], id="All: up to the limit"),
    ],
)
@pytest.mark.field("catchUp", check="semantics")
def test_ticks_of_a_pause_that_do_not_run_are_skipped_not_missed(
    catch_up: CatchUp, pending: list[int], lost: list[int]
) -> None:
    gap = plan(MINUTELY, cursor=at(0), now=at(4, 1), horizon=NONE, deadline=None, catch_up=catch_up, grace=NONE)
    left = after_pause(gap, Reason.SCHEDULE_SUSPENDED)
    assert minutes_of(left.pending) == pending
    assert minutes_of(tuple(item.tick for item in left.lost)) == lost
    assert {(item.state, item.reason) for item in left.lost} == {(AttemptState.SKIPPED, Reason.SCHEDULE_SUSPENDED)}


# ------------------------------------------------------------------------------------------------------- at any chunks

EXPRESSIONS = st.sampled_from(["@every 1s", "@every 7s", "*/20 * * * * *", "* * * * *", "30 12 * * *"])
CATCH_UPS = st.one_of(
    st.just(skip()),
    st.builds(latest, st.none() | st.integers(15, 4000)),
    st.builds(every, st.integers(1, 50), st.none() | st.integers(15, 4000)),
)
DEADLINES = st.none() | st.integers(0, 4000)
UNHURRIED = settings(deadline=None, max_examples=80)


def bound_of(ticks: list[datetime], now: datetime, *, deadline: timedelta | None, catch_up: CatchUp) -> list[datetime]:
    """The ticks that the bind lets go, of those that are planned: all of them looked at in one moment."""
    due = [tick for tick in ticks if tick <= now]
    return [tick for tick in due if isinstance(decide(_situation(tick, due, now, deadline, catch_up)), Go)]


def _situation(  # noqa: PLR0917 - what a test passes on
    tick: datetime, due: list[datetime], now: datetime, deadline: timedelta | None, catch_up: CatchUp
) -> Situation:
    return Situation(
        tick=tick,
        due_at=tick,
        now=now,
        is_tick=True,
        deleted=False,
        suspended=False,
        deadline=deadline,
        policy=ConcurrencyPolicy.ALLOW,
        newest_due=due[-1],
        blocked_by=None,
        catch_up=catch_up,
        newer_missed=sum(1 for other in due if tick < other and now - other > GRACE),
    )


@UNHURRIED
@given(expression=EXPRESSIONS, seconds=st.integers(1, 4000), catch_up=CATCH_UPS, deadline=DEADLINES)
def test_an_outage_of_the_api_server_floods_no_more_than_one_of_ours(
    expression: str, seconds: int, catch_up: CatchUp, deadline: int | None
) -> None:
    """Planned all along and never bound, or planned at once when all is back: the same ticks run."""
    timetable = Timetable.parse(expression, anchor=NOON)
    now, limit = NOON + timedelta(seconds=seconds + 0.5), s(deadline)
    all_along = list(timetable.ticks(after=NOON, until=now))
    at_once = plan(timetable, cursor=NOON, now=now, horizon=NONE, deadline=limit, catch_up=catch_up)
    one = bound_of(list(at_once.pending), now, deadline=limit, catch_up=catch_up)
    other = bound_of(all_along, now, deadline=limit, catch_up=catch_up)
    assert one == other
    assert len([tick for tick in one if now - tick > GRACE]) <= catch_up.most


@UNHURRIED
@given(
    expression=EXPRESSIONS,
    gaps=st.lists(st.floats(0.001, 4000), min_size=1, max_size=10),
    catch_up=CATCH_UPS,
    deadline=DEADLINES,
)
def test_whatever_the_gaps_each_tick_is_owed_or_lost_once(
    expression: str, gaps: list[float], catch_up: CatchUp, deadline: int | None
) -> None:
    timetable = Timetable.parse(expression, anchor=NOON)
    now, cursor, owed, lost = NOON, NOON, list[datetime](), 0
    for gap in gaps:
        now += timedelta(seconds=gap)
        planned = plan(
            timetable,
            cursor=cursor,
            now=now,
            horizon=timedelta(seconds=3),
            deadline=s(deadline),
            catch_up=catch_up,
        )
        missed = [tick for tick in planned.pending if tick <= now - GRACE]
        assert len(missed) <= catch_up.most
        assert all(catch_up.window is None or now - tick <= catch_up.window for tick in missed)
        assert all(deadline is None or now - tick <= timedelta(seconds=deadline) for tick in missed)
        assert all(item.tick < planned.pending[0] for item in planned.lost if planned.pending)
        assert len(planned.lost) <= MISSED_ROWS
        owed.extend(planned.pending)
        lost += sum(item.ticks for item in planned.lost)
        cursor = planned.cursor
    assert len(set(owed)) == len(owed)
    assert len(owed) + lost == timetable.count(after=NOON, until=cursor, at_most=10**6)


@UNHURRIED
@given(
    expression=EXPRESSIONS,
    steps=st.lists(st.floats(0.001, GRACE.total_seconds()), min_size=1, max_size=30),
    catch_up=CATCH_UPS,
)
def test_on_time_nothing_is_missed_whatever_is_asked_for(
    expression: str, steps: list[float], catch_up: CatchUp
) -> None:
    timetable = Timetable.parse(expression, anchor=NOON)
    now, cursor, pending = NOON, NOON, list[datetime]()
    for step in steps:
        now += timedelta(seconds=step)
        planned = plan(
            timetable, cursor=cursor, now=now, horizon=timedelta(seconds=5), deadline=None, catch_up=catch_up
        )
        assert planned.lost == ()
        pending.extend(planned.pending)
        cursor = planned.cursor
    assert pending == list(timetable.ticks(after=NOON, until=cursor))


@pytest.mark.parametrize(
    "catch_up",
    [pytest.param(skip(), id="Skip"), pytest.param(latest(60), id="a window"), pytest.param(every(7, 99), id="all")],
)
def test_what_is_stored_comes_back(catch_up: CatchUp) -> None:
    times = Times(catch_up=catch_up)
    assert Times.restored(times.stored()) == times
    assert times.catching_up is catch_up
    assert times.makes_up_for_pauses is (catch_up.most > 0)


def test_where_a_spec_says_nothing_only_outages_are_made_up_for() -> None:
    assert NOTHING_MORE.catching_up == latest()
    assert not NOTHING_MORE.makes_up_for_pauses


DAY = NOON.replace(hour=0)
HOURLY = Timetable.parse("0 * * * *", anchor=DAY)


def _outcomes() -> list[tuple[str, list[str]]]:
    """The rows of the table of outcomes in the page about timetables."""
    (found,) = [table for table in tables(ROOT / "docs" / "timetables.md") if table[0][0] == "`catchUp`"]
    assert found[0][1:] == ["02:00", "03:00", "04:00", "05:00", "06:00"]
    return [(row[0], row[1:]) for row in found[1:]]


@pytest.mark.parametrize(("said", "expected"), [pytest.param(*row, id=row[0].replace("`", "")) for row in _outcomes()])
@pytest.mark.field("catchUp", check="semantics")
def test_the_table_of_outcomes_in_the_docs_is_so(said: str, expected: list[str]) -> None:
    spec: dict[str, Any] = {}
    for code in re.findall(r"`([^`]+)`", said):
        spec |= yaml.safe_load(code if code.startswith("starting") else f"catchUp: {code}")
    catch_up, deadline = read_catch_up(spec) or AFTER_OUTAGES, s(spec.get("startingDeadlineSeconds"))
    begin, end = DAY + timedelta(hours=1, minutes=30), DAY + timedelta(hours=5, minutes=20)
    planned = plan(HOURLY, cursor=begin, now=end, horizon=NONE, deadline=deadline, catch_up=catch_up)
    lost = {item.tick.hour: f"Missed, `{item.reason}`" for item in planned.lost}
    runs = {tick.hour: "runs at 05:20" for tick in planned.pending}
    assert [{**lost, **runs}[hour] for hour in (2, 3, 4, 5)] == expected[:4]
    assert expected[4] == "runs"
