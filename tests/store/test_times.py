"""The further fields of time, in the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.store.makers import declared, edited, seconds
from tests.store.world import World
from ticklock.domain.model import Declared
from ticklock.domain.spread import seed_of
from ticklock.domain.times import Ambiguous, Nonexistent, Times

ZONE = ZoneInfo("Europe/Berlin")
SKIP_AND_LAST = Times(nonexistent=Nonexistent.SKIP, ambiguous=Ambiguous.LAST)
SKIP_AND_BOTH = Times(nonexistent=Nonexistent.SKIP, ambiguous=Ambiguous.BOTH)
YEAR = timedelta(days=370)
"""So long that a night without an hour and a night with one more lie in it, whatever the day."""


def with_times(item: Declared, times: Times, *, expression: str | None) -> Declared:
    assert item.rule is not None
    return replace(item, rule=replace(item.rule, expression=expression, times=times))


def jittered(jitter: int = 600) -> Declared:
    return with_times(declared(), Times(jitter_seconds=jitter), expression="@every 10s")


def delay_of(item: Declared, jitter: int) -> timedelta:
    return Times(jitter_seconds=jitter).delay(seed_of(item.ref.namespace, item.ref.name))


async def planned(world: World, item: Declared, horizon: timedelta) -> list[datetime]:
    await world.store(item)
    await world.plan(horizon)
    return [row.scheduled_time for row in await world.attempts(item)]


@pytest.mark.field("schedule", check="semantics")
async def test_an_expression_ticks_at_its_times(world: World) -> None:
    ticks = await planned(world, declared(expression="*/20 * * * *"), timedelta(hours=2))
    assert len(ticks) == 6
    assert {(tick.minute % 20, tick.second) for tick in ticks} == {(0, 0)}
    assert ticks == [ticks[0] + timedelta(minutes=20 * number) for number in range(6)]


@pytest.mark.field("everySeconds", check="semantics")
async def test_a_distance_is_counted_from_the_creation(world: World) -> None:
    item = with_times(declared(), Times(every_seconds=7), expression=None)
    ticks = await planned(world, item, seconds(30))
    assert len(ticks) == 4
    assert ticks == [item.created_at + seconds(7 * number) for number in range(1, 5)]


@pytest.mark.field("timeZone", check="semantics")
async def test_times_are_those_of_the_zone_the_year_round(world: World) -> None:
    ticks = await planned(world, declared(expression="30 12 * * *", time_zone="Europe/Berlin"), YEAR)
    days = [tick.astimezone(ZONE).date() for tick in ticks]
    assert days == [days[0] + timedelta(days=number) for number in range(370)]
    assert ticks == [datetime.combine(day, time(12, 30), ZONE).astimezone(UTC) for day in days]
    assert {tick.hour for tick in ticks} == {10, 11}, "summer and winter"


@pytest.mark.parametrize(
    ("times", "spring", "autumn"),
    [
        pytest.param(Times(), ["03:00 CEST"], ["02:30 CEST"], id="at its defaults"),
        pytest.param(SKIP_AND_LAST, [], ["02:30 CET"], id="skipped, and the second one"),
        pytest.param(SKIP_AND_BOTH, [], ["02:30 CEST", "02:30 CET"], id="skipped, and both"),
    ],
)
@pytest.mark.field("dst", check="semantics")
async def test_the_nights_of_a_change_are_as_the_spec_says(
    world: World, times: Times, spring: list[str], autumn: list[str]
) -> None:
    item = with_times(declared(time_zone="Europe/Berlin"), times, expression="30 2 * * *")
    ticks = [tick.astimezone(ZONE) for tick in await planned(world, item, YEAR)]
    days = [ticks[0].date() + timedelta(days=number) for number in range(369)]
    night = {day: [f"{tick:%H:%M %Z}" for tick in ticks if tick.date() == day] for day in days}
    assert night.pop(changing(days, into="CEST")) == spring
    assert night.pop(changing(days, into="CET")) == autumn
    assert {len(found) for found in night.values()} == {1}


def changing(days: list[date], *, into: str) -> date:
    """Return the day on which the clock changes so, as the zone has it at its ends."""
    (found,) = [
        day
        for day in days
        if datetime.combine(day, time(12), ZONE).tzname() == into
        and datetime.combine(day, time(0), ZONE).tzname() != into
    ]
    return found


@pytest.mark.field("schedules", check="semantics")
async def test_several_expressions_make_one_run_a_moment(world: World) -> None:
    item = with_times(declared(), Times(schedules=("@every 2s", "@every 4s")), expression=None)
    await world.store(item)
    await world.plan(seconds(9))
    ticks = [row.scheduled_time for row in await world.attempts(item)]
    assert ticks == [item.created_at + seconds(2 * number) for number in range(1, len(ticks) + 1)]


@pytest.mark.field("startAt", "endAt", "exclude", check="semantics")
async def test_a_window_and_an_exclusion_count(world: World) -> None:
    created = declared().created_at
    times = Times(
        every_seconds=1, start_at=created + seconds(2), end_at=created + seconds(6), exclude=("*/2 * * * * *",)
    )
    item = with_times(declared(created_at=created), times, expression=None)
    await world.store(item)
    await world.plan(seconds(20))
    ticks = [row.scheduled_time for row in await world.attempts(item)]
    wanted = [created + seconds(number) for number in range(2, 7)]
    assert ticks == [tick for tick in wanted if tick.second % 2]
    assert (await world.state_of(item)).next_tick is None


@pytest.mark.field("jitterSeconds", check="semantics")
async def test_jitter_moves_the_launch_and_not_the_tick(world: World) -> None:
    item = jittered()
    await world.store(item)
    await world.plan(seconds(25))
    rows = await world.attempts(item)
    assert [row.scheduled_time for row in rows] == [item.created_at + seconds(10 * n) for n in range(1, len(rows) + 1)]
    assert {row.due_at - row.scheduled_time for row in rows} == {delay_of(item, 600)}
    assert delay_of(item, 600) > seconds(5)


@pytest.mark.field("jitterSeconds", check="semantics")
async def test_an_edit_of_the_jitter_moves_what_is_planned(world: World) -> None:
    item = jittered()
    await world.store(item)
    await world.plan(seconds(25))
    before = [row.scheduled_time for row in await world.attempts(item)]
    later = edited(item)
    assert later.rule is not None
    await world.store(replace(later, rule=replace(later.rule, times=Times(jitter_seconds=300))))
    rows = await world.attempts(item)
    assert [row.scheduled_time for row in rows] == before
    assert {row.due_at - row.scheduled_time for row in rows} == {delay_of(item, 300)}


async def test_a_tick_whose_jitter_an_edit_takes_away_is_due_at_the_edit(world: World) -> None:
    item = jittered()
    past = replace(item, created_at=item.created_at - seconds(40))
    await world.store(past)
    await world.plan(seconds(0))
    later = edited(past)
    assert later.rule is not None
    await world.store(replace(later, rule=replace(later.rule, times=Times())))
    rows = [row for row in await world.attempts(past) if row.scheduled_time <= past.created_at + seconds(30)]
    assert len(rows) == 3
    assert all(row.due_at >= past.created_at + seconds(40) for row in rows), "not late"
    assert {state for state, _ in await world.verdicts(past)} == {"planned"}


async def test_a_tick_within_its_jitter_is_not_late(world: World) -> None:
    item = jittered()
    past = replace(item, created_at=item.created_at - seconds(40))
    await world.store(past)
    await world.plan(seconds(0))
    assert {state for state, _ in await world.verdicts(past)} == {"planned"}


async def test_without_a_timetable_only_a_trigger_runs(world: World) -> None:
    item = with_times(declared(trigger="now"), Times(), expression=None)
    await world.store(item)
    await world.plan(seconds(100))
    (row,) = await world.attempts(item)
    assert not row.is_tick
    assert row.due_at == row.scheduled_time
