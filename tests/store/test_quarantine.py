"""After a loss: what the cluster knows is written down again, and nothing is launched twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import declared, edited, finished, job, key_of, now, seconds, started
from tests.store.world import TTL, World, ending, with_job
from ticklock.domain.errors import Unready
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, Declared, JobUid, tick_key
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, JobView

ITEM = declared()


class TestAClusterThatWasSetBack:
    async def test_a_falling_resource_version_closes_the_gate(self, world: World) -> None:
        assert await world.ledger.note_resource_version(world.epoch, 100)
        assert await world.ledger.note_resource_version(world.epoch, 100)
        assert not await world.ledger.note_resource_version(world.epoch, 99)
        with pytest.raises(Unready, match="set back"):
            await world.plan()
        await reconcile_all(world, [], [])
        assert await world.ledger.note_resource_version(world.epoch, 99)

    async def test_a_spec_of_an_older_generation_is_taken_again(self, world: World) -> None:
        old = declared(expression="@every 1h")
        await world.store(old)
        await world.store(edited(old, suspend=True))
        await world.ledger.note_resource_version(world.epoch, 100)
        await world.ledger.note_resource_version(world.epoch, 1)
        await reconcile_all(world, [], [old])
        await world.store(old)
        stored = await world.one("SELECT * FROM schedules WHERE uid = :uid", uid=old.ref.uid)
        assert (stored.generation, stored.suspend) == (1, False)


@dataclass(frozen=True)
class Loss:
    """What a row says after the loss, what the cluster shows, and what must follow."""

    row: str
    job: str
    state: str
    reason: str | None
    witnessed: bool = False
    taken: bool = False
    stage: int = 1


LOSSES = [
    pytest.param(Loss("planned", "none", "planned", None), id="planned, no Job: still planned"),
    pytest.param(Loss("staged", "none", "planned", None, stage=2), id="staged, its Job gone: planned anew"),
    pytest.param(
        Loss("staged", "suspended", "planned", None, taken=True, stage=2),
        id="staged, its Job suspended: taken away, planned anew at a higher stage",
    ),
    pytest.param(
        Loss("planned", "suspended", "planned", None, taken=True, stage=2),
        id="planned, an unknown suspended Job: the same",
    ),
    pytest.param(Loss("planned", "running", "launched", "Launched"), id="planned, its Job runs: launched"),
    pytest.param(
        Loss("planned", "running", "launched", "Launched", witnessed=True), id="a running Job beats even the witness"
    ),
    pytest.param(Loss("staged", "running", "launched", "Launched"), id="staged, its Job runs: launched"),
    pytest.param(Loss("planned", "ended", "Completed", "JobCompleted"), id="planned, its Job ended: recorded"),
    pytest.param(
        Loss("bound", "ended", "Completed", "JobCompleted", witnessed=True), id="bound, its Job ended: recorded"
    ),
    pytest.param(
        Loss("launched", "ended", "Completed", "JobCompleted", witnessed=True), id="launched, its Job ended: recorded"
    ),
    pytest.param(Loss("launched", "deleted", "Stopped", "JobDeleted"), id="launched, its Job is deleted: stopped"),
    pytest.param(Loss("planned", "none", "Unknown", "LedgerLost", witnessed=True), id="planned, witnessed: unknown"),
    pytest.param(
        Loss("staged", "none", "Unknown", "LedgerLost", stage=2, witnessed=True), id="staged, witnessed: unknown"
    ),
    pytest.param(
        Loss("staged", "suspended", "Unknown", "LedgerLost", taken=True, stage=2, witnessed=True),
        id="staged, witnessed, a late suspended Job: unknown, and the Job is taken away",
    ),
    pytest.param(Loss("bound", "suspended", "bound", "Bound"), id="bound, its Job suspended: to be launched"),
    pytest.param(
        Loss("bound", "suspended", "Unknown", "JobVanished", taken=True, witnessed=True),
        id="bound, witnessed, its Job suspended: unknown, and the Job is taken away",
    ),
    pytest.param(
        Loss("bound", "another suspended", "Unknown", "JobVanished", taken=True),
        id="bound, another Job of its name: unknown, and that Job is taken away",
    ),
    pytest.param(Loss("bound", "none", "Unknown", "JobVanished"), id="bound, no Job: unknown"),
    pytest.param(Loss("bound", "running", "bound", "Bound"), id="bound, its Job runs: the launch is repeated"),
    pytest.param(Loss("launched", "none", "Unknown", "JobVanished"), id="launched, no Job: unknown"),
    pytest.param(Loss("launched", "running", "launched", "Launched"), id="launched, its Job runs: it goes on"),
    pytest.param(Loss("missing", "none", "Unknown", "LedgerLost", witnessed=True), id="no row, witnessed: unknown"),
    pytest.param(Loss("missing", "running", "launched", "Launched"), id="no row, its Job runs: launched"),
    pytest.param(
        Loss("missing", "running", "launched", "Launched", witnessed=True),
        id="no row, witnessed, its Job runs: launched",
    ),
    pytest.param(
        Loss("missing", "ended", "Completed", "JobCompleted", witnessed=True), id="no row, its Job ended: recorded"
    ),
    pytest.param(
        Loss("missing", "suspended", "Unknown", "LedgerLost", taken=True, witnessed=True),
        id="no row, witnessed, a late suspended Job: unknown, and the Job is taken away",
    ),
    pytest.param(
        Loss("missing", "suspended", "planned", None, taken=True),
        id="no row, a suspended Job: taken away, planned by the timetable",
    ),
]


@pytest.mark.parametrize("loss", LOSSES)
async def test_the_rules_of_quarantine(world: World, loss: Loss) -> None:
    item = declared(expression="@every 10s")
    tick = item.created_at + seconds(10)
    uid = await bring_to(world, item, loss.row)
    witness = tick if loss.witnessed else None
    item = replace(item, witness=witness)
    shown = show(job(world.cluster, item, tick, uid=uid), loss.job)
    await lose_incarnation(world)
    taken = await reconcile_all(world, shown, [item])
    if loss.row == "missing" and loss.state == "planned":
        await world.plan()
    row = (await world.attempts(item))[0]
    assert (row.state, row.reason) == (loss.state, loss.reason)
    assert row.stage == loss.stage
    assert taken == [view.uid for view in shown] * loss.taken
    assert row.staged_uid is None or row.state != "planned"
    run = await world.one("SELECT * FROM runs WHERE id = :id", id=row.run_id)
    assert run.state == AttemptState(row.state).as_run_state
    if row.state not in {"planned", "Stopped"}:
        state = await world.state_of(item)
        assert row.state == "bound" or state.last_launched_tick >= tick
        assert row.record_seq is None or row.record_seq <= state.ledger_seq
    await world.plan()
    assert [one.run_id for one in await world.attempts(item)].count(row.run_id) == 1


async def bring_to(world: World, item: Declared, row: str) -> JobUid:
    """Bring the first tick of an object to a state by the ledger's own steps."""
    await world.store(item)
    if row == "missing":
        return JobUid("made before the loss")
    await world.plan()
    if row == "planned":
        return JobUid("not stored")
    (order,) = await world.stage()
    if row != "staged":
        await world.make_due()
        (bound,) = (await world.bind()).bound
        if row == "launched":
            await world.launch([bound])
    return with_job(order)[1]


def show(view: JobView, kind: str) -> list[JobView]:
    views: dict[str, Callable[[], list[JobView]]] = {
        "none": list,
        "suspended": lambda: [view],
        "another suspended": lambda: [replace(view, uid=JobUid("made by a late create"))],
        "running": lambda: [started(view)],
        "ended": lambda: [finished(view)],
        "deleted": lambda: [replace(started(view), deleting=True)],
    }
    return views[kind]()


class TestTriggers:
    async def test_a_planned_one_of_an_object_whose_records_are_lost_is_unknown(self, world: World) -> None:
        item = declared(expression="@every 1h", trigger="a")
        await world.store(item)
        await lose_incarnation(world)
        await reconcile_all(world, [], [replace(item, last_trigger="a", ledger_seq=7)])
        assert await world.verdicts(item) == [("Unknown", Reason.LEDGER_LOST)]

    async def test_a_planned_one_whose_number_is_not_behind_still_runs(self, world: World) -> None:
        item = declared(expression="@every 1h", trigger="a")
        await world.store(item)
        await lose_incarnation(world)
        await reconcile_all(world, [], [replace(item, last_trigger="a")])
        assert await world.verdicts(item) == [("planned", None)]

    async def test_one_without_a_row_becomes_an_unknown_row_and_is_not_run_again(self, world: World) -> None:
        item = declared(expression="@every 1h")
        await world.store(item)
        told = replace(item, trigger="a", last_trigger="a", ledger_seq=7)
        await lose_incarnation(world)
        await reconcile_all(world, [], [told])
        await world.store(told)
        assert await world.verdicts(item) == [("Unknown", Reason.LEDGER_LOST)]


class TestNumbers:
    async def test_what_is_recorded_again_waits_for_a_new_witness(self, world: World) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await lose_incarnation(world)
        told = replace(item, ledger_seq=40)
        view = finished(job(world.cluster, item, item.created_at + seconds(10)))
        await reconcile_all(world, [view], [told])
        state = await world.state_of(item)
        assert (await world.attempts(item))[0].record_seq == state.ledger_seq > 40
        assert list(await world.ledger.releases(world.epoch, limit=10)) == []

    async def test_every_status_is_written_again(self, world: World) -> None:
        await world.store(ITEM)
        reports = await world.ledger.reports(world.epoch, limit=10)
        await world.ledger.reported(world.epoch, [(report, True) for report in reports])
        await lose_incarnation(world)
        await reconcile_all(world, [], [ITEM])
        await world.sql("UPDATE schedule_state SET reported_at = now() - interval '1 minute'")
        assert len(await world.ledger.reports(world.epoch, limit=10)) == 1

    async def test_many_lost_ticks_are_one_row_with_their_range(self, world: World) -> None:
        item = declared(expression="@every 1s", created_at=now().replace(microsecond=0) - seconds(3600))
        await world.store(item)
        await world.set_cursor(item, item.created_at)
        await lose_incarnation(world)
        await reconcile_all(world, [], [replace(item, witness=now().replace(microsecond=0))])
        rows = [row for row in await world.attempts(item) if row.state == "Unknown"]
        assert len(rows) == 1
        assert "all ticks from" in rows[0].message


class TestAFreshDatabase:
    """As after a restore from nothing: Jobs and objects are there, rows are not."""

    async def fresh(self, world: World) -> World:
        await world.ledger.pulse(leading=True)
        world.epoch = await world.ledger.open_term()
        return world

    async def test_running_jobs_are_launched_runs_and_objects_go_on_after_their_witness(
        self, fresh_world: World
    ) -> None:
        world = await self.fresh(fresh_world)
        tick = now().replace(microsecond=0) - seconds(60)
        item = declared(expression="* * * * * *", created_at=tick - timedelta(days=1), witness=tick)
        views = [started(job(world.cluster, item, tick))]
        assert await reconcile_all(world, views, [item]) == []
        before = now()
        await world.plan()
        rows = await world.attempts(item)
        assert (rows[0].state, rows[0].scheduled_time) == ("launched", tick)
        assert all(row.scheduled_time >= before - seconds(1) for row in rows[1:])
        await world.ledger.record([ending_of_view(views[0])])
        assert (await world.attempts(item))[0].state == "Completed"

    async def test_a_running_job_without_its_object_gets_a_tombstone(self, fresh_world: World) -> None:
        world = await self.fresh(fresh_world)
        item = declared()
        await reconcile_all(world, [started(job(world.cluster, item, now().replace(microsecond=0)))], [])
        assert list(await world.ledger.known_objects()) == []
        assert await world.verdicts(item) == [("launched", Reason.LAUNCHED)]

    async def test_an_object_that_turns_up_after_its_job_is_followed(self, fresh_world: World) -> None:
        world = await self.fresh(fresh_world)
        item = declared(expression="@every 5s")
        await reconcile_all(world, [started(job(world.cluster, item, now().replace(microsecond=0)))], [])
        await world.store(item)
        assert list(await world.ledger.known_objects()) == [item.ref]
        await world.plan()
        assert ("planned", None) in await world.verdicts(item)


def ending_of_view(view: JobView) -> Ending:
    assert view.key is not None
    return Ending(view.key, view.uid, AttemptState.COMPLETED, Reason.JOB_COMPLETED, "", view.started_at, now())


class TestBelief:
    """A Job says itself whose run it is; anybody who may create Jobs can write such annotations."""

    @pytest.mark.parametrize(
        "lie",
        [
            pytest.param({"run_key": "tick:1"}, id="a run key that does not fit the run id"),
            pytest.param({"owner_uid": "somebody else"}, id="an owner that does not fit the run id"),
            pytest.param({"owner_uid": None}, id="no owner"),
            pytest.param({"scheduled_time": now() + timedelta(days=900)}, id="a time that does not fit the run key"),
            pytest.param({"namespace": "of-the-attacker"}, id="another namespace"),
            pytest.param({"key": None}, id="no run id"),
        ],
    )
    async def test_what_does_not_fit_together_writes_nothing(self, world: World, lie: dict[str, Any]) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        before = await world.attempts()
        tick = item.created_at + seconds(10)
        view = started(job(world.cluster, item, tick))
        changed = replace(view, **lie)
        assert not await world.ledger.rebuild_launched(changed)
        assert await world.attempts() == before
        assert await world.ledger.rebuild_launched(view)
        assert (await world.attempts())[0].state == "launched"

    async def test_a_second_started_job_of_an_attempt_does_not_replace_the_first(self, world: World) -> None:
        await world.store(ITEM)
        await world.plan()
        bound = await world.run_first()
        view = job(
            world.cluster, ITEM, bound.scheduled_time, uid=JobUid("second"), run_key=tick_key(bound.scheduled_time)
        )
        assert not await world.ledger.rebuild_launched(started(view))
        assert (await world.attempt(bound.key)).job_uid == bound.job_uid

    async def test_an_attempt_given_up_as_unknown_is_launched_again_in_its_row_when_its_job_is_found(
        self, world: World
    ) -> None:
        await world.store(ITEM)
        await world.plan()
        bound = await world.run_first()
        await world.ledger.record([ending(bound, AttemptState.UNKNOWN, Reason.JOB_VANISHED)])
        view = started(job(world.cluster, ITEM, bound.scheduled_time, uid=bound.job_uid, name=bound.job_name))
        assert await world.ledger.rebuild_launched(view)
        assert await world.ledger.record([ending(bound)]) == 1
        assert (await world.attempt(bound.key)).state == "Completed"


async def test_a_lock_lost_with_the_commits_is_not_missed_under_forbid(world: World) -> None:
    item = declared(expression="@every 4s", concurrency=ConcurrencyPolicy.FORBID)
    await world.store(item)
    tick = item.created_at + seconds(4)
    await lose_incarnation(world)
    await reconcile_all(world, [started(job(world.cluster, item, tick))], [item])
    await world.plan()
    await world.make_due()
    claim = await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    assert list(claim.orders) == []
    assert {blocker.key for blocker in claim.blockers} == {key_of(world.cluster, item, tick)}


async def test_a_run_rebuilt_from_its_job_holds_the_lock_until_its_pods_are_gone(world: World) -> None:
    """The Job was deleted just before: its end is recorded in the same breath, its pods may live on."""
    item = declared(expression="@every 4s", concurrency=ConcurrencyPolicy.REPLACE)
    await world.store(item)
    tick = item.created_at + seconds(4)
    await lose_incarnation(world)
    deleted = replace(started(job(world.cluster, item, tick)), deleting=True)
    await reconcile_all(world, [deleted], [item])
    assert (await world.verdicts())[0] == ("Stopped", "JobDeleted")
    await world.plan()
    await world.make_due()
    claim = await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)
    assert list(claim.orders) == []
    assert {blocker.key for blocker in claim.blockers} == {key_of(world.cluster, item, tick)}
    await world.ledger.free_lock(key_of(world.cluster, item, tick))
    await world.make_due()
    assert len((await world.ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10)).orders) == 1
