"""What the search of the model found in a quarantine: each of these started a run twice, or left a lie."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.losses import first_answer, lose_incarnation, reconcile_all
from tests.store.makers import declared, job, job_of, now, seconds, started
from tests.store.world import TTL, World, ending
from ticklock.domain.errors import Transient, Unready
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, JobUid
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending
from ticklock.store.migrate import migrate
from tools.devcluster.postgres import Postgres


class TestListsOfAnotherLife:
    """A leader may be stopped between its lists and what follows, and commits may be lost meanwhile."""

    async def test_they_are_not_believed_after_another_loss(self, world: World) -> None:
        await lose_incarnation(world)
        life = await world.ledger.begin_to_reconcile(world.epoch)
        with pytest.raises(Transient, match="listed again"):
            await world.ledger.reconcile_incarnation(world.epoch, [], [], life="of an earlier incarnation")
        with pytest.raises(Unready):
            await world.plan()
        assert await world.ledger.reconcile_incarnation(world.epoch, [], [], life=life) == []
        await world.plan()

    async def test_they_are_not_believed_after_another_quarantine_began(self, world: World) -> None:
        await lose_incarnation(world)
        life = await world.ledger.begin_to_reconcile(world.epoch)
        await world.ledger.note_resource_version(world.epoch, 100)
        await world.ledger.note_resource_version(world.epoch, 99)
        with pytest.raises(Transient, match="listed again"):
            await world.ledger.reconcile_incarnation(world.epoch, [], [], life=life)

    async def test_a_restart_of_the_server_is_another_life(self) -> None:
        with Postgres() as server:
            migrate(server.url)
            world = World(server.url)
            try:
                await world.open()
                before = await world.ledger.begin_to_reconcile(world.epoch)
                await asyncio.to_thread(server.restart)
                await first_answer(world.ledger)
                assert await world.ledger.begin_to_reconcile(world.epoch) != before
            finally:
                await world.close()


class TestObjectsThatAreGone:
    """The commit that made a tombstone may be lost, and the witness is gone with the object."""

    async def test_what_was_due_is_unknown_and_what_was_to_come_is_stopped(self, world: World) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan(timedelta(seconds=25))
        first = (await world.attempts())[0]
        await world.sql(
            "UPDATE attempts SET (due_at, scheduled_time) = (now() - interval '1 s', now() - interval '1 s') "
            "WHERE run_id = :id",
            id=first.run_id,
        )
        await lose_incarnation(world)
        assert await reconcile_all(world, [], []) == []
        assert await world.verdicts() == [("Unknown", Reason.LEDGER_LOST), ("Stopped", Reason.SCHEDULE_DELETED)]
        assert list(await world.ledger.known_objects()) == []
        await world.plan(timedelta(seconds=60))
        assert len(await world.attempts()) == 2

    async def test_a_job_that_runs_is_a_launched_run_all_the_same(self, world: World) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await lose_incarnation(world)
        await reconcile_all(world, [started(job(world.cluster, item, item.created_at + seconds(10)))], [])
        assert await world.verdicts() == [("launched", Reason.LAUNCHED)]

    async def test_a_trigger_that_was_planned_is_unknown(self, world: World) -> None:
        await world.store(declared(expression="@every 1h", trigger="a"))
        await lose_incarnation(world)
        await reconcile_all(world, [], [])
        assert await world.verdicts() == [("Unknown", Reason.LEDGER_LOST)]


class TestJobsWithoutARow:
    @pytest.mark.parametrize(
        ("tick", "owed"),
        [
            pytest.param(timedelta(hours=1), True, id="its tick is still to be planned"),
            pytest.param(timedelta(seconds=1), True, id="its tick was passed by the cursor, but lies ahead"),
            pytest.param(timedelta(seconds=-5), False, id="its tick is over"),
        ],
    )
    async def test_whether_its_tick_is_still_owed(self, world: World, tick: timedelta, *, owed: bool) -> None:
        item = declared(expression="@every 2s")
        await world.store(item)
        await world.plan()
        view = job(world.cluster, item, now() + tick)
        assert await world.ledger.still_owed(view) is owed

    async def test_nothing_is_owed_of_an_object_that_is_gone_suspended_or_unknown(self, world: World) -> None:
        gone, suspended = declared("gone"), declared("suspended", suspend=True)
        await world.store(gone, suspended)
        await world.ledger.reconcile(world.epoch, [], [gone.ref])
        later = now() + timedelta(hours=1)
        for item in (gone, suspended, declared("never stored")):
            assert not await world.ledger.still_owed(job(world.cluster, item, later))
        assert not await world.ledger.still_owed(job(world.cluster, suspended, later, owner_uid=None))


class TestABoundJobThatIsSuspended:
    async def test_a_bound_job_that_is_suspended_may_have_run_and_is_taken_away(self, world: World) -> None:
        item = declared(expression="@every 9s")
        await world.store(item)
        await world.plan()
        await world.stage()
        await world.make_due()
        (bound,) = (await world.bind()).bound
        await world.ledger.note_resource_version(world.epoch, 100)
        await world.ledger.note_resource_version(world.epoch, 1)
        assert await reconcile_all(world, [job_of(bound)], [item]) == [bound.job_uid]
        assert (await world.verdicts(item))[0] == ("Unknown", Reason.JOB_VANISHED)

    async def test_a_bound_job_is_launched_after_a_mere_restart(self, world: World) -> None:
        item = declared(expression="@every 9s")
        await world.store(item)
        await world.plan()
        await world.stage()
        await world.make_due()
        (bound,) = (await world.bind()).bound
        await lose_incarnation(world)
        assert await reconcile_all(world, [job_of(bound)], [item]) == []
        assert (await world.attempt(bound.key)).state == "bound"


async def test_a_run_whose_lock_was_lost_takes_it_when_it_ends_with_pods_left(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=ConcurrencyPolicy.FORBID)
    await world.store(item)
    view = started(job(world.cluster, item, item.created_at + seconds(4)))
    await lose_incarnation(world)
    await reconcile_all(world, [view], [item])
    assert view.key is not None
    stopped = Ending(view.key, view.uid, AttemptState.STOPPED, Reason.JOB_DELETED, "", view.started_at)
    assert await world.ledger.record([stopped]) == 1
    (suspect,) = await world.ledger.suspect_locks(world.epoch)
    assert suspect.key == view.key
    await world.plan()
    await world.make_due()
    claim = await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    assert list(claim.orders) == []
    await world.ledger.free_lock(view.key)
    assert len((await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)).orders) == 1


async def test_what_was_released_and_is_held_again_is_released_once_more(world: World) -> None:
    await world.store(declared())
    await world.plan()
    bound = await world.run_first()
    await world.ledger.record([ending(bound)])
    reports = await world.ledger.reports(world.epoch, limit=10)
    await world.ledger.reported(world.epoch, [(report, True) for report in reports])
    await world.ledger.released(world.epoch, [bound.key])
    assert list(await world.ledger.releases(world.epoch, limit=10)) == []
    await world.ledger.release_again(bound.key, JobUid("another"))
    assert list(await world.ledger.releases(world.epoch, limit=10)) == []
    await world.ledger.release_again(bound.key, bound.job_uid)
    assert [item.key for item in await world.ledger.releases(world.epoch, limit=10)] == [bound.key]


async def test_a_status_read_before_the_loss_is_no_witness_of_what_is_recorded_after_it(world: World) -> None:
    item = declared()
    await world.store(item)
    await world.plan()
    bound = await world.run_first()
    (stale,) = await world.ledger.reports(world.epoch, limit=10)
    stale = replace(stale, ledger_seq=7)
    await lose_incarnation(world)
    await reconcile_all(world, [started(job_of(bound))], [item])
    await world.ledger.record([ending(bound)])
    await world.ledger.reported(world.epoch, [(stale, True)])
    assert list(await world.ledger.releases(world.epoch, limit=10)) == []


async def test_a_number_that_somebody_wrote_into_a_status_does_not_stop_the_quarantine(world: World) -> None:
    item = declared()
    await world.store(item)
    for _ in range(2):
        await lose_incarnation(world)
        await reconcile_all(world, [], [replace(item, ledger_seq=2**63 - 1)])
    await world.plan()
    bound = await world.run_first()
    assert await world.ledger.record([ending(bound)]) == 1


class TestTriggersThatTheStatusShows:
    async def test_one_whose_row_was_lost_before_its_run_is_told_and_not_dropped(self, world: World) -> None:
        item = declared(expression="@every 1h")
        await world.store(item)
        told = replace(item, trigger="a", last_trigger="a")
        await lose_incarnation(world)
        await reconcile_all(world, [], [told])
        await world.store(told)
        assert await world.verdicts(item) == [("Unknown", Reason.LEDGER_LOST)]

    async def test_one_that_shows_only_after_the_quarantine_is_told_too(self, world: World) -> None:
        item = declared(expression="@every 1h")
        await world.store(item)
        await lose_incarnation(world)
        await reconcile_all(world, [], [item])
        await world.store(replace(item, trigger="a", last_trigger="a"))
        assert await world.verdicts(item) == [("Unknown", Reason.LEDGER_LOST)]

    async def test_one_that_ran_and_whose_row_stands_is_left_as_it_is(self, world: World) -> None:
        item = declared(expression="@every 1h", trigger="a")
        await world.store(item)
        bound = await world.run_first()
        await world.ledger.record([ending(bound)])
        await lose_incarnation(world)
        await reconcile_all(world, [], [replace(item, last_trigger="a", ledger_seq=1)])
        assert await world.verdicts(item) == [("Completed", Reason.JOB_COMPLETED)]

    async def test_in_a_new_database_an_object_begins_after_what_its_status_shows(self, world: World) -> None:
        item = declared(expression="@every 1h", trigger="a", last_trigger="a", ledger_seq=7)
        await world.store(item)
        assert await world.verdicts(item) == []
        await world.store(replace(item, trigger="b"))
        assert await world.verdicts(item) == [("planned", None)]
