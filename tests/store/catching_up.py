"""Schedules of each minute of their life, and what became of those minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.store.makers import declared, now, seconds
from tests.store.world import World
from ticklock.domain.catch_up import CatchUp, CatchUpPolicy
from ticklock.domain.model import ConcurrencyPolicy, Declared
from ticklock.domain.times import NOTHING_MORE, Times

SKIP = Times(catch_up=CatchUp(CatchUpPolicy.SKIP))
LATEST = Times(catch_up=CatchUp())
UNSET = NOTHING_MORE
FORBID = ConcurrencyPolicy.FORBID


def every(limit: int = 10, window: float | None = None) -> Times:
    return Times(catch_up=CatchUp(CatchUpPolicy.ALL, limit, None if window is None else seconds(window)))


def minutely(times: Times = UNSET, *, ago: float = 0, **changes: Any) -> Declared:
    """A schedule of each full minute of its life, which began so many minutes and thirty seconds ago."""
    created = now().replace(microsecond=0) - timedelta(minutes=ago, seconds=30)
    return declared(expression="@every 1m", created_at=created, times=times, **changes)


def minutes_of(item: Declared, ticks: list[datetime]) -> list[int]:
    return [round((tick - item.created_at).total_seconds() / 60) for tick in ticks]


async def outage(world: World, item: Declared) -> Declared:
    """Let nothing have been planned since the object was made."""
    await world.store(item)
    await world.set_cursor(item, item.created_at)
    return item


async def planned(world: World, item: Declared) -> list[int]:
    return minutes_of(item, [row.scheduled_time for row in await world.attempts(item) if row.state == "planned"])


async def judged(world: World, item: Declared) -> list[tuple[int, str, str]]:
    rows = [row for row in await world.attempts(item) if row.state in {"Missed", "Skipped"}]
    return [(minutes_of(item, [row.scheduled_time])[0], row.state, row.reason) for row in rows]
