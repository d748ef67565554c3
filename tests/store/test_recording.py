"""Launched and ended: attempt, run, JobLog, audit trail, Events and report agree; repeating changes nothing."""

from dataclasses import replace

import pytest

from tests.store.makers import declared, now, seconds
from tests.store.world import World, ending
from ticklock.domain.model import AttemptState, Declared, JobUid
from ticklock.domain.reasons import Reason
from ticklock.ports import Bound, Ending, Launch


async def bound_run(world: World, item: Declared | None = None) -> Bound:
    item = item or declared()
    await world.store(item)
    await world.plan()
    await world.stage()
    await world.make_due()
    (bound,) = (await world.bind()).bound
    return bound


async def statuses(world: World, bound: Bound) -> list[str]:
    rows = await world.sql("SELECT status FROM run_events WHERE run_id = :id ORDER BY event_id", id=bound.key.run_id)
    return [row.status for row in rows]


ENDS = [
    pytest.param(AttemptState.COMPLETED, Reason.JOB_COMPLETED, ("Completed", ""), "Normal", id="completed"),
    pytest.param(AttemptState.FAILED, Reason.JOB_FAILED, ("Exited", "JobFailed: why"), "Warning", id="failed"),
    pytest.param(AttemptState.STOPPED, Reason.JOB_DELETED, ("Exited", "JobDeleted: why"), "Normal", id="stopped"),
    pytest.param(AttemptState.UNKNOWN, Reason.JOB_VANISHED, ("Exited", "JobVanished: why"), "Warning", id="unknown"),
]


@pytest.mark.parametrize(("state", "reason", "log", "event"), ENDS)
async def test_an_end_is_written_everywhere_once(
    world: World, *, state: AttemptState, reason: Reason, log: tuple[str, str], event: str
) -> None:
    bound = await bound_run(world)
    await world.launch([bound])
    end = ending(bound, state, reason, "" if state is AttemptState.COMPLETED else "why")
    assert await world.ledger.record([end]) == 1
    assert await world.ledger.record([end]) == 0
    row = await world.attempt(bound.key)
    assert (row.state, row.reason, row.record_seq) == (state, reason, 1)
    run = await world.one("SELECT * FROM runs WHERE id = :id", id=bound.key.run_id)
    assert (run.state, run.reason) == (state, reason)
    written = await world.one("SELECT * FROM job_logs WHERE run_id = :id", id=bound.key.run_id)
    assert (written.status, written.remark) == log
    assert await statuses(world, bound) == ["Planned", "Staged", "Bound", "Launched", reason]
    (posted,) = [item for item in await world.ledger.outbox(world.epoch, limit=10) if item.reason is reason]
    assert (posted.type, posted.related_job, posted.related_uid) == (event, bound.job_name, bound.job_uid)


async def test_the_end_of_another_job_is_not_believed(world: World) -> None:
    bound = await bound_run(world)
    stranger = replace(ending(bound), job_uid=JobUid("another"))
    assert await world.ledger.record([stranger]) == 0
    assert (await world.attempt(bound.key)).state == "bound"


async def test_an_attempt_without_a_bound_job_has_no_end(world: World) -> None:
    await world.store(declared())
    await world.plan()
    (order,) = await world.stage()
    end = Ending(order.key, JobUid("x"), AttemptState.COMPLETED, Reason.JOB_COMPLETED, "")
    assert await world.ledger.record([end]) == 0


async def test_of_two_different_ends_the_first_stays(world: World) -> None:
    bound = await bound_run(world)
    assert await world.ledger.record([ending(bound)]) == 1
    assert await world.ledger.record([ending(bound, AttemptState.FAILED, Reason.JOB_FAILED)]) == 0
    assert (await world.attempt(bound.key)).state == "Completed"


async def test_a_launch_marked_after_the_end_changes_nothing(world: World) -> None:
    bound = await bound_run(world)
    await world.ledger.record([ending(bound)])
    await world.launch([bound])
    assert (await world.attempt(bound.key)).state == "Completed"


async def test_a_launch_of_another_job_is_not_believed(world: World) -> None:
    bound = await bound_run(world)
    await world.ledger.mark_launched([Launch(bound.key, JobUid("another"), now())])
    assert (await world.attempt(bound.key)).state == "bound"


async def test_marking_a_launch_twice_tells_it_once(world: World) -> None:
    bound = await bound_run(world)
    await world.launch([bound])
    await world.launch([bound])
    assert (await statuses(world, bound)).count("Launched") == 1


async def test_nothing_at_all_is_fine(world: World) -> None:
    await world.ledger.mark_launched([])
    assert await world.ledger.record([]) == 0
    assert await world.ledger.rows([]) == {}
    assert await world.ledger.store_staged([]) == []
    await world.ledger.absent([])
    await world.ledger.released(world.epoch, [])
    await world.ledger.posted(world.epoch, [])


async def test_a_message_with_a_nul_is_stored(world: World) -> None:
    bound = await bound_run(world)
    assert await world.ledger.record([ending(bound, AttemptState.FAILED, Reason.JOB_FAILED, "a\0b")]) == 1
    assert (await world.attempt(bound.key)).message == "a\N{REPLACEMENT CHARACTER}b"


async def test_many_ends_of_one_schedule_share_a_number_and_a_witness(world: World) -> None:
    item = declared(expression="@every 2s")
    await world.store(item)
    await world.plan(seconds(9))
    await world.stage()
    await world.make_due()
    bound = (await world.bind()).bound
    await world.launch(bound)
    assert await world.ledger.record([ending(one) for one in bound]) == len(bound)
    state = await world.state_of(item)
    assert {row.record_seq for row in await world.attempts(item)} == {1}
    assert (state.ledger_seq, state.last_launched_tick) == (1, max(one.scheduled_time for one in bound))


class TestTheWitness:
    async def test_a_launch_raises_it(self, world: World) -> None:
        item = declared()
        bound = await bound_run(world, item)
        await world.launch([bound])
        assert (await world.state_of(item)).last_launched_tick == bound.scheduled_time

    async def test_an_unknown_end_raises_it_because_it_may_have_run(self, world: World) -> None:
        item = declared()
        bound = await bound_run(world, item)
        end = replace(ending(bound, AttemptState.UNKNOWN, Reason.JOB_VANISHED), started_at=None)
        await world.ledger.record([end])
        assert (await world.state_of(item)).last_launched_tick == bound.scheduled_time

    async def test_a_job_deleted_before_it_started_does_not(self, world: World) -> None:
        item = declared()
        bound = await bound_run(world, item)
        end = replace(ending(bound, AttemptState.STOPPED, Reason.JOB_DELETED), started_at=None, never_let_go=True)
        await world.ledger.record([end])
        assert (await world.state_of(item)).last_launched_tick is None

    async def test_a_job_deleted_before_its_start_time_shows_does_because_it_may_have_pods(self, world: World) -> None:
        item = declared()
        bound = await bound_run(world, item)
        end = replace(ending(bound, AttemptState.STOPPED, Reason.JOB_DELETED), started_at=None)
        await world.ledger.record([end])
        assert (await world.state_of(item)).last_launched_tick == bound.scheduled_time

    async def test_a_trigger_does_not(self, world: World) -> None:
        item = declared(expression="@every 1h", trigger="now")
        await world.store(item)
        await world.run_first()
        assert (await world.state_of(item)).last_launched_tick is None


async def test_rows_say_what_stands_in_the_ledger(world: World) -> None:
    bound = await bound_run(world)
    (view,) = (await world.ledger.rows([bound.key])).values()
    assert (view.key, view.state, view.job_uid, view.staged_uid, view.stage) == (
        bound.key,
        AttemptState.BOUND,
        bound.job_uid,
        bound.job_uid,
        1,
    )
