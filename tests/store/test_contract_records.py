"""What the ledger promises of what was launched, asked of both ledgers as in test_contract."""

from datetime import timedelta

from tests.store.makers import declared, now
from tests.store.world import World, ending
from ticklock.domain.model import AttemptState, JobUid
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, Launch

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
