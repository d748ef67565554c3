"""What the ledger promises its callers, asked of PostgreSQL and of the simulated ledger of tests/simulation alike.

The simulation is worth what its ledger is worth: each of these sentences holds for both, or one of them is wrong.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.simulation.ledger.bench import SimWorld
from tests.store.makers import broken, declared, edited, now, seconds
from tests.store.world import AHEAD, TTL, World, ending, with_job
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, JobUid
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, Launch, Standing

FORBID, REPLACE = ConcurrencyPolicy.FORBID, ConcurrencyPolicy.REPLACE


# ----------------------------------------------------------------------------------------------------------------- plan


async def test_ticks_within_the_horizon_become_planned_attempts(both: World) -> None:
    item = declared(expression="@every 3s")
    await both.store(item)
    assert await both.plan(seconds(10)) == 1
    ticks = [row.scheduled_time for row in await both.attempts()]
    assert ticks[:3] == [item.created_at + seconds(3 * i) for i in (1, 2, 3)]
    assert {row.state for row in await both.attempts()} == {"planned"}


async def test_planning_twice_changes_nothing(both: World) -> None:
    await both.store(declared(expression="@every 3s"))
    await both.plan(seconds(9))
    before = await both.verdicts()
    await both.plan(seconds(3))
    assert await both.verdicts() == before


async def test_after_an_outage_the_latest_tick_is_still_run_and_the_others_are_missed(both: World) -> None:
    item = declared(expression="@every 20s")
    await both.store(item)
    await both.set_cursor(item, item.created_at - seconds(119))
    await both.plan(seconds(0))
    verdicts = await both.verdicts()
    assert verdicts[-1] == ("planned", None)
    assert set(verdicts[:-1]) == {("Missed", "Outage")}


async def test_a_long_outage_becomes_one_row(both: World) -> None:
    item = declared(expression="@every 1s", starting_deadline=seconds(2))
    await both.store(item)
    await both.set_cursor(item, item.created_at - seconds(600))
    await both.plan(seconds(0))
    missed = [row for row in await both.attempts() if row.state == "Missed"]
    assert len(missed) == 1
    assert "all ticks from" in missed[0].message


# ---------------------------------------------------------------------------------------------------------------- claim


async def test_a_claim_keeps_others_away_until_it_runs_out(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.claim()
    other = both.replica()
    assert list((await other.claim_for_staging(ahead=AHEAD, ttl=TTL, limit=10)).orders) == []
    await both.expire_claims()
    (again,) = (await other.claim_for_staging(ahead=timedelta(hours=1), ttl=TTL, limit=10)).orders
    assert again.key == order.key
    assert again.token > order.token


async def test_a_claim_for_staging_ends_before_the_tick(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.claim()
    row = await both.attempt(order.key)
    assert row.claimed_until <= row.due_at - seconds(0.5)


async def test_a_deferral_of_a_claim_that_is_not_ours_any_more_is_nothing(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.claim()
    await both.ledger.defer(replace(order, token=order.token - 1), seconds=5, reason=Reason.API_UNAVAILABLE, message="")
    assert (await both.attempt(order.key)).deferrals == 0
    await both.ledger.defer(order, seconds=5, reason=Reason.NAME_TAKEN, message="", next_suffix=True)
    row = await both.attempt(order.key)
    assert (row.deferrals, row.name_suffix, row.reason, row.claimed_until) == (1, 1, "NameTaken", None)


async def test_a_rejected_job_fails_its_run_without_a_start(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.claim()
    await both.ledger.fail_unstarted(order, Reason.JOB_REJECTED, "no image")
    assert await both.verdicts() == [("Failed", "JobRejected")]
    assert await both.log_of(order.key) == ("Exited", "JobRejected: no image")


# ---------------------------------------------------------------------------------------------------------------- stage


async def test_the_first_job_stored_stands_and_the_other_is_left_over(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.claim()
    assert list(await both.ledger.store_staged([with_job(order, "first")])) == []
    (left,) = await both.ledger.store_staged([with_job(order, "second")])
    assert left.job_uid == "second"
    assert list(await both.ledger.store_staged([with_job(order, "first")])) == []
    assert (await both.attempt(order.key)).staged_uid == "first"


async def test_a_job_of_an_older_stage_is_left_over(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    (order,) = await both.claim()
    await both.store(edited(item, keep_failed=2))
    (left,) = await both.ledger.store_staged([with_job(order)])
    assert left.key == order.key
    assert (await both.attempt(order.key)).stage == order.stage + 1


async def test_a_staged_job_that_goes_away_is_made_anew_at_a_higher_stage(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.stage()
    uid = with_job(order)[1]
    assert not await both.ledger.forget_staged(order.key, JobUid("another"))
    assert await both.ledger.forget_staged(order.key, uid)
    row = await both.attempt(order.key)
    assert (row.staged_uid, row.stage) == (None, order.stage + 1)


# ----------------------------------------------------------------------------------------------------------------- bind


async def test_nothing_is_bound_before_its_time_or_without_its_job(both: World) -> None:
    await both.store(declared("early"), declared("bare"))
    await both.plan()
    orders = await both.claim()
    await both.ledger.store_staged([with_job(order) for order in orders if order.ref.name == "early"])
    assert (await both.bind()).candidates == 0
    bare = next(order for order in orders if order.ref.name == "bare")
    await both._due_now(bare.key)
    assert (await both.bind()).candidates == 0


async def test_a_due_staged_attempt_is_bound_once(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.stage()
    await both.make_due()
    (bound,) = (await both.bind()).bound
    assert (bound.key, bound.job_uid) == (order.key, with_job(order)[1])
    assert bound.token > order.token
    assert (await both.bind()).candidates == 0
    assert await both.log_of(order.key) == ("Processing", "")


async def test_what_nobody_leads_is_bound_only_after_a_look_at_the_object(both: World) -> None:
    lone = SimWorld() if isinstance(both, SimWorld) else World(both.url)
    await lone.ledger.pulse(leading=False)
    lone.epoch = await lone.ledger.open_term()
    await lone.ledger.reconcile_incarnation(lone.epoch, (), ())
    await lone.store(item := declared(expression="@every 9s"))
    await lone.plan()
    await lone.stage()
    await lone.make_due()
    if isinstance(lone, SimWorld):
        term = lone.book.terms[lone.cluster]
        lone.book.terms.set(lone.cluster, replace(term, renewed_at=now() - seconds(3)))
    else:
        await lone.sql(
            "UPDATE terms SET renewed_at = clock_timestamp() - interval '3 seconds' WHERE cluster = :cluster"
        )
    outcome = await lone.bind()
    assert (list(outcome.bound), list(outcome.unverified)) == ([], [item.ref])
    verified = frozenset({item.ref.uid})
    assert len((await lone.ledger.bind(ttl=TTL, limit=10, verified=verified)).bound) == 1
    await lone.close()


async def test_a_bound_attempt_whose_claim_ran_out_is_stranded(both: World) -> None:
    await both.store(declared(expression="@every 9s", starting_deadline=seconds(60)))
    await both.plan()
    await both.stage()
    await both.make_due()
    (bound,) = (await both.bind()).bound
    other = both.replica()
    assert list(await other.claim_stranded(ttl=TTL, limit=10)) == []
    await both.expire_claims()
    (stranded,) = await other.claim_stranded(ttl=TTL, limit=10)
    assert stranded == replace(bound, token=stranded.token, stranded=True)
    assert stranded.deadline_at == bound.scheduled_time + seconds(60)


async def test_a_graceful_stop_gives_claims_back_at_once(both: World) -> None:
    await both.store(declared("staged"), declared("claimed"))
    await both.plan(seconds(10))
    orders = await both.claim()
    await both.ledger.store_staged([with_job(orders[0])])
    await both.make_due()
    assert len((await both.bind()).bound) == 1
    await both.ledger.give_back()
    other = both.replica()
    assert len(await other.claim_stranded(ttl=TTL, limit=10)) == 1
    assert len((await other.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)).orders) == 1


# ---------------------------------------------------------------------------------------------------- launch and record


async def test_a_launch_is_marked_once_and_only_for_the_bound_job(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    await both.stage()
    await both.make_due()
    (bound,) = (await both.bind()).bound
    await both.ledger.mark_launched([Launch(bound.key, JobUid("another"), now())])
    assert (await both.attempt(bound.key)).state == "bound"
    await both.launch([bound])
    assert (await both.attempt(bound.key)).state == "launched"
    assert (await both.run_of(bound.key)).state == "Running"
    assert (await both.state_of(item)).last_launched_tick == bound.scheduled_time


async def test_an_end_is_news_once_and_raises_the_ledgers_number(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    bound = await both.run_first()
    before = (await both.state_of(item)).ledger_seq
    assert await both.ledger.record([ending(bound)]) == 1
    assert await both.ledger.record([ending(bound)]) == 0
    assert (await both.state_of(item)).ledger_seq == before + 1
    assert (await both.attempt(bound.key)).record_seq == before + 1
    assert await both.log_of(bound.key) == ("Completed", "")


async def test_the_end_of_another_job_is_no_end(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    bound = await both.run_first()
    other = Ending(bound.key, JobUid("another"), AttemptState.COMPLETED, Reason.JOB_COMPLETED, "")
    assert await both.ledger.record([other]) == 0


async def test_a_record_is_released_only_after_the_status_shows_it(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    bound = await both.run_first()
    await both.ledger.record([ending(bound)])
    assert list(await both.ledger.releases(both.epoch, limit=10)) == []
    (report,) = await both.ledger.reports(both.epoch, limit=10)
    assert (report.witness, report.ledger_seq) == (bound.scheduled_time, 1)
    await both.ledger.reported(both.epoch, [(report, True)])
    (release,) = await both.ledger.releases(both.epoch, limit=10)
    await both.ledger.released(both.epoch, [release.key])
    assert list(await both.ledger.releases(both.epoch, limit=10)) == []


async def test_a_new_leader_is_told_the_times_of_every_schedule_that_stands(both: World) -> None:
    ran, fresh, gone = (declared(expression="@every 9s", name=name) for name in ("ran", "fresh", "gone"))
    await both.store(ran)
    await both.plan()
    bound = await both.run_first()
    await both.ledger.record([ending(bound)])
    await both.store(fresh, gone)
    await both.ledger.reconcile(both.epoch, [], [gone.ref])
    told = {one.ref.name: one for one in await both.ledger.schedule_times(both.epoch)}
    assert set(told) == {"ran", "fresh"}
    assert (told["ran"].witness, told["fresh"].witness) == (bound.scheduled_time, None)
    assert (told["ran"].last_success is None, told["fresh"].last_success) == (False, None)
    assert told["ran"].next_time is not None
    assert told["ran"].next_time > bound.scheduled_time


async def test_released_jobs_beyond_the_history_limit_are_surplus(both: World) -> None:
    await both.store(declared(expression="@every 3s", keep_successful=1))
    await both.plan()
    first, second = await both.run_first(), await both.run_first()
    for bound in (first, second):
        await both.ledger.record([ending(bound)])
    (report,) = await both.ledger.reports(both.epoch, limit=10)
    await both.ledger.reported(both.epoch, [(report, True)])
    await both.ledger.released(both.epoch, [first.key, second.key])
    (surplus,) = await both.ledger.surplus(both.epoch, limit=10)
    assert surplus.key == first.key
    await both.ledger.absent([first.key])
    assert list(await both.ledger.surplus(both.epoch, limit=10)) == []


async def test_what_is_over_released_and_absent_is_pruned_and_never_planned_again(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    bound = await both.run_first()
    await both.ledger.record([ending(bound)])
    assert await both.ledger.prune(both.epoch, older_than=timedelta(seconds=-60)) == 0
    (report,) = await both.ledger.reports(both.epoch, limit=10)
    await both.ledger.reported(both.epoch, [(report, True)])
    await both.ledger.released(both.epoch, [bound.key])
    await both.ledger.absent([bound.key])
    assert await both.ledger.prune(both.epoch, older_than=timedelta(seconds=-60)) == 1
    assert (await both.state_of(item)).pruned_through == bound.scheduled_time


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
