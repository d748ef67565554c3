"""Runs that end without running: at the claim, at the bind, always with a reason, and the Job left over named."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.store.makers import declared, edited, seconds
from tests.store.world import World, with_job
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, Declared
from ticklock.domain.reasons import Reason
from ticklock.ports import Standing

LATE = timedelta(minutes=5)
Spoil = Callable[[World, Declared], Awaitable[None]]


async def spoil_deadline(world: World, item: Declared) -> None:
    await world.sql("UPDATE schedules SET starting_deadline_seconds = 1 WHERE uid = :uid", uid=item.ref.uid)
    await world.sql("UPDATE attempts SET scheduled_time = scheduled_time - CAST(:late AS interval)", late=LATE)


async def spoil_suspended(world: World, item: Declared) -> None:
    await world.sql("UPDATE schedules SET suspend = true WHERE uid = :uid", uid=item.ref.uid)


async def spoil_deleted(world: World, item: Declared) -> None:
    await world.sql("UPDATE schedules SET deleted_at = now() WHERE uid = :uid", uid=item.ref.uid)


async def spoil_superseded(world: World, item: Declared) -> None:
    for moved in ("scheduled_time", "due_at"):
        await world.sql(f"UPDATE attempts SET {moved} = {moved} - CAST(:late AS interval)", late=LATE)  # noqa: S608 - ours
    await world.sql("UPDATE schedule_state SET last_launched_tick = now() WHERE uid = :uid", uid=item.ref.uid)


SPOILT = [
    pytest.param(spoil_deadline, AttemptState.MISSED, Reason.DEADLINE_EXCEEDED, id="beyond its deadline"),
    pytest.param(spoil_suspended, AttemptState.SKIPPED, Reason.SCHEDULE_SUSPENDED, id="suspended"),
    pytest.param(spoil_deleted, AttemptState.STOPPED, Reason.SCHEDULE_DELETED, id="deleted"),
    pytest.param(spoil_superseded, AttemptState.MISSED, Reason.OUTAGE, id="late, and a newer one has run"),
]


@pytest.mark.parametrize(("spoil", "state", "reason"), SPOILT)
@pytest.mark.parametrize("staged", [False, True], ids=["found at the claim", "found at the bind"])
@pytest.mark.field("suspend", "startingDeadlineSeconds", check="semantics")
async def test_a_tick_that_must_not_run_any_more(
    world: World, *, spoil: Spoil, state: AttemptState, reason: Reason, staged: bool
) -> None:
    item = declared(expression="@every 9s")
    await world.store(item)
    await world.plan()
    orders = await world.stage() if staged else []
    await world.make_due()
    await spoil(world, item)
    leftovers = (await world.bind()).leftovers if staged else await world.leftovers_of_claim()
    assert await world.verdicts(item) == [(state, reason)]
    assert [left.job_uid for left in leftovers] == [with_job(order)[1] for order in orders]
    (row,) = await world.attempts(item)
    run = await world.one("SELECT * FROM runs WHERE id = :id", id=row.run_id)
    assert (run.state, run.reason) == (state, reason)
    assert run.finished_at is not None
    log = await world.one("SELECT * FROM job_logs WHERE run_id = :id", id=row.run_id)
    assert (log.status, log.remark.split(":")[0]) == ("Exited", reason)
    assert await world.value("SELECT count(*) FROM run_events WHERE status = :reason", reason=reason) == 1
    assert await world.value("SELECT count(*) FROM object_events WHERE reason = :reason", reason=reason) == 1


@pytest.mark.parametrize("spoil", [spoil_deadline, spoil_suspended])
async def test_a_trigger_has_no_deadline_and_runs_while_suspended(world: World, spoil: Spoil) -> None:
    item = declared(expression="@every 1h", trigger="now")
    await world.store(item)
    await spoil(world, item)
    assert [order.run_key for order in await world.claim(seconds(1))] == ["trigger:now"]


async def test_a_tick_within_the_grace_runs_beside_a_newer_one(world: World) -> None:
    item = declared(expression="@every 3s", concurrency=ConcurrencyPolicy.ALLOW)
    await world.store(item)
    await world.plan(seconds(10))
    assert len(await world.stage()) >= 3
    await world.make_due()
    assert len((await world.bind()).bound) >= 3


async def test_an_outage_of_the_api_server_floods_no_more_than_one_of_ours(world: World) -> None:
    item = declared(expression="@every 1m")
    await world.store(item)
    await world.plan(timedelta(minutes=6, seconds=5))
    await world.sql(
        "UPDATE attempts SET scheduled_time = scheduled_time - interval '7 minutes', "
        "due_at = due_at - interval '7 minutes'"
    )
    claimed = await world.claim()
    assert len(claimed) == 1
    assert await world.verdicts(item) == [("Missed", Reason.OUTAGE)] * 5 + [("planned", None)]


class TestWithoutALeader:
    async def lead_no_more(self, world: World) -> None:
        await world.sql("UPDATE terms SET renewed_at = clock_timestamp() - interval '3 seconds'")

    async def staged(self, world: World) -> Declared:
        item = declared(expression="@every 9s")
        await world.store(item)
        await world.plan()
        await world.stage()
        await world.make_due()
        await self.lead_no_more(world)
        return item

    async def test_objects_are_read_before_their_first_launch(self, world: World) -> None:
        item = await self.staged(world)
        outcome = await world.ledger.bind(ttl=LATE, limit=10, verified=frozenset())
        assert (list(outcome.unverified), outcome.bound) == ([item.ref], [])
        assert (await world.attempts(item))[0].state == "planned"
        verified = await world.ledger.bind(ttl=LATE, limit=10, verified=frozenset({item.ref.uid}))
        assert len(verified.bound) == 1

    @pytest.mark.parametrize(
        ("standing", "reason"),
        [
            pytest.param(None, Reason.SCHEDULE_DELETED, id="gone"),
            pytest.param(Standing("same", suspended=False, deleting=True), Reason.SCHEDULE_DELETED, id="being deleted"),
            pytest.param(Standing("other", suspended=False, deleting=False), Reason.SCHEDULE_DELETED, id="made anew"),
            pytest.param(Standing("same", suspended=True, deleting=False), Reason.SCHEDULE_SUSPENDED, id="suspended"),
        ],
    )
    async def test_what_is_found_then_is_obeyed(self, world: World, standing: Standing | None, reason: Reason) -> None:
        item = await self.staged(world)
        if standing is not None and standing.uid == "same":
            standing = Standing(item.ref.uid, standing.suspended, standing.deleting)
        leftovers = await world.ledger.obey(item.ref, standing)
        assert len(leftovers) == 1
        assert [row.reason for row in await world.attempts(item)] == [reason]
        assert await world.plan(seconds(60)) == 0, "and nothing more is planned until somebody leads"

    async def test_an_object_that_stands_unchanged_is_left_alone(self, world: World) -> None:
        item = await self.staged(world)
        assert await world.ledger.obey(item.ref, Standing(item.ref.uid, suspended=False, deleting=False)) == []
        assert (await world.attempts(item))[0].state == "planned"

    async def test_a_suspension_read_before_a_newer_spec_was_stored_does_not_stay(self, world: World) -> None:
        item = await self.staged(world)
        await world.ledger.obey(item.ref, Standing(item.ref.uid, suspended=True, deleting=False))
        await world.store(item)
        await world.plan(seconds(20))
        assert ("planned", None) in await world.verdicts(item)

    async def test_a_suspension_obeyed_ends_with_the_spec_that_the_next_leader_stores(self, world: World) -> None:
        item = await self.staged(world)
        await world.ledger.obey(item.ref, Standing(item.ref.uid, suspended=True, deleting=False))
        await world.store(edited(edited(item)))
        await world.plan(seconds(20))
        assert ("planned", None) in await world.verdicts(item)
