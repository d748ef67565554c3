"""What the ledger promises of policies, edits and triggers, asked of both ledgers as in test_contract."""

from dataclasses import replace

import pytest

from tests.store.makers import broken, declared, edited, now, seconds
from tests.store.world import TTL, World, ending, with_job
from ticklock.domain.model import AttemptState, ConcurrencyPolicy
from ticklock.domain.reasons import Reason
from ticklock.ports import Standing

FORBID, REPLACE = ConcurrencyPolicy.FORBID, ConcurrencyPolicy.REPLACE


# -------------------------------------------------------------------------------------------- Forbid, Replace, deadline


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        pytest.param(FORBID, "ConcurrencyForbidden", id="Forbid"),
        pytest.param(REPLACE, "Replaced", id="Replace"),
    ],
)
async def test_of_two_due_ticks_the_older_is_skipped(both: World, policy: ConcurrencyPolicy, reason: str) -> None:
    await both.store(declared(expression="@every 3s", concurrency=policy))
    await both.plan(seconds(6.5))
    await both.stage()
    await both.make_due()
    outcome = await both.bind()
    assert len(outcome.bound) == 1
    assert (await both.verdicts())[:2] == [("Skipped", reason), ("bound", "Bound")]
    assert await both.locks() == {"sched": False}


@pytest.mark.parametrize("policy", [FORBID, REPLACE])
async def test_a_due_tick_waits_for_the_run_before_it_and_names_it(both: World, policy: ConcurrencyPolicy) -> None:
    await both.store(declared(expression="@every 3s", concurrency=policy))
    await both.plan(seconds(6.5))
    first = await both.run_first()
    await both.make_due()
    claim = await both.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    blocker = claim.blockers[-1]
    assert (list(claim.orders), blocker.key, blocker.replace) == ([], first.key, policy is REPLACE)
    waiting = (await both.attempts())[-1]
    assert (waiting.reason, waiting.deferrals) == ("WaitingForRun", 1)


@pytest.mark.parametrize(
    ("state", "reason", "held"),
    [
        pytest.param(AttemptState.COMPLETED, Reason.JOB_COMPLETED, {}, id="a final condition frees it"),
        pytest.param(AttemptState.STOPPED, Reason.JOB_DELETED, {"sched": True}, id="a deletion makes it suspect"),
        pytest.param(AttemptState.UNKNOWN, Reason.JOB_VANISHED, {"sched": True}, id="so does an unseen end"),
    ],
)
async def test_the_lock_after_an_end(both: World, state: AttemptState, reason: Reason, held: dict[str, bool]) -> None:
    await both.store(declared(expression="@every 9s", concurrency=FORBID))
    await both.plan()
    bound = await both.run_first()
    await both.ledger.free_lock(bound.key)
    assert await both.locks() == {"sched": False}
    await both.ledger.record([ending(bound, state, reason)])
    assert await both.locks() == held
    await both.ledger.free_lock(bound.key)
    assert await both.locks() == {}


async def test_a_run_begun_under_allow_takes_the_lock_when_its_job_is_deleted_under_forbid(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    bound = await both.run_first()
    await both.store(edited(item, concurrency=FORBID))
    assert await both.locks() == {}
    await both.ledger.record([ending(bound, AttemptState.STOPPED, Reason.JOB_DELETED)])
    assert await both.locks() == {"sched": True}, "its pods may still live"
    await both.ledger.free_lock(bound.key)
    assert await both.locks() == {}


async def test_a_run_stopped_for_its_successor_is_recorded_as_replaced(both: World) -> None:
    await both.store(declared(expression="@every 3s", concurrency=REPLACE))
    await both.plan(seconds(6.5))
    first = await both.run_first()
    await both.make_due()
    await both.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    await both.ledger.record([ending(first, AttemptState.STOPPED, Reason.JOB_DELETED)])
    assert (await both.verdicts())[0] == ("Stopped", "Replaced")


async def test_a_tick_past_its_deadline_is_missed_and_its_job_left_over(both: World) -> None:
    item = declared(expression="@every 3s", starting_deadline=seconds(1))
    await both.store(replace(item, created_at=item.created_at - seconds(5)))
    await both.plan(seconds(0))
    orders = await both.claim()
    await both.ledger.store_staged([with_job(order) for order in orders])
    outcome = await both.bind()
    late = [row for row in await both.attempts() if row.scheduled_time + seconds(1) < now()]
    assert late
    assert {(row.state, row.reason) for row in late} == {("Missed", "DeadlineExceeded")}
    assert {left.key for left in outcome.leftovers} <= {order.key for order in orders}


# --------------------------------------------------------------------------------------- edit, suspend, trigger, delete


async def test_an_edit_restages_what_stays_and_skips_what_goes(both: World) -> None:
    item = declared(expression="@every 3s")
    await both.store(item)
    await both.plan(seconds(8))
    orders = await both.stage()
    leftovers = await both.store(edited(item, expression="@every 6s"))
    by_tick = {row.scheduled_time: row for row in await both.attempts()}
    assert (by_tick[item.created_at + seconds(3)].state, by_tick[item.created_at + seconds(3)].reason) == (
        "Skipped",
        "SpecChanged",
    )
    kept = by_tick[item.created_at + seconds(6)]
    assert (kept.state, kept.stage, kept.staged_uid) == ("planned", 2, None)
    assert orders[0].key in {left.key for left in leftovers}


async def test_a_tick_that_an_edit_brings_back_is_planned_again_at_a_higher_stage(both: World) -> None:
    item = declared(expression="@every 4s")
    await both.store(item)
    await both.plan(seconds(5))
    other = edited(item, expression="@every 3s")
    await both.store(other)
    await both.store(edited(other, expression="@every 4s"))
    row = next(row for row in await both.attempts() if row.scheduled_time == item.created_at + seconds(4))
    assert (row.state, row.stage) == ("planned", 2)


async def test_an_older_generation_says_nothing(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(edited(item, suspend=True))
    await both.store(item)
    assert (await both.state_of(item)).next_tick is None


async def test_a_suspension_skips_what_is_planned(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    await both.stage()
    (left,) = await both.store(edited(item, suspend=True))
    assert left.job_name
    assert await both.verdicts() == [("Skipped", "ScheduleSuspended")]


async def test_a_spec_that_cannot_be_followed_skips_what_is_planned(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    await both.store(broken(item))
    assert await both.verdicts() == [("Skipped", "SpecChanged")]
    assert "InvalidSchedule" in [event.reason.value for event in await both.ledger.outbox(both.epoch, limit=50)]


async def test_a_trigger_value_counts_once(both: World) -> None:
    item = declared(expression="@every 1h", trigger="now")
    await both.store(item)
    await both.store(item)
    await both.store(replace(item, generation=2, trigger="now"))
    (row,) = await both.attempts()
    assert (row.is_tick, row.state) == (False, "planned")
    assert (await both.state_of(item)).last_trigger == "now"


async def test_a_deletion_stops_what_is_planned_and_leaves_a_tombstone(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    changed, _ = await both.ledger.reconcile(both.epoch, [], [item.ref])
    assert changed == 1
    assert await both.verdicts() == [("Stopped", "ScheduleDeleted")]
    assert list(await both.ledger.known_objects()) == []
    await both.store(edited(item))
    assert list(await both.ledger.known_objects()) == []


async def test_an_object_made_again_under_the_name_buries_the_old_one(both: World) -> None:
    old, new = declared("same", expression="@every 9s"), declared("same", expression="@every 9s")
    await both.store(old)
    await both.plan()
    await both.store(new)
    assert list(await both.ledger.known_objects()) == [new.ref]
    assert await both.verdicts(old) == [("Stopped", "ScheduleDeleted")]


async def test_an_object_found_suspended_without_a_leader_is_obeyed_until_it_is_stored(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    await both.ledger.obey(item.ref, Standing(item.ref.uid, suspended=True, deleting=False))
    assert await both.verdicts() == [("Skipped", "ScheduleSuspended")]
    assert (await both.state_of(item)).next_tick is None
    await both.store(item)
    assert (await both.state_of(item)).next_tick is not None
