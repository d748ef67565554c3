"""NOTIFY is a hint: it wakes who waits, and nobody relies on it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.store.makers import declared, edited
from tests.store.world import World, ending
from tests.support.waiting import eventually_async
from ticklock.domain.model import ConcurrencyPolicy
from ticklock.store.notify import NotifyWakeups

LONG = 30.0


@pytest.fixture
async def wakeups(world: World) -> AsyncIterator[NotifyWakeups]:
    made = NotifyWakeups(world.url)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(made.run())
        await eventually_async(lambda: listens(world), what="somebody listens")
        yield made
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def listens(world: World) -> bool:
    return bool(await world.value("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN ticklock'"))


async def woken(wakeups: NotifyWakeups, channel: str) -> bool:
    """Tell whether a hint ends the waiting long before its time."""
    begun = time.monotonic()
    await wakeups.wait(channel, LONG)
    return time.monotonic() - begun < LONG / 2


async def test_a_stored_object_wakes_the_planner(world: World, wakeups: NotifyWakeups) -> None:
    await world.store(declared())
    assert await woken(wakeups, "plan")


async def test_a_trigger_wakes_the_stager(world: World, wakeups: NotifyWakeups) -> None:
    await world.store(declared(trigger="now"))
    assert await woken(wakeups, "stage")


async def test_an_end_wakes_stager_and_dispatcher_where_a_tick_waits_for_it(
    world: World, wakeups: NotifyWakeups
) -> None:
    item = declared(expression="@every 4s", concurrency=ConcurrencyPolicy.FORBID)
    await world.store(item)
    await world.plan()
    bound = await world.run_first()
    await world.make_due()
    await world.claim()
    await world.ledger.record([ending(bound)])
    assert await woken(wakeups, "dispatch")
    assert await woken(wakeups, "stage")


async def test_what_is_rolled_back_wakes_nobody(world: World, wakeups: NotifyWakeups) -> None:
    async with world.db.engine.connect() as connection:
        await connection.exec_driver_sql("SELECT pg_notify('ticklock', 'rolled back')")
        await connection.rollback()
    await world.store(edited(declared()))
    assert await woken(wakeups, "plan")
    begun = time.monotonic()
    await wakeups.wait("rolled back", 0.05)
    assert time.monotonic() - begun >= 0.05


async def test_a_poke_before_the_waiting_is_not_lost(world: World) -> None:
    alone = NotifyWakeups(world.url)
    alone.poke("stage")
    assert await woken(alone, "stage")
