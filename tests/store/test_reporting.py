"""What the leader tells the cluster, in which order, and what is taken away afterwards."""

from datetime import timedelta

import pytest

from tests.store.makers import declared, edited, now, seconds
from tests.store.world import World, ending
from ticklock.domain.model import AttemptState, Declared, RunState
from ticklock.domain.reasons import Reason
from ticklock.ports import Bound, Report


async def ended_run(world: World, item: Declared | None = None) -> Bound:
    item = item or declared()
    await world.store(item)
    await world.plan()
    bound = await world.run_first()
    await world.ledger.record([ending(bound)])
    return bound


async def report_of(world: World) -> Report:
    await world.sql("UPDATE schedule_state SET reported_at = reported_at - interval '1 minute'")
    (report,) = await world.ledger.reports(world.epoch, limit=10)
    return report


async def write(world: World, *, there: bool = True) -> None:
    await world.sql("UPDATE schedule_state SET reported_at = reported_at - interval '1 minute'")
    reports = await world.ledger.reports(world.epoch, limit=100)
    await world.ledger.reported(world.epoch, [(report, there) for report in reports])


class TestReports:
    async def test_a_new_object_is_reported_with_its_next_tick(self, world: World) -> None:
        item = declared(expression="@every 1h")
        await world.store(item)
        report = await report_of(world)
        assert (report.ref, report.generation, report.suspended) == (item.ref, 1, False)
        assert report.next_time == item.created_at + timedelta(hours=1)
        assert (report.active, report.active_count, report.last_run, report.witness) == ([], 0, None, None)

    async def test_what_was_written_is_not_reported_again(self, world: World) -> None:
        await world.store(declared())
        await write(world)
        assert list(await world.ledger.reports(world.epoch, limit=10)) == []

    async def test_what_happens_between_report_and_writing_is_reported_next(self, world: World) -> None:
        item = declared()
        await world.store(item)
        report = await report_of(world)
        await world.store(edited(item))
        await world.ledger.reported(world.epoch, [(report, True)])
        assert (await report_of(world)).generation == 2

    async def test_one_object_is_reported_once_a_second_at_most(self, world: World) -> None:
        item = declared()
        await world.store(item)
        (report,) = await world.ledger.reports(world.epoch, limit=10)
        await world.ledger.reported(world.epoch, [(report, True)])
        await world.store(edited(item))
        assert list(await world.ledger.reports(world.epoch, limit=10)) == []
        assert (await report_of(world)).generation == 2

    async def test_a_running_job_is_active(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.plan()
        bound = await world.run_first()
        report = await report_of(world)
        assert [(job.name, job.uid) for job in report.active] == [(bound.job_name, bound.job_uid)]
        assert (report.active_count, report.witness) == (1, bound.scheduled_time)
        assert report.last_run is not None
        assert (report.last_run.state, report.last_run.job_name) == (RunState.RUNNING, bound.job_name)
        assert report.last_ended is None

    async def test_of_many_active_jobs_twenty_are_named(self, world: World) -> None:
        await world.store(declared(expression="@every 1s"))
        await world.plan(seconds(30))
        await world.stage()
        await world.make_due()
        bound = (await world.bind()).bound
        report = await report_of(world)
        assert (len(report.active), report.active_count) == (20, len(bound))

    async def test_an_end_is_reported_with_times_and_success(self, world: World) -> None:
        bound = await ended_run(world)
        report = await report_of(world)
        assert report.last_run is not None
        assert report.last_run == report.last_ended
        assert report.last_run.state is RunState.COMPLETED
        assert report.last_run.id == str(bound.key.run_id)
        assert report.last_run.scheduled_time == bound.scheduled_time
        assert report.last_run.finished_at is not None
        assert report.last_success == report.last_run.finished_at
        assert report.ledger_seq == 1

    async def test_a_skipped_run_is_the_last_run_but_not_the_last_that_ended(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.plan()
        await world.store(edited(item, suspend=True))
        report = await report_of(world)
        assert report.last_run is not None
        assert (report.last_run.state, report.last_run.reason) == (RunState.SKIPPED, Reason.SCHEDULE_SUSPENDED)
        assert (report.last_ended, report.suspended, report.next_time) == (None, True, None)

    async def test_who_was_reported_longest_ago_comes_first(self, world: World) -> None:
        a, b = declared("a"), declared("b")
        await world.store(a, b)
        await write(world)
        await world.store(edited(a), edited(b))
        await world.sql(
            "UPDATE schedule_state SET reported_at = now() - interval '1 hour' WHERE uid = :uid", uid=b.ref.uid
        )
        await world.sql(
            "UPDATE schedule_state SET reported_at = now() - interval '1 minute' WHERE uid = :uid", uid=a.ref.uid
        )
        (first,) = await world.ledger.reports(world.epoch, limit=1)
        assert first.ref == b.ref

    async def test_tombstones_are_not_reported(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.ledger.reconcile(world.epoch, [], [item.ref])
        assert list(await world.ledger.reports(world.epoch, limit=10)) == []


class TestReleases:
    async def test_not_before_the_status_bears_witness(self, world: World) -> None:
        bound = await ended_run(world)
        assert list(await world.ledger.releases(world.epoch, limit=10)) == []
        await write(world)
        (release,) = await world.ledger.releases(world.epoch, limit=10)
        assert (release.key, release.job_uid, release.job_name) == (bound.key, bound.job_uid, bound.job_name)
        await world.ledger.released(world.epoch, [bound.key])
        assert list(await world.ledger.releases(world.epoch, limit=10)) == []

    async def test_a_report_read_before_the_end_bears_no_witness_of_it(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.plan()
        bound = await world.run_first()
        early = await report_of(world)
        await world.ledger.record([ending(bound)])
        await world.ledger.reported(world.epoch, [(early, True)])
        assert list(await world.ledger.releases(world.epoch, limit=10)) == []

    @pytest.mark.parametrize("how", ["the status could not be written", "a tombstone"])
    async def test_at_once_when_the_object_is_gone(self, world: World, how: str) -> None:
        item = declared()
        bound = await ended_run(world, item)
        if how == "a tombstone":
            await world.ledger.reconcile(world.epoch, [], [item.ref])
        else:
            await write(world, there=False)
        assert [one.key for one in await world.ledger.releases(world.epoch, limit=10)] == [bound.key]

    async def test_a_running_job_is_never_released(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.plan()
        bound = await world.run_first()
        await write(world)
        await world.ledger.released(world.epoch, [bound.key])
        assert list(await world.ledger.releases(world.epoch, limit=10)) == []
        assert (await world.attempt(bound.key)).released_at is None


async def released_runs(world: World, item: Declared, states: list[AttemptState]) -> list[Bound]:
    await world.store(item)
    await world.plan(seconds(2 * len(states) + 1))
    await world.stage()
    await world.make_due()
    bound = sorted((await world.bind()).bound, key=lambda one: one.scheduled_time)[: len(states)]
    for one, state in zip(bound, states, strict=True):
        await world.ledger.record([ending(one, state, Reason.JOB_COMPLETED)])
    await write(world)
    await world.ledger.released(world.epoch, [one.key for one in bound])
    return bound


class TestHistory:
    @pytest.mark.field("successfulJobsHistoryLimit", "failedJobsHistoryLimit", check="semantics")
    async def test_the_oldest_beyond_the_limits_are_surplus(self, world: World) -> None:
        done, failed = AttemptState.COMPLETED, AttemptState.FAILED
        item = declared(expression="@every 2s", keep_successful=2, keep_failed=1)
        bound = await released_runs(world, item, [done, failed, done, failed, done])
        surplus = await world.ledger.surplus(world.epoch, limit=10)
        assert {one.key for one in surplus} == {bound[0].key, bound[1].key}
        await world.ledger.absent([one.key for one in surplus])
        assert list(await world.ledger.surplus(world.epoch, limit=10)) == []

    async def test_expected_are_jobs_that_run_or_stand(self, world: World) -> None:
        item = declared(expression="@every 2s")
        (done,) = await released_runs(world, item, [AttemptState.COMPLETED])
        assert list(await world.ledger.expected_jobs(world.epoch)) == [], "young ones are left out"
        await world.sql(
            "UPDATE attempts SET bound_at = bound_at - interval '1 minute', "
            "released_at = released_at - interval '1 minute'"
        )
        expected = {one.job.key: one.state for one in await world.ledger.expected_jobs(world.epoch)}
        assert expected[done.key] is AttemptState.COMPLETED
        assert set(expected.values()) <= {AttemptState.COMPLETED, AttemptState.BOUND}
        await world.ledger.absent([done.key])
        assert done.key not in {one.job.key for one in await world.ledger.expected_jobs(world.epoch)}


class TestEvents:
    async def test_they_leave_in_order_and_once(self, world: World) -> None:
        await ended_run(world)
        events = list(await world.ledger.outbox(world.epoch, limit=10))
        assert [event.reason for event in events] == [Reason.LAUNCHED, Reason.JOB_COMPLETED]
        assert [event.id for event in events] == sorted(event.id for event in events)
        assert events == list(await world.ledger.outbox(world.epoch, limit=10)), "the same content each time"
        await world.ledger.posted(world.epoch, [events[0].id])
        assert [event.id for event in await world.ledger.outbox(world.epoch, limit=10)] == [events[1].id]

    async def test_a_note_is_no_longer_than_the_api_server_accepts(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.plan()
        (order,) = await world.claim()
        await world.ledger.fail_unstarted(order, Reason.JOB_REJECTED, "ü" * 4000)
        (event,) = await world.ledger.outbox(world.epoch, limit=10)
        assert len(event.note.encode()) <= 1024


class TestPruning:
    async def prunable(self, world: World, item: Declared) -> Bound:
        (bound,) = await released_runs(world, item, [AttemptState.COMPLETED])
        await world.ledger.absent([bound.key])
        await world.sql("DELETE FROM runs WHERE state = 'Pending'")
        return bound

    async def test_a_run_goes_when_it_is_over_absent_and_old(self, world: World) -> None:
        item = declared(expression="@every 2s")
        bound = await self.prunable(world, item)
        assert await world.ledger.prune(world.epoch, older_than=timedelta(hours=1)) == 0
        await world.sql("UPDATE runs SET finished_at = now() - interval '2 hours'")
        assert await world.ledger.prune(world.epoch, older_than=timedelta(hours=1)) == 1
        assert await world.attempts() == []
        state = await world.state_of(item)
        assert state.pruned_through == bound.scheduled_time
        await world.set_cursor(item, item.created_at)
        await world.plan(seconds(9))
        assert all(row.scheduled_time > bound.scheduled_time for row in await world.attempts())

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param("UPDATE attempts SET absent_at = NULL", id="its job may stand"),
            pytest.param("UPDATE attempts SET released_at = NULL", id="it was never released"),
            pytest.param("UPDATE attempts SET state = 'launched'; UPDATE runs SET state = 'Running'", id="it runs"),
            pytest.param(
                "INSERT INTO queue_locks "
                "SELECT cluster, 'default', 'default', 'x', run_id, n, 1, true, now(), now(), now() FROM attempts",
                id="it holds a lock",
            ),
        ],
    )
    async def test_it_stays_while(self, world: World, spoil: str) -> None:
        await self.prunable(world, declared(expression="@every 2s"))
        await world.sql("UPDATE runs SET finished_at = now() - interval '2 hours'")
        for statement in spoil.split("; "):
            await world.sql(statement)
        assert await world.ledger.prune(world.epoch, older_than=timedelta(hours=1)) == 0

    async def test_absent_before_released_counts_too(self, world: World) -> None:
        # the watch may tell that the Job is gone before the release is noted
        bound = await ended_run(world)
        await world.ledger.absent([bound.key])
        await write(world)
        await world.ledger.released(world.epoch, [bound.key])
        await world.sql("UPDATE runs SET finished_at = now() - interval '2 hours' WHERE id = :id", id=bound.key.run_id)
        assert await world.ledger.prune(world.epoch, older_than=timedelta(hours=1)) == 1

    async def test_the_absence_of_a_running_job_is_not_noted(self, world: World) -> None:
        await world.store(declared())
        await world.plan()
        bound = await world.run_first()
        await world.ledger.absent([bound.key])
        assert (await world.attempt(bound.key)).absent_at is None

    async def test_a_missed_tick_needs_no_job_to_be_absent(self, world: World) -> None:
        item = declared(
            expression="@every 1m", created_at=now().replace(microsecond=0) - timedelta(minutes=9, seconds=30)
        )
        await world.store(item)
        await world.set_cursor(item, item.created_at)
        await world.plan(seconds(1))
        await world.sql("UPDATE runs SET finished_at = now() - interval '2 hours' WHERE state = 'Missed'")
        assert await world.ledger.prune(world.epoch, older_than=timedelta(hours=1)) == 8

    async def test_a_tombstone_goes_when_its_last_run_has_gone(self, world: World) -> None:
        item = declared(expression="@every 2s")
        await self.prunable(world, item)
        await world.ledger.reconcile(world.epoch, [], [item.ref])
        await world.sql("UPDATE schedules SET deleted_at = now() - interval '2 hours'")
        await world.ledger.sweep(world.epoch)
        assert await world.value("SELECT count(*) FROM schedules") == 1
        await world.sql("UPDATE runs SET finished_at = now() - interval '2 hours'")
        await world.ledger.prune(world.epoch, older_than=timedelta(hours=1))
        await world.ledger.sweep(world.epoch)
        assert await world.value("SELECT count(*) FROM schedules") == 0
