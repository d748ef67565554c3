"""An edit takes over at the moment in which it is stored; nothing that was due before it is launched because of it."""

from dataclasses import replace

import pytest

from tests.store.makers import TEMPLATE, broken, declared, edited, now, seconds
from tests.store.world import World, wall, with_job
from ticklock.domain.errors import Refused
from ticklock.domain.model import Declared, LaunchPolicy, ObjectRef, Priority, ScheduleUid
from ticklock.domain.reasons import Reason

TEN = "@every 10s"
OTHER = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other"}]}}}}


async def planned(world: World, expression: str = TEN, horizon: float = 12) -> Declared:
    item = declared(expression=expression)
    await world.store(item)
    await world.plan(seconds(horizon))
    return item


class TestInsideTheStagingWindow:
    async def test_the_stage_rises_and_the_staged_job_is_forgotten(self, world: World) -> None:
        item = await planned(world)
        (order,) = await world.stage()
        await world.store(edited(item, job_template=OTHER))
        row = await world.attempt(order.key)
        assert (row.state, row.stage, row.staged_uid, row.generation) == ("planned", order.stage + 1, None, 2)

    async def test_a_job_stored_late_with_the_old_template_is_left_over(self, world: World) -> None:
        item = await planned(world)
        (order,) = await world.claim()
        await world.store(edited(item, job_template=OTHER))
        (left,) = await world.ledger.store_staged([with_job(order)])
        assert (left.key, left.job_uid) == (order.key, with_job(order)[1])
        (again,) = await world.claim()
        assert (again.stage, again.generation) == (order.stage + 1, 2)
        assert again.job_template == OTHER

    async def test_the_old_template_is_never_bound(self, world: World) -> None:
        item = await planned(world)
        await world.stage()
        await world.make_due()
        await world.store(edited(item, job_template=OTHER))
        assert (await world.bind()).candidates == 0

    async def test_a_bound_run_is_not_touched(self, world: World) -> None:
        item = await planned(world)
        await world.stage()
        await world.make_due()
        (bound,) = (await world.bind()).bound
        await world.store(edited(item, suspend=True))
        assert (await world.attempt(bound.key)).state == "bound"

    @pytest.mark.field("launchPolicy", check="semantics")
    async def test_a_job_staged_under_another_launch_policy_is_not_launched(self, world: World) -> None:
        item = await planned(world)
        (order,) = await world.stage()
        await world.store(edited(item, launch_policy=LaunchPolicy.STRICT_POD))
        (again,) = await world.claim()
        assert (again.stage, again.launch_policy) == (order.stage + 1, LaunchPolicy.STRICT_POD)
        (left,) = await world.ledger.store_staged([with_job(order)])
        assert left.job_uid == with_job(order)[1]

    @pytest.mark.field("priority", check="semantics")
    async def test_the_new_priority_counts(self, world: World) -> None:
        item = await planned(world)
        await world.store(edited(item, priority=Priority.HIGH))
        assert [row.priority for row in await world.attempts()] == [Priority.HIGH]


class TestTheTimetable:
    async def test_ticks_it_no_longer_has_are_skipped_and_their_jobs_left_over(self, world: World) -> None:
        item = await planned(world)
        (order,) = await world.stage()
        leftovers = await world.store(edited(item, expression="@every 7s"))
        assert await world.verdicts(item) == [("planned", None), ("Skipped", Reason.SPEC_CHANGED)]
        assert [(left.key, left.job_uid) for left in leftovers] == [(order.key, with_job(order)[1])]

    async def test_ticks_that_both_have_stay(self, world: World) -> None:
        item = await planned(world)
        before = [row.run_id for row in await world.attempts(item)]
        await world.store(edited(item, expression="@every 5s"))
        rows = await world.attempts(item)
        assert set(before) < {row.run_id for row in rows}
        assert {row.state for row in rows} == {"planned"}

    async def test_new_ticks_that_the_old_cursor_has_passed_are_planned(self, world: World) -> None:
        item = await planned(world, horizon=30)
        await world.store(edited(item, expression="@every 3s"))
        ticks = {row.scheduled_time for row in await world.attempts(item) if row.state == "planned"}
        assert ticks >= {item.created_at + seconds(s) for s in (3, 6, 9, 12)}

    async def test_an_edit_there_and_back_opens_the_run_again_at_a_higher_stage(self, world: World) -> None:
        item = await planned(world)
        (order,) = await world.stage()
        there = edited(item, expression="@every 1h")
        await world.store(there)
        assert await world.verdicts(item) == [("Skipped", Reason.SPEC_CHANGED)]
        await world.store(edited(there, expression=TEN))
        (row,) = await world.attempts(item)
        assert (row.run_id, row.state, row.reason) == (order.key.run_id, "planned", None)
        assert row.stage > order.stage
        run = await world.one("SELECT * FROM runs WHERE id = :id", id=row.run_id)
        assert (run.state, run.reason, run.finished_at) == ("Pending", None, None)
        assert await world.sql("SELECT * FROM job_logs") == []
        (left,) = await world.ledger.store_staged([with_job(order)])
        assert left.key == order.key

    async def test_ticks_up_to_the_edit_belong_to_the_old_spec(self, world: World) -> None:
        item = declared(expression="@every 1s", created_at=now().replace(microsecond=0) - seconds(5))
        await world.store(item)
        before = await world.value("SELECT clock_timestamp()")
        await world.store(edited(item, expression="@every 1h"))
        rows = await world.attempts(item)
        assert len(rows) >= 4
        assert all(row.scheduled_time <= wall() for row in rows)
        assert {row.state for row in rows if row.scheduled_time <= before} == {"planned"}


class TestSuspension:
    @pytest.mark.field("suspend", check="semantics")
    async def test_planned_ticks_are_skipped(self, world: World) -> None:
        item = await planned(world)
        (order,) = await world.stage()
        leftovers = await world.store(edited(item, suspend=True))
        assert await world.verdicts(item) == [("Skipped", Reason.SCHEDULE_SUSPENDED)]
        assert [left.key for left in leftovers] == [order.key]
        assert await world.plan(seconds(60)) == 0

    async def test_its_end_launches_nothing_older(self, world: World) -> None:
        item = declared(expression="* * * * * *", suspend=True, created_at=now() - seconds(50))
        await world.store(item)
        await world.set_cursor(item, now() - seconds(50))
        resumed_after = await world.value("SELECT clock_timestamp()")
        await world.store(edited(item, suspend=False))
        await world.plan(seconds(3))
        ticks = [row.scheduled_time for row in await world.attempts(item)]
        assert len(ticks) >= 2
        assert min(ticks) > resumed_after

    async def test_a_short_one_opens_future_ticks_again(self, world: World) -> None:
        item = await planned(world)
        paused = edited(item, suspend=True)
        await world.store(paused)
        await world.store(edited(paused, suspend=False))
        assert await world.verdicts(item) == [("planned", None)]


class TestSpecsThatCannotBeFollowed:
    async def test_planned_runs_are_skipped_and_the_event_names_the_field(self, world: World) -> None:
        item = await planned(world)
        await world.stage()
        assert len(await world.store(broken(item))) == 1
        assert await world.verdicts(item) == [("Skipped", Reason.SPEC_CHANGED)]
        events = await world.ledger.outbox(world.epoch, limit=100)
        notes = [event.note for event in events if event.reason is Reason.INVALID_SCHEDULE]
        assert notes == ["spec.schedule: no such month"]

    async def test_once_mended_it_goes_on_from_there(self, world: World) -> None:
        item = await planned(world)
        bad = broken(item)
        await world.store(bad)
        await world.store(replace(bad, generation=3, rule=item.rule, problem=None))
        await world.plan(seconds(25))
        assert ("planned", None) in await world.verdicts(item)

    async def test_one_that_cannot_be_stored_is_refused_by_name(self, world: World) -> None:
        item = declared("huge", job_template={"spec": {"big": 2**70}})
        with pytest.raises(Refused, match="default/huge cannot be stored"):
            await world.store(item)


class TestWhatObjectsSay:
    async def test_the_same_object_again_changes_nothing(self, world: World) -> None:
        item = await planned(world)
        before = await world.state_of(item)
        assert (await world.ledger.reconcile(world.epoch, [item], []))[0] == 0
        assert await world.state_of(item) == before

    async def test_an_older_version_delivered_late_changes_nothing(self, world: World) -> None:
        item = await planned(world)
        newer = edited(item, job_template=OTHER)
        await world.store(newer)
        assert (await world.ledger.reconcile(world.epoch, [item], []))[0] == 0
        stored = await world.one("SELECT * FROM schedules WHERE uid = :uid", uid=item.ref.uid)
        assert (stored.generation, stored.job_template) == (2, OTHER)

    async def test_its_template_is_kept_as_it_came(self, world: World) -> None:
        await planned(world)
        (order,) = await world.claim()
        assert order.job_template == TEMPLATE

    async def test_known_are_those_that_live(self, world: World) -> None:
        a, b = declared("a"), declared("b")
        await world.store(a, b)
        await world.ledger.reconcile(world.epoch, [], [b.ref])
        assert list(await world.ledger.known_objects()) == [a.ref]


class TestDeletion:
    @pytest.mark.parametrize("how", ["gone", "deleting", "made anew"])
    async def test_planned_runs_stop_and_their_jobs_are_left_over(self, world: World, how: str) -> None:
        item = await planned(world)
        (order,) = await world.stage()
        match how:
            case "gone":
                _, leftovers = await world.ledger.reconcile(world.epoch, [], [item.ref])
            case "deleting":
                leftovers = await world.store(replace(item, deleting=True))
            case _:
                leftovers = await world.store(declared(item.ref.name, expression=TEN))
        assert await world.verdicts(item) == [("Stopped", Reason.SCHEDULE_DELETED)]
        assert [(left.key, left.job_uid) for left in leftovers] == [(order.key, with_job(order)[1])]

    async def test_a_tombstone_says_nothing_more(self, world: World) -> None:
        item = await planned(world)
        await world.ledger.reconcile(world.epoch, [], [item.ref])
        assert (await world.ledger.reconcile(world.epoch, [edited(item)], [item.ref]))[0] == 0

    async def test_an_unknown_object_that_is_gone_is_no_news(self, world: World) -> None:
        ref = ObjectRef("default", "never", ScheduleUid("seen"))
        assert await world.ledger.reconcile(world.epoch, [], [ref]) == (0, [])

    async def test_the_new_object_of_the_same_name_has_runs_of_its_own(self, world: World) -> None:
        old = await planned(world)
        new = declared(old.ref.name, expression=TEN)
        await world.store(new)
        await world.plan()
        assert await world.verdicts(new) == [("planned", None)]
        assert (await world.attempts(new))[0].run_id != (await world.attempts(old))[0].run_id
