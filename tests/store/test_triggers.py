"""Triggers: one run for each new value."""

from dataclasses import replace
from typing import Any

import pytest

from tests.store.makers import broken, declared, edited
from tests.store.world import World
from ticklock.domain.model import Declared
from ticklock.domain.reasons import Reason
from ticklock.store.triggers import LONGEST, trigger_mark


async def keys(world: World, item: Declared) -> list[str]:
    rows = await world.sql("SELECT run_key FROM runs WHERE schedule_uid = :uid ORDER BY run_key", uid=item.ref.uid)
    return [row.run_key for row in rows]


def quiet(**changes: Any) -> Declared:
    return declared(expression="@every 1h", **changes)


async def test_a_value_starts_one_run_however_often_it_is_seen(world: World) -> None:
    item = quiet()
    await world.store(item)
    for _ in range(3):
        await world.store(replace(item, trigger="a"))
    await world.store(replace(edited(item), trigger="a"))
    assert await keys(world, item) == ["trigger:a"]


async def test_each_new_value_starts_another(world: World) -> None:
    item = quiet()
    await world.store(item)
    for value in ("a", "b", "c"):
        await world.store(replace(item, trigger=value))
    assert await keys(world, item) == ["trigger:a", "trigger:b", "trigger:c"]
    assert (await world.state_of(item)).last_trigger == "c"


async def test_a_value_used_before_starts_nothing(world: World) -> None:
    item = quiet()
    await world.store(item)
    for value in ("a", "b", "a"):
        await world.store(replace(item, trigger=value))
    assert await keys(world, item) == ["trigger:a", "trigger:b"]


async def test_a_new_object_that_carries_one_starts_it(world: World) -> None:
    item = quiet(trigger="a")
    await world.store(item)
    assert await keys(world, item) == ["trigger:a"]


async def test_a_suspended_schedule_can_be_triggered(world: World) -> None:
    item = quiet(suspend=True, trigger="a")
    await world.store(item)
    assert len(await world.claim()) == 1


async def test_the_status_bears_witness_of_a_value_that_the_ledger_has_lost(world: World) -> None:
    item = quiet(trigger="a", last_trigger="a")
    await world.store(item)
    assert await keys(world, item) == []
    assert (await world.state_of(item)).last_trigger == "a"


@pytest.mark.parametrize(
    ("value", "note"),
    [
        pytest.param("x" * (LONGEST + 1), "129 characters are too many; use at most 128", id="too long"),
        pytest.param("x" * 200_000, "200000 characters are too many; use at most 128", id="far too long"),
        pytest.param("ok", "the spec cannot be run (spec.schedule: no such month)", id="of a spec that is broken"),
    ],
)
async def test_a_refused_value_is_told_and_used_up(world: World, value: str, note: str) -> None:
    item = quiet()
    spoilt = broken(item) if value == "ok" else item
    await world.store(item)
    for _ in range(2):
        await world.store(replace(spoilt, trigger=value))
    assert await keys(world, item) == []
    events = await world.ledger.outbox(world.epoch, limit=100)
    notes = [event.note for event in events if event.reason is Reason.TRIGGER_REFUSED]
    assert len(notes) == 1
    assert note in notes[0]
    assert notes[0].startswith("annotation ticklock.dev/trigger:")
    remembered = (await world.state_of(item)).last_trigger
    assert remembered == trigger_mark(value)
    assert len(remembered) <= LONGEST


async def test_two_long_values_are_told_apart() -> None:
    assert trigger_mark("x" * 200 + "1") != trigger_mark("x" * 200 + "2")


async def test_the_report_shows_the_last_value(world: World) -> None:
    item = quiet(trigger="a")
    await world.store(item)
    (report,) = await world.ledger.reports(world.epoch, limit=10)
    assert report.last_trigger == "a"
