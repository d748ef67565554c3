"""The further fields of time, in the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.makers import declared, edited, seconds
from tests.store.world import World
from ticklock.domain.model import Declared
from ticklock.domain.spread import seed_of
from ticklock.domain.times import Times


def with_times(item: Declared, times: Times, *, expression: str | None) -> Declared:
    assert item.rule is not None
    return replace(item, rule=replace(item.rule, expression=expression, times=times))


def jittered(jitter: int = 600) -> Declared:
    return with_times(declared(), Times(jitter_seconds=jitter), expression="@every 10s")


def delay_of(item: Declared, jitter: int) -> timedelta:
    return Times(jitter_seconds=jitter).delay(seed_of(item.ref.namespace, item.ref.name))


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
