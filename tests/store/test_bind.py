"""Who binds: one replica, one Job, once."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from tests.store.makers import declared, edited, seconds
from tests.store.world import TTL, World, ending, with_job
from tests.support.databases import MAJORS
from ticklock.domain.model import AttemptKey, AttemptState, JobUid
from ticklock.domain.reasons import Reason
from ticklock.store.ledger import PostgresLedger


@pytest.mark.parametrize("server", MAJORS, indirect=True)
async def test_two_hundred_due_attempts_are_each_bound_once_by_ten_concurrent_replicas(world: World) -> None:
    await world.store(*(declared(f"s{i}", expression="@every 1s") for i in range(40)))
    await world.plan(seconds(5.5))
    orders = await world.stage()
    assert len(orders) >= 200
    await world.make_due()
    replicas = [world.replica(f"replica-{i}") for i in range(10)]
    won: list[tuple[AttemptKey, str]] = []

    async def bind_until_nothing_is_left(ledger: PostgresLedger) -> None:
        while (await world.value("SELECT count(*) FROM attempts WHERE state = 'planned'")) > 0:
            outcome = await ledger.bind(ttl=TTL, limit=7, verified=frozenset())
            won.extend((bound.key, bound.job_uid) for bound in outcome.bound)

    await asyncio.gather(*(bind_until_nothing_is_left(replica) for replica in replicas))
    assert Counter(key for key, _ in won) == Counter(order.key for order in orders)
    assert {(row.run_id, row.job_uid) for row in await world.attempts()} == {(key.run_id, uid) for key, uid in won}


async def test_nothing_is_bound_before_its_time(world: World) -> None:
    await world.store(declared(expression="@every 1h"))
    await world.plan(timedelta(hours=1))
    await world.stage()
    assert (await world.bind()).candidates == 0


async def test_nothing_is_bound_without_its_job(world: World) -> None:
    await world.store(declared(expression="@every 5s"))
    await world.plan()
    await world.make_due()
    assert (await world.bind()).candidates == 0


async def test_a_bound_attempt_carries_job_uid_claim_and_job_log(world: World) -> None:
    item = declared(expression="@every 9s")
    await world.store(item)
    await world.plan()
    (order,) = await world.stage()
    await world.make_due()
    (bound,) = (await world.bind()).bound
    row = await world.attempt(bound.key)
    assert (row.state, row.job_uid, row.claimed_by) == ("bound", bound.job_uid, world.db.replica)
    assert bound.token == order.token + 1
    log = await world.one("SELECT * FROM job_logs WHERE run_id = :run_id", run_id=bound.key.run_id)
    assert (log.status, log.job_name, log.app_id) == ("Processing", item.ref.name, world.db.replica)


async def test_the_others_take_over_what_a_dead_replica_has_bound(world: World) -> None:
    await world.store(declared(expression="@every 9s"))
    await world.plan()
    await world.stage()
    await world.make_due()
    (bound,) = (await world.bind()).bound
    other = world.replica()
    assert list(await other.claim_stranded(ttl=TTL, limit=10)) == []
    await world.expire_claims()
    (stranded,) = await other.claim_stranded(ttl=TTL, limit=10)
    assert (stranded.key, stranded.job_uid, stranded.stranded) == (bound.key, bound.job_uid, True)
    assert stranded.token > bound.token
    assert list(await world.ledger.claim_stranded(ttl=TTL, limit=10)) == []


async def test_stranded_attempts_are_shared_by_replicas_that_rescue_at_once(world: World) -> None:
    await world.store(*(declared(f"s{i}") for i in range(30)))
    await world.plan(seconds(10))
    await world.stage()
    await world.make_due()
    bound = (await world.bind()).bound
    await world.expire_claims()
    replicas = [world.replica(f"r{i}") for i in range(4)]
    shares = await asyncio.gather(*(replica.claim_stranded(ttl=TTL, limit=1000) for replica in replicas))
    assert Counter(one.key for share in shares for one in share) == Counter(one.key for one in bound)


async def test_of_one_batch_a_later_tick_has_the_greater_token(world: World) -> None:
    await world.store(*(declared(f"s{i}", expression="@every 2s") for i in range(30)))
    await world.plan(seconds(21))
    orders = await world.claim()
    assert len(orders) >= 300
    ticks = [order.scheduled_time for order in sorted(orders, key=lambda order: order.token)]
    assert ticks == sorted(ticks)


async def test_a_graceful_stop_gives_claims_back_at_once(world: World) -> None:
    await world.store(declared("staged"), declared("claimed"))
    await world.plan(seconds(10))
    orders = await world.claim()
    await world.ledger.store_staged([with_job(orders[0])])
    await world.make_due()
    assert len((await world.bind()).bound) == 1
    await world.ledger.give_back()
    other = world.replica()
    assert len(await other.claim_stranded(ttl=TTL, limit=10)) == 1
    assert len((await other.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)).orders) == 1
    assert await world.value("SELECT count(*) FROM replicas WHERE id = :id", id=world.db.replica) == 0


async def test_a_claim_for_staging_ends_before_the_tick(world: World) -> None:
    await world.store(declared(expression="@every 9s"))
    await world.plan()
    (order,) = await world.claim()
    row = await world.attempt(order.key)
    assert row.claimed_until <= row.due_at - seconds(0.5)


async def test_two_replicas_never_claim_the_same_attempt_for_staging(world: World) -> None:
    await world.store(*(declared(f"s{i}", expression="@every 20s") for i in range(20)))
    await world.plan(seconds(61))
    replicas = [world.replica(f"r{i}") for i in range(5)]

    async def claim(ledger: PostgresLedger) -> list[AttemptKey]:
        found: list[AttemptKey] = []
        while orders := (await ledger.claim_for_staging(ahead=seconds(60), ttl=TTL, limit=3)).orders:
            found.extend(order.key for order in orders)
        return found

    shares = await asyncio.gather(*(claim(replica) for replica in replicas))
    claimed = Counter(key for share in shares for key in share)
    assert set(claimed.values()) == {1}
    assert len(claimed) == len(await world.attempts())


class TestStoringTheStagedJob:
    async def test_the_job_of_an_older_stage_is_left_over(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.claim()
        assert await world.ledger.store_staged([with_job(order)]) == []
        assert await world.ledger.forget_staged(order.key, with_job(order)[1])
        (left,) = await world.ledger.store_staged([with_job(order)])
        assert (left.key, left.job_uid) == (order.key, with_job(order)[1])
        assert (await world.attempt(order.key)).staged_uid is None

    async def test_of_two_different_jobs_the_second_is_left_over(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.claim()
        assert await world.ledger.store_staged([with_job(order, "first")]) == []
        (left,) = await world.ledger.store_staged([with_job(order, "second")])
        assert left.job_uid == "second"
        assert (await world.attempt(order.key)).staged_uid == "first"

    async def test_storing_the_same_job_again_is_harmless(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.claim()
        assert await world.ledger.store_staged([with_job(order)]) == []
        assert await world.ledger.store_staged([with_job(order)]) == []

    async def test_a_job_stored_after_the_bind_of_another_is_left_over(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.claim()
        await world.ledger.store_staged([with_job(order, "first")])
        await world.make_due()
        await world.bind()
        (left,) = await world.ledger.store_staged([with_job(order, "second")])
        assert left.job_uid == "second"
        assert (await world.attempt(order.key)).job_uid == "first"

    @pytest.mark.parametrize("launched", [False, True], ids=["bound", "launched and over"])
    async def test_a_job_that_is_the_attempt_by_now_is_left_alone(self, world: World, *, launched: bool) -> None:
        """Its claim ran out between create and store; another replica met the Job, stored it and bound it."""
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.stage()
        await world.make_due()
        (bound,) = (await world.bind()).bound
        if launched:
            await world.launch([bound])
            await world.ledger.record([ending(bound)])
        assert await world.ledger.store_staged([with_job(order)]) == []

    async def test_a_job_whose_row_was_lost_may_yet_be_adopted_and_is_left_alone(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.claim()
        await world.sql("DELETE FROM runs WHERE cluster = :cluster")
        assert await world.ledger.store_staged([with_job(order)]) == []

    async def test_the_job_of_a_skipped_tick_is_left_over(self, world: World) -> None:
        item = declared(expression="@every 9s")
        await world.store(item)
        await world.plan()
        (order,) = await world.claim()
        await world.store(edited(item, suspend=True))
        (left,) = await world.ledger.store_staged([with_job(order)])
        assert left.key == order.key


class TestForgettingTheStagedJob:
    async def test_it_is_planned_anew_at_a_higher_stage(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.stage()
        assert await world.ledger.forget_staged(order.key, with_job(order)[1])
        (again,) = await world.claim()
        assert (again.key, again.stage) == (order.key, order.stage + 1)

    @pytest.mark.parametrize(
        "uid", [pytest.param("another", id="not with another uid"), pytest.param(None, id="not once it is bound")]
    )
    async def test_nothing_else_is_forgotten(self, world: World, uid: str | None) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.stage()
        if uid is None:
            await world.make_due()
            await world.bind()
        assert not await world.ledger.forget_staged(order.key, JobUid(uid or with_job(order)[1]))
        assert (await world.attempt(order.key)).stage == order.stage


class TestGivingUpBeforeTheStart:
    async def test_a_refused_job_ends_the_attempt_as_failed_with_its_reason(self, world: World) -> None:
        item = declared(expression="@every 9s")
        await world.store(item)
        await world.plan()
        (order,) = await world.claim()
        await world.ledger.fail_unstarted(order, Reason.JOB_REJECTED, "spec.template: nope")
        assert await world.verdicts(item) == [(AttemptState.FAILED, Reason.JOB_REJECTED)]

    @pytest.mark.parametrize("what", ["edited", "staged", "bound"])
    async def test_what_is_meanwhile_otherwise_is_left_alone(self, world: World, what: str) -> None:
        item = declared(expression="@every 9s")
        await world.store(item)
        await world.plan()
        (order,) = await world.claim()
        if what == "edited":
            await world.ledger.store_staged([with_job(order)])
            await world.ledger.forget_staged(order.key, with_job(order)[1])
        else:
            await world.ledger.store_staged([with_job(order)])
        if what == "bound":
            await world.make_due()
            await world.bind()
        await world.ledger.fail_unstarted(order, Reason.JOB_REJECTED, "of the older stage")
        assert (await world.attempt(order.key)).state in {"planned", "bound"}

    async def test_a_deferral_by_who_has_lost_the_claim_changes_nothing(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.claim()
        await world.expire_claims()
        (again,) = await world.claim()
        await world.ledger.defer(order, seconds=60, reason=Reason.NAME_TAKEN, message="late", next_suffix=True)
        row = await world.attempt(order.key)
        assert (row.name_suffix, row.not_before, row.claim_token) == (0, None, again.token)

    async def test_a_deferral_gives_the_claim_back_and_counts_the_name(self, world: World) -> None:
        await world.store(declared(expression="@every 9s"))
        await world.plan()
        (order,) = await world.claim()
        await world.ledger.defer(order, seconds=0, reason=Reason.NAME_TAKEN, message="taken", next_suffix=True)
        (again,) = await world.claim()
        assert (again.suffix, again.token > order.token) == (1, True)
