"""How many runs may wait: beyond that each is refused, and told."""

from dataclasses import replace

import pytest

from tests.store.backfilled import ask, old
from tests.store.makers import declared, seconds
from tests.store.world import World
from ticklock.domain.errors import Refused
from ticklock.domain.limits import Limits
from ticklock.domain.model import Declared, ObjectRef
from ticklock.domain.reasons import Reason

FULL = "max_pending_runs_per_namespace"


def elsewhere(item: Declared, namespace: str) -> Declared:
    return replace(item, ref=ObjectRef(namespace, item.ref.name, item.ref.uid))


def limit(world: World, *, total: int = 1000, of_namespace: int = 1000) -> None:
    world.db.limits = Limits(max_pending=total, max_pending_in_namespace=of_namespace)


async def test_what_a_namespace_may_not_have_waiting_is_skipped_and_told(world: World) -> None:
    limit(world, of_namespace=3)
    item = declared(expression="@every 2s")
    await world.store(item)
    await world.plan(seconds(11))
    verdicts = await world.verdicts(item)
    assert verdicts == [("planned", None)] * 3 + [("Skipped", "TooManyPending")] * (len(verdicts) - 3)
    assert len(verdicts) > 3
    events = [one for one in await world.ledger.outbox(world.epoch, limit=10) if one.reason is Reason.TOO_MANY_PENDING]
    assert "3 runs of namespace default are pending and 3 may be" in events[0].note
    assert FULL in events[0].note


async def test_other_namespaces_are_not_held_up(world: World) -> None:
    limit(world, of_namespace=2)
    greedy, modest = declared("greedy", expression="@every 1s"), declared("modest", expression="@every 10s")
    other = elsewhere(modest, "quiet")
    await world.store(greedy, other)
    await world.plan(seconds(11))
    assert [state for state, _ in await world.verdicts(greedy)].count("planned") == 2
    assert ("Skipped", "TooManyPending") not in await world.verdicts(other)


async def test_all_together_have_a_limit_too(world: World) -> None:
    limit(world, total=4)
    items = [elsewhere(declared(f"of-{n}", expression="@every 2s"), f"team-{n}") for n in range(3)]
    await world.store(*items)
    await world.plan(seconds(11))
    verdicts = await world.verdicts()
    assert verdicts.count(("planned", None)) == 4
    assert len({reason for _, reason in verdicts}) == 2
    assert "max_pending_runs" in (await world.one("SELECT message FROM runs WHERE reason IS NOT NULL LIMIT 1")).message


async def test_there_is_room_again_when_some_are_over(world: World) -> None:
    limit(world, of_namespace=1)
    item = declared(expression="@every 3s")
    await world.store(item)
    await world.plan(seconds(4))
    await world.run_first()
    await world.plan(seconds(8))
    assert [state for state, _ in await world.verdicts(item)][:2] == ["launched", "planned"]


async def test_a_trigger_that_may_not_wait_is_refused_in_an_event(world: World) -> None:
    limit(world, of_namespace=1)
    item = declared(expression="@every 1h")
    await world.store(replace(item, trigger="one"))
    await world.store(replace(item, trigger="two"))
    assert [row.run_key for row in await world.sql("SELECT run_key FROM runs")] == ["trigger:one"]
    (event,) = [one for one in await world.ledger.outbox(world.epoch, limit=10) if one.type == "Warning"]
    assert event.reason is Reason.TRIGGER_REFUSED
    assert FULL in event.note


async def test_a_backfill_that_may_not_wait_is_refused_as_a_whole(world: World) -> None:
    limit(world, of_namespace=4)
    item = old()
    await world.store(item)
    with pytest.raises(Refused, match=FULL):
        await ask(world, item)
    assert await world.attempts(item) == []


async def test_a_backfill_that_waits_takes_no_place_from_ticks(world: World) -> None:
    limit(world, of_namespace=8)
    item = old(every=10, age=65)
    await world.store(item)
    await ask(world, item, max_parallel=1)
    await world.plan(seconds(21))
    assert ("Skipped", "TooManyPending") not in await world.verdicts(item)


async def test_what_was_skipped_for_that_can_be_backfilled(world: World) -> None:
    limit(world, of_namespace=1)
    item = old(every=2, age=65)
    await world.store(item)
    await world.set_cursor(item, item.created_at + seconds(56))
    await world.plan(seconds(0))
    skipped = [row.scheduled_time for row in await world.attempts(item) if row.reason == "TooManyPending"]
    assert skipped
    limit(world)
    answer = await ask(world, item, begin=skipped[0], end=skipped[0])
    assert [(one.tick, one.former and one.former.reason) for one in answer.wanted] == [(skipped[0], "TooManyPending")]
