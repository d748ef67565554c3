"""Forbid, Replace and Allow: who waits, who is skipped, who holds the lock and until when."""

from dataclasses import replace
from typing import Any

import pytest

from tests.store.makers import declared, edited, now, seconds
from tests.store.world import TTL, World, ending, wall
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, Declared
from ticklock.domain.reasons import Reason
from ticklock.ports import Bound

FORBID, REPLACE, ALLOW = ConcurrencyPolicy.FORBID, ConcurrencyPolicy.REPLACE, ConcurrencyPolicy.ALLOW


async def locks(world: World) -> list[Any]:
    return list(await world.sql("SELECT * FROM queue_locks WHERE cluster = :cluster"))


async def due_ticks(world: World, item: Declared, count: int = 2) -> None:
    """Store an object and let its first ticks be staged and due."""
    await world.store(item)
    await world.plan(seconds(60))
    await world.sql(
        "DELETE FROM runs WHERE id IN "
        "(SELECT id FROM runs WHERE schedule_uid = :uid ORDER BY scheduled_time OFFSET :n)",
        uid=item.ref.uid,
        n=count,
    )
    await world.stage()
    await world.make_due()


async def running_then_waiting(world: World, item: Declared) -> Bound:
    """Let the first tick run and the second be due and wait for it."""
    await world.store(item)
    await world.plan(seconds(12))
    first = await world.run_first()
    await world.make_due()
    return first


@pytest.mark.field("concurrencyPolicy", check="semantics")
async def test_of_two_due_ticks_the_older_is_skipped_and_the_newer_takes_the_lock_in_its_bind(world: World) -> None:
    item = declared(expression="@every 3s", concurrency=FORBID)
    await due_ticks(world, item)
    older, newer = await world.attempts(item)
    outcome = await world.bind()
    assert (await world.verdicts(item))[0] == ("Skipped", Reason.CONCURRENCY_FORBIDDEN)
    assert [one.key.run_id for one in outcome.bound] == [newer.run_id]
    assert [left.job_uid for left in outcome.leftovers] == [older.staged_uid]
    (lock,) = await locks(world)
    assert (lock.run_id, lock.n, lock.queue_name, lock.job_name) == (newer.run_id, 1, "default", item.ref.name)
    # what its pods know as their fencing token, and later than that of any claim before
    assert older.claim_token < lock.token == newer.claim_token


@pytest.mark.field("concurrencyPolicy", check="semantics")
async def test_of_two_due_ticks_under_replace_the_older_is_skipped_as_replaced(world: World) -> None:
    item = declared(expression="@every 3s", concurrency=REPLACE)
    await due_ticks(world, item)
    assert len((await world.bind()).bound) == 1
    assert (await world.verdicts(item))[0] == ("Skipped", Reason.REPLACED)


async def test_under_allow_both_run_and_nobody_holds_a_lock(world: World) -> None:
    item = declared(expression="@every 3s", concurrency=ALLOW)
    await due_ticks(world, item)
    assert len((await world.bind()).bound) == 2
    assert await locks(world) == []


async def test_a_blocked_tick_waits_and_names_its_blocker(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=FORBID)
    first = await running_then_waiting(world, item)
    claim = await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    assert list(claim.orders) == []
    blocker = claim.blockers[0]
    assert (blocker.key, blocker.job_uid, blocker.state) == (first.key, first.job_uid, AttemptState.LAUNCHED)
    assert (blocker.ref, blocker.replace) == (item.ref, False)
    waiting = (await world.attempts(item))[-1]
    assert (waiting.state, waiting.reason, waiting.deferrals) == ("planned", Reason.WAITING_FOR_RUN, 1)
    assert str(first.key.run_id) in waiting.message


async def test_a_staged_tick_that_meets_the_lock_at_its_bind_waits_too(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=FORBID)
    await world.store(replace(item, trigger="now"))
    await world.plan(seconds(5))
    assert len(await world.stage()) == 2
    await world.make_due()
    outcome = await world.bind()
    assert len(outcome.bound) == 1
    again = await world.bind()
    assert [blocker.key for blocker in again.blockers] == [outcome.bound[0].key]
    assert again.bound == []


async def test_the_end_frees_the_lock_and_wakes_the_waiting_tick(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=FORBID)
    first = await running_then_waiting(world, item)
    await world.claim()
    assert await world.claim() == []
    await world.ledger.record([ending(first)])
    assert await locks(world) == []
    assert len(await world.claim()) == 1


@pytest.mark.parametrize(
    ("state", "reason", "held"),
    [
        pytest.param(AttemptState.COMPLETED, Reason.JOB_COMPLETED, False, id="completed: free at once"),
        pytest.param(AttemptState.FAILED, Reason.JOB_FAILED, False, id="failed: free at once"),
        pytest.param(AttemptState.STOPPED, Reason.JOB_DELETED, True, id="stopped: pods may live"),
        pytest.param(AttemptState.UNKNOWN, Reason.JOB_VANISHED, True, id="unknown: pods may live"),
    ],
)
async def test_what_the_end_says_of_live_pods(world: World, state: AttemptState, reason: Reason, held: bool) -> None:  # noqa: FBT001
    item = declared(expression="@every 4s", concurrency=FORBID)
    first = await running_then_waiting(world, item)
    await world.ledger.record([ending(first, state, reason)])
    assert [lock.suspect for lock in await locks(world)] == [True] * held
    assert [blocker.key for blocker in await world.ledger.suspect_locks(world.epoch)] == [first.key] * held
    await world.ledger.free_lock(first.key)
    assert await locks(world) == []
    assert len(await world.claim()) == 1


async def test_the_lock_of_an_open_run_cannot_be_freed(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=FORBID)
    first = await running_then_waiting(world, item)
    await world.ledger.free_lock(first.key)
    assert len(await locks(world)) == 1


class TestReplace:
    async def test_the_running_one_is_asked_to_stop_and_ends_as_replaced(self, world: World) -> None:
        item = declared(expression="@every 4s", concurrency=REPLACE)
        first = await running_then_waiting(world, item)
        claim = await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
        assert [blocker.replace for blocker in claim.blockers] == [True]
        await world.ledger.record([ending(first, AttemptState.STOPPED, Reason.JOB_DELETED)])
        assert (await world.attempt(first.key)).reason == Reason.REPLACED
        assert await world.claim() == [], "its pods may live"
        await world.ledger.free_lock(first.key)
        assert len(await world.claim()) == 1

    async def test_one_that_ends_by_itself_first_keeps_its_own_end(self, world: World) -> None:
        item = declared(expression="@every 4s", concurrency=REPLACE)
        first = await running_then_waiting(world, item)
        await world.claim()
        await world.ledger.record([ending(first)])
        assert (await world.attempt(first.key)).reason == Reason.JOB_COMPLETED

    async def test_a_tick_that_is_not_due_yet_stops_nobody(self, world: World) -> None:
        item = declared(expression="@every 9s", concurrency=REPLACE)
        await world.store(item)
        await world.plan(seconds(19))
        first = await world.run_first()
        claim = await world.ledger.claim_for_staging(ahead=seconds(60), ttl=TTL, limit=10)
        assert list(claim.blockers) == []
        assert (await world.attempt(first.key)).stop_reason is None

    async def test_a_tick_beyond_its_deadline_stops_nobody(self, world: World) -> None:
        item = declared(expression="@every 4s", concurrency=REPLACE, starting_deadline=seconds(1))
        first = await running_then_waiting(world, item)
        await world.sql("UPDATE attempts SET scheduled_time = now() - interval '9 s' WHERE state = 'planned'")
        assert list((await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)).blockers) == []
        assert (await world.attempt(first.key)).stop_reason is None
        assert (await world.verdicts(item)).count(("Missed", Reason.DEADLINE_EXCEEDED)) >= 1


async def test_an_object_made_again_under_the_same_name_meets_the_lock_of_the_one_that_is_gone(world: World) -> None:
    old = declared("same", expression="@every 4s", concurrency=FORBID)
    first = await running_then_waiting(world, old)
    new = declared("same", expression="@every 4s", concurrency=FORBID)
    await world.store(new)
    await world.plan(seconds(6))
    await world.make_due(item=new)
    claim = await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    assert [(blocker.key, blocker.ref.uid) for blocker in claim.blockers] == [(first.key, old.ref.uid)]
    await world.ledger.record([ending(first)])
    await world.make_due(item=new)
    assert len(await world.claim()) == 1


async def test_a_trigger_under_forbid_waits_and_is_never_skipped(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=FORBID)
    first = await running_then_waiting(world, item)
    await world.store(replace(item, trigger="please"))
    assert await world.claim() == []
    triggered = [row for row in await world.attempts(item) if not row.is_tick]
    assert [(row.state, row.reason) for row in triggered] == [("planned", Reason.WAITING_FOR_RUN)]
    await world.ledger.record([ending(first)])
    assert {order.run_key for order in await world.claim()} >= {"trigger:please"}


async def test_a_run_begun_under_allow_is_in_the_way_once_the_policy_is_forbid(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=ALLOW)
    first = await running_then_waiting(world, item)
    await world.store(edited(item, concurrency=FORBID))
    await world.make_due()
    claim = await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    assert [blocker.key for blocker in claim.blockers][:1] == [first.key]


@pytest.mark.field("queueName", check="semantics")
async def test_a_run_keeps_its_lock_when_its_schedule_moves_to_another_queue(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=FORBID)
    await running_then_waiting(world, item)
    await world.store(edited(item, queue="another"))
    await world.make_due()
    assert await world.claim() == []


async def test_a_waiting_tick_gives_way_to_a_newer_one(world: World) -> None:
    item = declared(expression="@every 3s", concurrency=FORBID)
    await world.store(item)
    await world.plan(seconds(10))
    await world.run_first()
    await world.make_due()
    await world.claim()
    states = [row.state for row in await world.attempts(item)]
    assert states[0] == "launched"
    assert states[-1] == "planned"
    assert set(states[1:-1]) == {"Skipped"}


async def test_a_lock_held_for_very_long_becomes_suspect(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=FORBID)
    first = await running_then_waiting(world, item)
    await world.sql("UPDATE queue_locks SET expires = :past", past=now() - seconds(1))
    await world.ledger.sweep(world.epoch)
    (suspect,) = await world.ledger.suspect_locks(world.epoch)
    assert (suspect.key, suspect.state) == (first.key, AttemptState.LAUNCHED)
    assert (await locks(world))[0].expires > wall()
