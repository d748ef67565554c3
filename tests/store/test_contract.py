"""What the ledger promises its callers, asked of PostgreSQL and of the simulated ledger of tests/simulation alike.

The simulation is worth what its ledger is worth: each of these sentences holds for both, or one of them is wrong.
"""

from dataclasses import replace
from datetime import timedelta

from tests.simulation.ledger.bench import SimWorld
from tests.store.makers import declared, edited, now, seconds
from tests.store.world import AHEAD, TTL, World, with_job
from ticklock.domain.model import JobUid
from ticklock.domain.reasons import Reason

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
    outcome = await lone.ledger.bind(ttl=TTL, limit=10, verified=frozenset())
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
