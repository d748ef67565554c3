"""What a search over all interleavings and rollbacks found to start something twice, or to leave a lie behind.

Each test is one of its counterexamples. A rollback here is real: the database goes on with a copy of an earlier state.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import declared, edited, finished, job, job_of, key_of, seconds, started
from tests.store.past import close, remember
from tests.store.test_quarantine import ending_of_view
from tests.store.world import World, ending, with_job
from tests.support.databases import TestServer
from ticklock.domain.errors import Conflict, Unready
from ticklock.domain.model import AttemptKey, AttemptState, Declared, JobUid
from ticklock.domain.reasons import Reason
from ticklock.engine.janitor import contradict
from ticklock.engine.unstaging import Fate, unstage
from ticklock.ports import Bound, Jobs, JobView, Leftover


class Standing:
    """The API server, with one Job in it: it checks uid and resourceVersion, and holds what is deleted."""

    def __init__(self, view: JobView) -> None:
        self.view: JobView | None = view
        self.deleted = 0

    def becomes(self, **changes: Any) -> None:
        assert self.view is not None
        self.view = replace(self.view, resource_version=self.view.resource_version + "1", **changes)

    async def read(self, namespace: str, name: str) -> JobView | None:
        return self.view

    async def delete(self, given: JobView, *, only_if_unchanged: bool) -> JobView | None:
        assert only_if_unchanged
        assert self.view is not None
        if (self.view.uid, self.view.resource_version) != (given.uid, given.resource_version):
            raise Conflict("it moved on")
        self.deleted += 1
        self.becomes(deleting=True)
        return self.view

    async def release(self, namespace: str, name: str, uid: JobUid) -> bool:
        self.view = None
        return True


async def bound_run(world: World, item: Declared) -> Bound:
    await world.store(item)
    await world.plan()
    return await world.run_first()


async def second_attempt(world: World, key: AttemptKey, state: str, *, first: str = "Failed", **columns: Any) -> None:
    """Give a run a second attempt, as a retry does."""
    await world.sql(
        "UPDATE attempts SET state = :first, record_seq = 1, logged_at = now() WHERE run_id = :id AND n = 1",
        first=first,
        id=key.run_id,
    )
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", :{name}" for name in columns)
    await world.sql(
        "INSERT INTO attempts (run_id, n, cluster, schedule_uid, state, is_tick, scheduled_time, due_at, generation, "  # noqa: S608
        f"logged_at{names}) SELECT run_id, 2, cluster, schedule_uid, :state, is_tick, scheduled_time, due_at, "
        f"generation, now(){values} FROM attempts WHERE run_id = :id AND n = 1",
        state=state,
        id=key.run_id,
        **columns,
    )


def of_attempt(view: JobView, n: int, **changes: Any) -> JobView:
    assert view.key is not None
    uid = JobUid(f"{view.uid}-{n}")
    return replace(view, key=AttemptKey(view.key.run_id, n), uid=uid, name=f"{view.name}-{n}", **changes)


async def state_of(world: World, key: AttemptKey, n: int = 1) -> tuple[str, str | None, str | None]:
    row = await world.attempt(AttemptKey(key.run_id, n))
    return row.state, row.reason, row.job_uid


class TestRule1UnstagingChecksTheVersionItRead:
    async def test_1a_a_late_order_to_take_a_job_away_does_not_hit_one_that_ran(
        self, world: World, server: TestServer
    ) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        past = await remember(world, server)
        bound = await world.run_first()
        view = finished(job_of(bound))
        await world.ledger.record([ending(bound)])
        older = await past.back(world)
        try:
            cluster = Standing(view)
            order = Leftover(view.namespace, view.name, view.uid, bound.key)
            assert await unstage(cast("Jobs", cluster), older.ledger, order) is Fate.LAUNCHED
            assert cluster.deleted == 0
            await reconcile_all(older, [view], [item])
            assert await state_of(older, bound.key) == ("Completed", "JobCompleted", view.uid)
        finally:
            await close(past, older)

    async def test_1b_8_a_skipped_run_is_planned_again_at_a_higher_stage(self, world: World) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        (order,) = await world.claim()
        staged = with_job(order)
        await world.ledger.store_staged([staged])
        held = edited(item, suspend=True)
        (leftover,) = await world.store(held)
        await world.store(edited(held, suspend=False))
        row = await world.attempt(order.key)
        assert (row.state, row.stage > order.stage, row.staged_uid) == ("planned", True, None)
        assert [left.job_uid for left in await world.ledger.store_staged([staged])] == [leftover.job_uid]
        bound = await world.run_first()
        assert bound.job_uid != leftover.job_uid, "the late DELETE names a Job that is not this one"


class TestRule2ASuspendedJobIsNotAdopted:
    @pytest.mark.parametrize("landed", [False, True], ids=["the launch never comes", "the launch lands meanwhile"])
    async def test_that_was_bound_before_the_loss(self, world: World, server: TestServer, *, landed: bool) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        (order,) = await world.stage()
        past = await remember(world, server)
        await world.make_due()
        (bound,) = (await world.bind()).bound
        view = job_of(bound)
        older = await past.back(world)
        try:
            leftovers = await older.ledger.reconcile_incarnation(older.epoch, [view], [item])
            assert [left.job_uid for left in leftovers] == [view.uid]
            row = await older.attempt(order.key)
            assert (row.state, row.staged_uid, row.stage) == ("planned", None, 2)
            with pytest.raises(Unready):
                await older.bind()
            now_stands = [started(view)] if landed else []
            assert await older.ledger.reconcile_incarnation(older.epoch, now_stands, [item]) == []
            expected = ("launched", "Launched", view.uid) if landed else ("planned", None, None)
            assert await state_of(older, order.key) == expected
        finally:
            await close(past, older)


class TestRule3And4TheWitnessBeatsAll:
    async def test_3_a_run_whose_job_was_released_is_not_started_again(self, world: World, server: TestServer) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        past = await remember(world, server)
        bound = await world.run_first()
        await world.ledger.record([ending(bound)])
        told = replace(item, witness=bound.scheduled_time, ledger_seq=1)
        older = await past.back(world)
        try:
            await reconcile_all(older, [], [told])
            assert await state_of(older, bound.key) == ("Unknown", "LedgerLost", None)
            await older.plan()
            await older.make_due()
            assert bound.key not in {order.key for order in await older.claim()}
        finally:
            await close(past, older)

    @pytest.mark.parametrize("n", [1, 2])
    async def test_4_a_late_create_makes_nothing_to_adopt(self, world: World, n: int) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        tick = item.created_at + seconds(10)
        key = key_of(world.cluster, item, tick)
        orphan = job(world.cluster, item, tick)
        if n == 2:
            await second_attempt(world, key, "planned")
            orphan = of_attempt(orphan, 2)
        await lose_incarnation(world)
        assert await reconcile_all(world, [orphan], [replace(item, witness=tick)]) == [orphan.uid]
        assert await state_of(world, key, n) == ("Unknown", "LedgerLost", None)

    async def test_4_one_of_a_second_attempt_that_has_no_row_is_taken_away_too(self, world: World) -> None:
        item = declared(expression="@every 10s")
        bound = await bound_run(world, item)
        await world.ledger.record([ending(bound, AttemptState.FAILED, Reason.JOB_FAILED)])
        orphan = of_attempt(job_of(bound), 2)
        await lose_incarnation(world)
        assert await reconcile_all(world, [orphan], [replace(item, witness=bound.scheduled_time)]) == [orphan.uid]
        assert len(await world.attempts(item)) == len({row.run_id for row in await world.attempts(item)})


VERDICTS: dict[str, Callable[[World, Declared], Awaitable[object]]] = {
    "a deadline that has passed": lambda world, _: world.claim(),
    "a suspension": lambda world, item: world.store(edited(item, suspend=True)),
    "a deletion": lambda world, item: world.ledger.reconcile(world.epoch, [], [item.ref]),
}


@pytest.mark.parametrize("verdict", VERDICTS)
async def test_5_nothing_is_judged_in_quarantine(world: World, verdict: str) -> None:
    item = declared(expression="@every 10s")
    await world.store(item)
    await world.plan()
    await world.make_due(seconds=600)
    before = await world.verdicts(item)
    await lose_incarnation(world)
    with pytest.raises(Unready):
        await VERDICTS[verdict](world, item)
    assert await world.verdicts(item) == before


async def test_6_a_late_job_of_a_run_that_is_unknown_goes(world: World) -> None:
    item = declared(expression="@every 10s")
    tick = item.created_at + seconds(10)
    await world.store(item)
    await world.plan()
    await lose_incarnation(world)
    await reconcile_all(world, [], [replace(item, witness=tick)])
    late = job(world.cluster, item, tick)
    assert late.key is not None
    row = (await world.ledger.rows([late.key]))[late.key]
    assert (row.state, contradict(late, row)) == (AttemptState.UNKNOWN, True)
    cluster = Standing(late)
    leftover = Leftover(late.namespace, late.name, late.uid, late.key)
    assert await unstage(cast("Jobs", cluster), world.ledger, leftover) is Fate.NEVER_STARTED
    assert cluster.view is None
    assert await state_of(world, late.key) == ("Unknown", "LedgerLost", None)


@pytest.mark.parametrize("state", ["planned", "Skipped", "Missed", "Stopped", "Failed", "Unknown", "no row"])
@pytest.mark.parametrize("quarantine", [False, True], ids=["outside quarantine", "in quarantine"])
async def test_7_a_started_job_makes_its_row_say_so(world: World, state: str, *, quarantine: bool) -> None:
    item = declared(expression="@every 10s")
    tick = item.created_at + seconds(10)
    key = key_of(world.cluster, item, tick)
    await world.store(item)
    if state != "no row":
        await world.plan()
        await world.sql("UPDATE attempts SET state = :state WHERE run_id = :id", state=state, id=key.run_id)
    view = started(job(world.cluster, item, tick))
    if quarantine:
        await lose_incarnation(world)
        await reconcile_all(world, [view], [item])
    else:
        assert await world.ledger.rebuild_launched(view)
    assert await state_of(world, key) == ("launched", "Launched", view.uid)
    assert await world.value("SELECT state FROM runs WHERE id = :id", id=key.run_id) == "Running"


@pytest.mark.parametrize("witnessed", [False, True], ids=["above the witness", "at the witness"])
async def test_9_a_skipped_run_at_or_below_the_witness_is_not_planned_again(world: World, *, witnessed: bool) -> None:
    # the witness lies ahead of the clock: it was written by a clock that was put back since
    item = declared(expression="@every 10s")
    tick = item.created_at + seconds(10)
    await world.store(item)
    await world.plan()
    held = edited(item, suspend=True)
    await world.store(held)
    key = key_of(world.cluster, item, tick)
    assert (await state_of(world, key))[:2] == ("Skipped", "ScheduleSuspended")
    await lose_incarnation(world)
    witness = tick if witnessed else None
    await reconcile_all(world, [], [replace(held, witness=witness)])
    await world.store(edited(replace(held, witness=witness), suspend=False))
    assert (await state_of(world, key))[0] == ("Skipped" if witnessed else "planned")


class TestRule10NothingFollowsFromWhatWasOpenAtAQuarantine:
    @pytest.mark.parametrize("row", ["bound", "planned", "no row"])
    @pytest.mark.parametrize("witnessed", [False, True], ids=["above the witness", "at the witness"])
    async def test_a_tick(self, world: World, row: str, *, witnessed: bool) -> None:
        item = declared(expression="@every 10s")
        tick = item.created_at + seconds(10)
        view = started(job(world.cluster, item, tick))
        await world.store(item)
        if row != "no row":
            await world.plan()
        if row == "bound":
            view = started(job_of(await world.run_first()))
        await lose_incarnation(world)
        await reconcile_all(world, [view], [replace(item, witness=tick if witnessed else None)])
        assert view.key is not None
        await reconcile_and_fail(world, view)
        attempt = await world.attempt(view.key)
        assert (attempt.state, attempt.suspect) == ("Failed", witnessed)

    @pytest.mark.parametrize("behind", [False, True], ids=["nothing of it is lost", "its records are lost"])
    async def test_a_trigger(self, world: World, *, behind: bool) -> None:
        item = declared(expression="@every 1h", trigger="a")
        await world.store(item)
        bound = await world.run_first()
        view = started(job_of(bound, run_key="trigger:a"))
        await lose_incarnation(world)
        await reconcile_all(world, [view], [replace(item, last_trigger="a", ledger_seq=9 if behind else 0)])
        assert (await world.attempt(bound.key)).suspect is behind


async def reconcile_and_fail(world: World, view: JobView) -> None:
    end = replace(ending_of_view(view), state=AttemptState.FAILED, reason=Reason.JOB_FAILED)
    assert await world.ledger.record([end]) == 1


class TestRule11AttemptsAreRebuiltInOrder:
    async def test_a_finished_job_that_has_a_later_attempt_is_recorded_before_it(self, world: World) -> None:
        item = declared(expression="@every 10s")
        tick = item.created_at + seconds(10)
        await world.store(item)
        await world.plan()
        first = finished(job(world.cluster, item, tick), AttemptState.FAILED)
        second = started(of_attempt(job(world.cluster, item, tick), 2))
        await lose_incarnation(world)
        await reconcile_all(world, [second, first], [item])
        key = key_of(world.cluster, item, tick)
        assert await state_of(world, key) == ("Failed", "JobFailed", first.uid)
        assert await state_of(world, key, 2) == ("launched", "Launched", second.uid)
        assert await world.value("SELECT state FROM runs WHERE id = :id", id=key.run_id) == "Running"

    async def test_ten_attempts_are_in_the_order_of_their_numbers(self, world: World) -> None:
        item = declared(expression="@every 10s")
        tick = item.created_at + seconds(10)
        await world.store(item)
        plain = job(world.cluster, item, tick)
        jobs = [finished(of_attempt(plain, n), AttemptState.FAILED) for n in range(1, 11)]
        jobs.append(started(of_attempt(plain, 11)))
        await lose_incarnation(world)
        await reconcile_all(world, jobs[::-1], [item])
        rows = await world.attempts(item)
        assert [(row.n, row.state) for row in rows] == [*((n, "Failed") for n in range(1, 11)), (11, "launched")]

    async def test_a_started_attempt_shows_that_the_one_before_it_is_over(self, world: World) -> None:
        item = declared(expression="@every 10s")
        tick = item.created_at + seconds(10)
        await world.store(item)
        await world.plan()
        second = started(of_attempt(job(world.cluster, item, tick), 2))
        await lose_incarnation(world)
        await reconcile_all(world, [second], [item])
        key = key_of(world.cluster, item, tick)
        assert await state_of(world, key) == ("Unknown", "LedgerLost", None)
        assert await state_of(world, key, 2) == ("launched", "Launched", second.uid)

    @pytest.mark.parametrize("quarantine", [False, True], ids=["found by the janitor", "in quarantine"])
    async def test_two_that_run_are_told_and_stop_nobody(self, world: World, *, quarantine: bool) -> None:
        """Anybody who may create Jobs can annotate one like that; it must not keep a whole cluster from launching."""
        item = declared(expression="@every 10s")
        bound = await bound_run(world, item)
        view = job_of(bound)
        second = started(of_attempt(view, 2))
        with capture_logs() as logs:
            if quarantine:
                await lose_incarnation(world)
                await reconcile_all(world, [started(view), second], [item])
            else:
                assert not await world.ledger.rebuild_launched(second)
        assert "two attempts of one run were started" in {line["event"] for line in logs}
        assert await state_of(world, bound.key) == ("launched", "Launched", view.uid)
        await world.plan()


class TestAlsoNeeded:
    async def test_a_staged_uid_is_stored_only_while_planned_and_at_that_stage(self, world: World) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        (order,) = await world.claim()
        await world.store(edited(item, priority=0))
        left = await world.ledger.store_staged([with_job(order)])
        assert [one.job_uid for one in left] == [with_job(order)[1]]
        assert (await world.attempt(order.key)).staged_uid is None
