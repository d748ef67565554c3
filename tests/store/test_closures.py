"""The book of when the gate was closed: one row, one Event and one line of the audit trail at each end."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import declared, finished, job, job_of, key_of, seconds, started
from tests.store.world import World, wall
from ticklock.domain.errors import Refused, Unready
from ticklock.domain.reasons import Reason
from ticklock.ports import Opened, Person
from ticklock.store import gate
from ticklock.store.terms import NEW_LEDGER

RESTARTED = "the database has restarted or was replaced"
SOMEBODY = Person("ada@example", "compared by hand")


async def book(world: World) -> list[tuple[str, str, str | None]]:
    """Return (reason, cause, what opened it) of each closure, the first of the fresh database left out."""
    rows = await world.sql("SELECT * FROM closures WHERE cause <> :new ORDER BY id", new=NEW_LEDGER)
    return [(row.reason, row.cause, row.opened_how) for row in rows]


async def events(world: World) -> list[tuple[str, Reason, str]]:
    """Return (type, reason, note) of the Events about the installation that wait."""
    queued = [item for item in await world.ledger.outbox(world.epoch, limit=100) if item.ref is None]
    return [(item.type, item.reason, item.note) for item in queued]


async def audit(world: World) -> list[str]:
    rows = await world.sql("SELECT status FROM run_events WHERE run_id IS NULL ORDER BY event_id")
    return [row.status for row in rows][2:]


async def doubt_clock(world: World, step: float = 3600.0) -> None:
    """Let this replica's clock have stepped against the database's, and its heartbeat say so."""
    fixed = world.db.monotonic()
    world.db.monotonic = lambda: fixed - step
    await world.ledger.pulse(leading=True)


class TestOneQuarantine:
    async def test_of_a_fresh_database_is_told_without_alarm(self, fresh_world: World) -> None:
        world = fresh_world
        await world.ledger.pulse(leading=True)
        world.epoch = await world.ledger.open_term()
        await reconcile_all(world, [], [])
        rows = await world.sql("SELECT * FROM closures")
        assert [(row.reason, row.cause, row.opened_how) for row in rows] == [("Quarantine", NEW_LEDGER, "Reconciled")]
        queued = [item for item in await world.ledger.outbox(world.epoch, limit=100) if item.ref is None]
        assert [item.type for item in queued] == ["Normal", "Normal"]

    async def test_is_one_row_however_often_it_is_seen(self, world: World) -> None:
        await lose_incarnation(world)
        for _ in range(3):
            await world.ledger.tend_gate(world.epoch)
        assert await book(world) == [("Quarantine", RESTARTED, None)]
        assert await events(world) == [("Warning", Reason.QUARANTINE, f"nothing is launched: {RESTARTED}")]
        await reconcile_all(world, [], [])
        await world.ledger.tend_gate(world.epoch)
        assert await book(world) == [("Quarantine", RESTARTED, "Reconciled")]
        opened = (await events(world))[1]
        assert opened[:2] == ("Normal", Reason.RECONCILED)
        assert opened[2].startswith("launches go on after ")
        assert await audit(world) == ["Quarantine", "Reconciled"]

    async def test_is_noted_also_where_it_is_over_before_anybody_looks(self, world: World) -> None:
        await lose_incarnation(world)
        await reconcile_all(world, [], [])
        await world.ledger.tend_gate(world.epoch)
        assert await book(world) == [("Quarantine", RESTARTED, "Reconciled")]
        assert len(await events(world)) == 2

    async def test_of_a_cluster_that_was_set_back_says_so(self, world: World) -> None:
        await world.ledger.note_resource_version(world.epoch, 100)
        await world.ledger.note_resource_version(world.epoch, 1)
        await world.ledger.tend_gate(world.epoch)
        assert await book(world) == [("Quarantine", "the API server was set back", None)]

    async def test_a_second_one_is_a_second_row(self, world: World) -> None:
        for _ in range(2):
            await lose_incarnation(world)
            await reconcile_all(world, [], [])
        assert len(await book(world)) == 2
        assert len(await events(world)) == 4

    async def test_keeps_which_incarnation_it_began_in(self, world: World) -> None:
        await lose_incarnation(world)
        await world.ledger.tend_gate(world.epoch)
        row = await world.one(
            "SELECT c.incarnation, x.incarnation AS closed FROM clusters c, closures x WHERE x.opened_at IS NULL"
        )
        assert row.incarnation == "of another life"
        assert row.closed.count("/") == 3


class TestWhatWasSettled:
    async def test_is_counted_by_outcome_and_handed_on_once(self, world: World) -> None:
        item = declared(expression="@every 10s")
        tick = item.created_at + seconds(10)
        await world.store(item)
        await world.plan(seconds(65))
        bound = [await world.run_first() for _ in range(2)]
        ran, over, lost, suspended = (tick + seconds(10 * number) for number in range(2, 6))
        jobs = [
            started(job(world.cluster, item, ran)),
            finished(job(world.cluster, item, over)),
            job(world.cluster, item, suspended),
            *(finished(job_of(one)) for one in bound),
        ]
        await world.sql(
            "UPDATE attempts SET state = 'bound', job_uid = 'gone', staged_uid = 'gone', logged_at = now() "
            "WHERE run_id = :id",
            id=key_of(world.cluster, item, lost).run_id,
        )
        await lose_incarnation(world)
        await reconcile_all(world, jobs, [item])
        opened = await world.ledger.tend_gate(world.epoch)
        settled = {"launched": 1, "recorded": 3, "planned": 1, "unknown": 1}
        assert opened[-1] == Opened(Reason.QUARANTINE, Reason.RECONCILED, settled)
        assert await world.ledger.tend_gate(world.epoch) == []
        assert "launched 1, planned 1, recorded 3, unknown 1" in (await events(world))[1][2]

    async def test_how_many_jobs_are_still_to_be_taken_away_is_noted(self, world: World) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await lose_incarnation(world)
        view = job(world.cluster, item, item.created_at + seconds(10))
        assert len(await world.ledger.reconcile_incarnation(world.epoch, [view], [item])) == 1
        (status,) = await gate.look(world.db)
        assert [closure.unstaging for closure in status.closures if closure.opened_at is None] == [1]


class TestTheClock:
    async def test_is_one_closure_for_all_who_do_not_believe_it(self, world: World) -> None:
        other = world.replica("second")
        for ledger in (world.ledger, other):
            fixed = ledger.db.monotonic()
            ledger.db.monotonic = lambda fixed=fixed: fixed  # type: ignore[misc]
            await ledger.pulse(leading=False)
            ledger.db.monotonic = lambda fixed=fixed: fixed - 3600  # type: ignore[misc]
            await ledger.pulse(leading=False)
        for _ in range(2):
            await world.ledger.tend_gate(world.epoch)
        ((reason, cause, opened),) = await book(world)
        assert (reason, opened) == ("ClockStep", None)
        assert cause.startswith("the database's clock stepped by 3600.")
        assert cause.endswith("seen by first, second")
        assert [event[:2] for event in await events(world)] == [("Warning", Reason.CLOCK_STEP)]

    async def test_is_over_when_nobody_doubts_it_any_more(self, world: World) -> None:
        await doubt_clock(world)
        await world.ledger.tend_gate(world.epoch)
        world.db.watch = world.db.watch.released()
        await world.ledger.pulse(leading=True)
        await world.ledger.tend_gate(world.epoch)
        assert [row[2] for row in await book(world)] == ["ClockSettled"]
        assert [event[:2] for event in await events(world)][1] == ("Normal", Reason.CLOCK_SETTLED)

    async def test_is_not_over_for_a_leader_that_doubts_it_whose_heartbeat_lies_ahead(self, world: World) -> None:
        await doubt_clock(world)
        await world.ledger.tend_gate(world.epoch)
        await world.sql("UPDATE replicas SET heartbeat = heartbeat + interval '1 hour'")  # as when it is put back
        await world.ledger.tend_gate(world.epoch)
        assert await world.value("SELECT count(*) FROM closures WHERE opened_at IS NULL") == 1

    async def test_the_doubt_of_a_replica_that_died_does_not_last(self, world: World) -> None:
        other = world.replica("second")
        fixed = other.db.monotonic()
        for monotonic in (fixed, fixed - 3600):
            other.db.monotonic = lambda monotonic=monotonic: monotonic  # type: ignore[misc]
            await other.pulse(leading=False)
        await world.ledger.tend_gate(world.epoch)
        await world.sql("UPDATE replicas SET heartbeat = heartbeat - interval '11 seconds'")
        await world.ledger.tend_gate(world.epoch)
        assert [row[2] for row in await book(world)] == ["ClockSettled"]

    async def test_what_was_to_end_soon_by_a_clock_that_was_put_back_ends_soon(self, world: World) -> None:
        await world.store(declared())
        await world.plan()
        await world.claim()
        for statement in (
            "UPDATE attempts SET not_before = now() + interval '1 hour', claimed_until = now() + interval '1 hour'",
            "UPDATE schedule_state SET reported_at = now() + interval '1 hour'",
        ):
            await world.sql(statement)
        await doubt_clock(world, -3600)
        await world.ledger.tend_gate(world.epoch)
        world.db.watch = world.db.watch.released()
        await world.ledger.pulse(leading=True)
        await world.ledger.tend_gate(world.epoch)
        assert len(await world.claim()) > 0
        await world.sql("UPDATE schedule_state SET reported_at = reported_at - interval '2 seconds'")
        assert len(await world.ledger.reports(world.epoch, limit=10)) == 1


class TestTheStatuses:
    async def reported(self, world: World) -> None:
        reports = await world.ledger.reports(world.epoch, limit=10)
        await world.ledger.reported(world.epoch, [(report, True) for report in reports])
        await world.sql("UPDATE schedule_state SET reported_at = now() - interval '1 minute'")

    async def test_say_nothing_of_a_closure_that_is_over_in_seconds(self, world: World) -> None:
        await world.store(declared())
        await self.reported(world)
        await lose_incarnation(world)
        await world.ledger.tend_gate(world.epoch)
        assert list(await world.ledger.reports(world.epoch, limit=10)) == []

    async def test_say_so_when_it_lasts_and_when_it_is_over(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await self.reported(world)
        await lose_incarnation(world)
        await world.ledger.tend_gate(world.epoch)
        await world.sql("UPDATE closures SET closed_at = closed_at - interval '11 seconds'")
        await world.ledger.tend_gate(world.epoch)
        (report,) = await world.ledger.reports(world.epoch, limit=10)
        assert report.closed_reason is Reason.QUARANTINE
        assert report.closed_message.startswith("nothing is launched since ")
        assert report.closed_message.endswith(RESTARTED)
        await self.reported(world)
        await world.ledger.tend_gate(world.epoch)
        assert list(await world.ledger.reports(world.epoch, limit=10)) == []
        await reconcile_all(world, [], [item])
        (report,) = await world.ledger.reports(world.epoch, limit=10)
        assert report.closed_reason is None

    async def test_are_written_at_once_also_by_a_clock_that_was_put_back(self, world: World) -> None:
        await world.store(declared())
        await self.reported(world)
        await doubt_clock(world, -3600)
        await world.sql("UPDATE schedule_state SET reported_at = now() + interval '1 hour'")
        await world.ledger.tend_gate(world.epoch)
        await world.sql("UPDATE closures SET closed_at = closed_at - interval '11 seconds'")
        await world.ledger.tend_gate(world.epoch)
        (report,) = await world.ledger.reports(world.epoch, limit=10)
        assert report.closed_reason is Reason.CLOCK_STEP


CLOSED: dict[str, tuple[Callable[[World], Awaitable[None]], Reason]] = {
    "quarantine": (lose_incarnation, Reason.QUARANTINE),
    "clock": (doubt_clock, Reason.CLOCK_STEP),
}


class TestAPerson:
    @pytest.mark.parametrize("case", CLOSED)
    @pytest.mark.parametrize("noted", [True, False], ids=["the leader has seen it", "nobody leads"])
    async def test_opens_the_gate_and_answers_for_it(self, world: World, case: str, *, noted: bool) -> None:
        closing, reason = CLOSED[case]
        await world.store(declared())
        await closing(world)
        if noted:
            await world.ledger.tend_gate(world.epoch)
        with pytest.raises(Unready):
            await world.plan()
        assert await gate.release(world.db, SOMEBODY) == [reason]
        await world.ledger.pulse(leading=True)
        assert await world.plan() == 1
        await world.ledger.tend_gate(world.epoch)
        row = await world.one("SELECT * FROM closures WHERE cause <> :new", new=NEW_LEDGER)
        assert (row.reason, row.opened_how, row.opened_by) == (reason.value, "Released", "ada@example")
        assert row.responsibility == "compared by hand"
        line = await world.one("SELECT * FROM run_events WHERE run_id IS NULL AND status = 'Released'")
        assert "ada@example: compared by hand" in line.message
        assert [event[:2] for event in await events(world)] == [("Warning", reason), ("Warning", Reason.RELEASED)]

    async def test_has_nothing_to_open_where_the_gate_is_open(self, world: World) -> None:
        assert await gate.release(world.db, SOMEBODY) == []
        assert await book(world) == []

    async def test_is_told_where_there_is_no_such_cluster(self, fresh_world: World) -> None:
        with pytest.raises(Refused, match="knows no cluster"):
            await gate.release(fresh_world.db, SOMEBODY)

    async def test_ends_the_doubt_of_every_replica(self, world: World) -> None:
        other = world.replica("second", monotonic=lambda: 0.0)
        await other.pulse(leading=False)
        other.db.monotonic = lambda: -3600.0
        await doubt_clock(world)
        await other.pulse(leading=False)
        await gate.release(world.db, SOMEBODY)
        for ledger in (world.ledger, other):
            await ledger.pulse(leading=False)
            assert ledger.db.doubt is None
        await world.ledger.tend_gate(world.epoch)
        assert len(await book(world)) == 1

    async def test_vouches_for_the_past_only(self, world: World) -> None:
        await doubt_clock(world)
        await gate.release(world.db, SOMEBODY)
        await world.ledger.pulse(leading=True)
        await doubt_clock(world, 7200)
        with pytest.raises(Unready, match="ClockStep"):
            await world.plan()

    async def test_of_one_cluster_opens_that_of_no_other(self, world: World) -> None:
        other = World(world.url)
        try:
            await other.open()
            await lose_incarnation(world)
            await lose_incarnation(other)
            await gate.release(world.db, SOMEBODY)
            await world.plan()
            with pytest.raises(Unready):
                await other.plan()
        finally:
            await other.close()

    async def test_who_releases_a_set_back_cluster_has_all_specs_read_again(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.ledger.note_resource_version(world.epoch, 100)
        await world.ledger.note_resource_version(world.epoch, 1)
        await gate.release(world.db, SOMEBODY)
        assert await world.value("SELECT generation FROM schedules WHERE uid = :uid", uid=item.ref.uid) == 0
        assert await world.ledger.note_resource_version(world.epoch, 1)


async def test_a_closure_is_kept_as_long_as_the_audit_trail(world: World) -> None:
    await lose_incarnation(world)
    await reconcile_all(world, [], [])
    await world.sql(
        "UPDATE closures SET opened_at = opened_at - interval '31 days' WHERE cause = :cause", cause=RESTARTED
    )
    await world.ledger.drop_partitions(world.epoch, audit=timedelta(days=32), job_logs=timedelta(days=1))
    assert len(await book(world)) == 1
    await world.ledger.drop_partitions(world.epoch, audit=timedelta(days=30), job_logs=timedelta(days=99))
    assert await book(world) == []


async def test_the_status_of_an_open_gate(world: World) -> None:
    await world.store(declared())
    await world.plan()
    await world.ledger.pulse(leading=True)
    (status,) = await gate.look(world.db)
    assert status.causes == {}
    assert status.incarnation == status.reconciled
    assert (status.planned > 0, status.due, status.leader) == (True, 0, "first")
    assert abs(status.now - wall()) < seconds(60)
    assert status.leaderless_seconds is not None
    assert status.leaderless_seconds < 20
