"""Both ledgers again: terms, quarantine, and Jobs that are not as their rows say."""

from dataclasses import replace

import pytest

from tests.store.makers import declared, finished, job, key_of, now, seconds, started
from tests.store.world import TTL, World, ending, lift, with_job
from ticklock.domain.errors import Superseded, Transient, Unready
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, JobUid
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending
from ticklock.store.witnesses import STRIDE

FORBID = ConcurrencyPolicy.FORBID


# ------------------------------------------------------------------------------------------------- terms and quarantine


async def test_a_term_that_is_over_writes_nothing(both: World) -> None:
    other = both.replica()
    await other.open_term()
    with pytest.raises(Superseded):
        await both.ledger.reports(both.epoch, limit=1)
    with pytest.raises(Superseded):
        await both.ledger.reconcile(both.epoch, [], [])


async def test_in_quarantine_nothing_is_decided(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    (order,) = await both.claim()
    await both.lose_incarnation()
    ledger = both.ledger
    for decision in (
        ledger.plan(horizon=TTL, limit=1),
        ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=1),
        ledger.bind(ttl=TTL, limit=1, verified=frozenset()),
        ledger.claim_stranded(ttl=TTL, limit=1),
        ledger.fail_unstarted(order, Reason.JOB_REJECTED, ""),
        ledger.obey(item.ref, None),
        ledger.reconcile(both.epoch, [item], []),
        ledger.rows([order.key]),
        ledger.prune(both.epoch, older_than=TTL),
    ):
        with pytest.raises(Unready, match="Quarantine"):
            await decision
    assert (await ledger.pulse(leading=True)).quarantined is not None


async def test_lists_from_another_life_of_the_database_open_no_gate(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.lose_incarnation()
    assert await both.ledger.begin_to_reconcile(both.epoch) == await both.ledger.begin_to_reconcile(both.epoch)
    with pytest.raises(Transient, match="listed again"):
        await both.ledger.reconcile_incarnation(both.epoch, [], [item], life="of another life")
    assert (await both.ledger.pulse(leading=True)).quarantined is not None
    assert await lift(both, [], [item]) == []
    assert (await both.ledger.pulse(leading=True)).quarantined is None


async def test_in_quarantine_a_suspended_job_is_taken_away_and_its_run_planned_anew(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    (order,) = await both.stage()
    view = job(both.cluster, item, order.scheduled_time, uid=with_job(order)[1])
    await both.lose_incarnation()
    assert await lift(both, [view], [item]) == [view.uid]
    row = await both.attempt(order.key)
    assert (row.state, row.staged_uid) == ("planned", None)
    assert row.stage > order.stage
    assert (await both.ledger.pulse(leading=True)).quarantined is None


async def test_in_quarantine_an_unsuspended_job_is_a_launched_run_that_stays_in_the_way(both: World) -> None:
    item = declared(expression="@every 9s", concurrency=FORBID)
    await both.store(item)
    tick = item.created_at + seconds(9)
    await both.lose_incarnation()
    view = started(job(both.cluster, item, tick))
    assert await lift(both, [view], [item]) == []
    row = await both.attempt(key_of(both.cluster, item, tick))
    assert (row.state, row.job_uid) == ("launched", view.uid)
    stopped = Ending(
        row_key := key_of(both.cluster, item, tick), view.uid, AttemptState.STOPPED, Reason.JOB_DELETED, ""
    )
    assert await both.ledger.record([stopped]) == 1
    assert await both.locks() == {"sched": True}, "the next run must wait for its pods"
    await both.ledger.free_lock(row_key)
    assert await both.locks() == {}


async def test_in_quarantine_a_job_that_has_ended_is_recorded(both: World) -> None:
    item = declared(expression="@every 9s", concurrency=FORBID)
    await both.store(item)
    tick = item.created_at + seconds(9)
    await both.lose_incarnation()
    await lift(both, [finished(job(both.cluster, item, tick))], [item])
    assert await both.verdicts() == [("Completed", "JobCompleted")]
    assert await both.locks() == {}


async def test_what_the_witness_covers_is_unknown_and_never_run(both: World) -> None:
    item = declared(expression="@every 3s")
    await both.store(item)
    await both.plan(seconds(4))
    await both.lose_incarnation()
    seen = replace(item, witness=item.created_at + seconds(6), ledger_seq=7)
    await lift(both, [], [seen])
    assert (await both.verdicts())[:2] == [("Unknown", "LedgerLost")] * 2
    state = await both.state_of(item)
    assert (state.ledger_seq, state.last_launched_tick) == (STRIDE + 7, item.created_at + seconds(6))
    assert state.cursor >= item.created_at + seconds(6)


async def test_what_was_due_of_an_object_that_is_gone_is_unknown_after_a_quarantine(both: World) -> None:
    item = declared(expression="@every 3s")
    await both.store(replace(item, created_at=item.created_at - seconds(4)))
    await both.plan(seconds(4))
    await both.lose_incarnation()
    await lift(both, [], [])
    verdicts = await both.verdicts()
    assert verdicts[0] == ("Unknown", "LedgerLost"), "its Job may have run, been released and be gone"
    assert set(verdicts[1:]) == {("Stopped", "ScheduleDeleted")}, "what was still to come has not run"
    assert list(await both.ledger.known_objects()) == []


async def test_a_bound_run_without_its_job_is_unknown_after_a_quarantine(both: World) -> None:
    item = declared(expression="@every 9s", concurrency=FORBID)
    await both.store(item)
    await both.plan()
    await both.run_first()
    await both.lose_incarnation()
    await lift(both, [], [item])
    assert (await both.verdicts())[0] == ("Unknown", "JobVanished")
    assert await both.locks() == {"sched": True}


async def test_an_object_whose_row_was_lost_whole_is_no_tombstone_for_its_jobs(both: World) -> None:
    item = declared(expression="@every 3s", created_at=now().replace(microsecond=0) - seconds(20))
    tick = item.created_at + seconds(9)
    assert await both.ledger.rebuild_launched(started(job(both.cluster, item, tick)))
    await both.lose_incarnation()
    await lift(both, [finished(job(both.cluster, item, tick))], [item])
    assert (await both.attempt(key_of(both.cluster, item, tick))).state == "Completed"
    assert list(await both.ledger.releases(both.epoch, limit=10)) == [], "its status does not bear witness yet"
    await both.plan(seconds(0))
    ticks = {row.scheduled_time for row in await both.attempts()}
    assert ticks >= {item.created_at + seconds(3 * i) for i in range(1, 7)}, "a tick before the Job was found is lost"
    (report,) = await both.ledger.reports(both.epoch, limit=10)
    await both.ledger.reported(both.epoch, [(report, True)])
    assert len(await both.ledger.releases(both.epoch, limit=10)) == 1


async def test_a_job_of_an_object_that_is_gone_is_released_without_a_witness(both: World) -> None:
    item = declared(expression="@every 3s")
    view = job(both.cluster, item, item.created_at + seconds(3))
    await both.lose_incarnation()
    await lift(both, [finished(view)], [])
    assert len(await both.ledger.releases(both.epoch, limit=10)) == 1


async def test_a_job_that_contradicts_itself_is_not_believed(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    tick = item.created_at + seconds(9)
    view = started(job(both.cluster, item, tick))
    assert not await both.ledger.rebuild_launched(replace(view, run_key="trigger:x"))
    assert await both.ledger.rebuild_launched(view)
    assert not await both.ledger.rebuild_launched(view)


# ------------------------------------------------------------------------------------ what the quarantine is careful of


async def test_in_quarantine_no_end_is_recorded(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    bound = await both.run_first()
    await both.lose_incarnation()
    with pytest.raises(Unready, match="Quarantine"):
        await both.ledger.record([ending(bound)])


async def test_a_quarantine_gives_no_number_out_again(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.lose_incarnation()
    await lift(both, [], [replace(item, ledger_seq=3)])
    state = await both.state_of(item)
    assert (state.ledger_seq, state.witnessed_seq) == (STRIDE + 3, 3)


async def test_a_trigger_that_only_the_status_knows_of_is_unknown(both: World) -> None:
    item = declared(expression="@every 900s")
    await both.store(item)
    await both.lose_incarnation()
    await lift(both, [], [replace(item, trigger="again", last_trigger="again")])
    assert await both.verdicts() == [("Unknown", "LedgerLost")]


async def test_a_new_ledger_begins_after_the_trigger_that_the_status_shows(both: World) -> None:
    item = replace(declared(expression="@every 900s"), trigger="done", last_trigger="done")
    await both.store(item)
    assert await both.attempts() == []
    await both.store(replace(item, trigger="again"))
    assert await both.verdicts() == [("planned", None)]


async def test_no_number_in_a_status_is_too_large(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.lose_incarnation()
    await lift(both, [], [replace(item, ledger_seq=2**63 - 1)])
    assert (await both.state_of(item)).ledger_seq == 2**62 + STRIDE


@pytest.mark.parametrize("covered", [pytest.param(True, id="handled before"), pytest.param(False, id="not yet")])
async def test_a_rebuilt_run_is_suspect_where_the_witness_covers_it(both: World, *, covered: bool) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    tick = item.created_at + seconds(9)
    await both.lose_incarnation()
    await lift(both, [started(job(both.cluster, item, tick))], [replace(item, witness=tick if covered else None)])
    assert (await both.attempt(key_of(both.cluster, item, tick))).suspect is covered


async def test_a_closure_is_counted_once_when_it_is_over(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.ledger.tend_gate(both.epoch)
    await both.lose_incarnation()
    assert list(await both.ledger.tend_gate(both.epoch)) == []
    await lift(both, [started(job(both.cluster, item, item.created_at + seconds(9)))], [item])
    (opened,) = await both.ledger.tend_gate(both.epoch)
    assert (opened.reason, opened.how, opened.settled["launched"]) == (Reason.QUARANTINE, Reason.RECONCILED, 1)
    assert list(await both.ledger.tend_gate(both.epoch)) == []


# ------------------------------------------------------------------------------------------------ Jobs that surprise


async def test_a_staged_job_without_a_row_is_not_left_over_and_its_tick_may_still_be_owed(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    (order,) = await both.claim()
    stranger = replace(order, key=key_of(both.cluster, item, item.created_at + seconds(900)))
    assert list(await both.ledger.store_staged([with_job(stranger)])) == []
    coming = job(both.cluster, item, item.created_at + seconds(900))
    past = job(both.cluster, item, item.created_at - seconds(9))
    assert await both.ledger.still_owed(coming) is True
    assert await both.ledger.still_owed(past) is False


async def test_a_job_that_was_bound_meanwhile_is_not_left_over(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    (order,) = await both.stage()
    await both.make_due()
    assert len((await both.bind()).bound) == 1
    assert list(await both.ledger.store_staged([with_job(order)])) == []


@pytest.mark.parametrize("never", [pytest.param(True, id="never let go"), pytest.param(False, id="let go")])
async def test_only_a_job_that_was_never_let_go_raises_no_witness(both: World, *, never: bool) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    await both.stage()
    await both.make_due()
    (bound,) = (await both.bind()).bound
    state, reason = AttemptState.STOPPED, Reason.JOB_DELETED
    await both.ledger.record([Ending(bound.key, bound.job_uid, state, reason, "", never_let_go=never)])
    assert (await both.state_of(item)).last_launched_tick == (None if never else bound.scheduled_time)


async def test_a_finalizer_that_is_back_is_released_again(both: World) -> None:
    await both.store(declared(expression="@every 9s"))
    await both.plan()
    bound = await both.run_first()
    await both.ledger.record([ending(bound)])
    (report,) = await both.ledger.reports(both.epoch, limit=10)
    await both.ledger.reported(both.epoch, [(report, True)])
    await both.ledger.released(both.epoch, [bound.key])
    assert (await both.ledger.rows([bound.key]))[bound.key].released
    await both.ledger.release_again(bound.key, JobUid("another"))
    assert list(await both.ledger.releases(both.epoch, limit=10)) == []
    await both.ledger.release_again(bound.key, bound.job_uid)
    assert [one.key for one in await both.ledger.releases(both.epoch, limit=10)] == [bound.key]
