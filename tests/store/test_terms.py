"""Terms: what a leader whose term is over may still do, which is nothing."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.store.makers import declared, edited, job, key_of, now, seconds, started
from tests.store.world import World
from ticklock.domain.errors import Superseded
from ticklock.ports import LeaseMark
from ticklock.store.ledger import PostgresLedger

ITEM = declared()
KEY = key_of(World.NOBODY, ITEM, now())

# every method that carries an epoch
METHODS: dict[str, Callable[[PostgresLedger, int], Awaitable[object]]] = {
    "reconcile": lambda ledger, epoch: ledger.reconcile(epoch, [edited(ITEM)], []),
    "reconcile of what is gone": lambda ledger, epoch: ledger.reconcile(epoch, [], [ITEM.ref]),
    "reports": lambda ledger, epoch: ledger.reports(epoch, limit=10),
    "schedule_times": lambda ledger, epoch: ledger.schedule_times(epoch),
    "releases": lambda ledger, epoch: ledger.releases(epoch, limit=10),
    "released": lambda ledger, epoch: ledger.released(epoch, [KEY]),
    "surplus": lambda ledger, epoch: ledger.surplus(epoch, limit=10),
    "expected_jobs": lambda ledger, epoch: ledger.expected_jobs(epoch),
    "suspect_locks": lambda ledger, epoch: ledger.suspect_locks(epoch),
    "outbox": lambda ledger, epoch: ledger.outbox(epoch, limit=10),
    "posted": lambda ledger, epoch: ledger.posted(epoch, [1]),
    "prune": lambda ledger, epoch: ledger.prune(epoch, older_than=timedelta(0)),
    "sweep": lambda ledger, epoch: ledger.sweep(epoch),
    "make_partitions": lambda ledger, epoch: ledger.make_partitions(epoch),
    "drop_partitions": lambda ledger, epoch: ledger.drop_partitions(epoch, audit=timedelta(9), job_logs=timedelta(9)),
    "tend_gate": lambda ledger, epoch: ledger.tend_gate(epoch),
    "note_resource_version": lambda ledger, epoch: ledger.note_resource_version(epoch, 1),
    "note_fall": lambda ledger, epoch: ledger.note_fall(epoch, LeaseMark("lease", 1)),
    "begin_to_reconcile": lambda ledger, epoch: ledger.begin_to_reconcile(epoch),
    "reconcile_incarnation": lambda ledger, epoch: ledger.reconcile_incarnation(epoch, [], []),
}


def test_the_table_has_every_method_with_an_epoch() -> None:
    carrying = {
        name
        for name in dir(PostgresLedger)
        if not name.startswith("_") and "epoch" in getattr(PostgresLedger, name).__annotations__
    }
    assert {name.split(" ")[0] for name in METHODS} | {"reported"} == carrying


@pytest.mark.parametrize("method", METHODS)
async def test_an_older_epoch_is_superseded(world: World, method: str) -> None:
    await world.store(ITEM)
    newer = world.replica("newer")
    assert await newer.open_term() == world.epoch + 1
    with pytest.raises(Superseded):
        await METHODS[method](world.ledger, world.epoch)
    await METHODS[method](newer, world.epoch + 1)


@pytest.mark.parametrize("method", METHODS)
async def test_the_same_number_given_to_another_replica_is_superseded(world: World, method: str) -> None:
    # as after a loss of commits: the database counts from an older number again
    with pytest.raises(Superseded):
        await METHODS[method](world.replica("from before the loss"), world.epoch)


async def test_a_report_written_in_an_older_term_is_not_noted(world: World) -> None:
    await world.store(ITEM)
    reports = await world.ledger.reports(world.epoch, limit=10)
    await world.replica().open_term()
    with pytest.raises(Superseded):
        await world.ledger.reported(world.epoch, [(report, True) for report in reports])
    assert (await world.state_of(ITEM)).reported_seq == 0


async def test_a_replica_that_leads_again_begins_a_new_term(world: World) -> None:
    assert await world.ledger.open_term() == world.epoch + 1
    with pytest.raises(Superseded):
        await world.ledger.sweep(world.epoch)


class TestThePulse:
    async def test_it_tells_who_leads(self, world: World) -> None:
        pulse = await world.replica("second").pulse(leading=False)
        assert (pulse.leader, pulse.epoch, pulse.quarantined) == ("first", world.epoch, None)

    async def test_the_holder_renews_and_nobody_else(self, world: World) -> None:
        await world.sql("UPDATE terms SET renewed_at = clock_timestamp() - interval '9 seconds'")
        assert (await world.replica("second").pulse(leading=True)).leaderless_seconds > 8
        assert (await world.ledger.pulse(leading=True)).leaderless_seconds < 5

    async def test_without_any_term_nobody_has_led_for_long(self, fresh_world: World) -> None:
        pulse = await fresh_world.ledger.pulse(leading=False)
        assert (pulse.leader, pulse.epoch) == (None, 0)
        assert pulse.leaderless_seconds > 3600

    async def test_it_counts_what_is_planned_and_due(self, world: World) -> None:
        await world.store(declared("now"), declared("later"))
        await world.plan(seconds(12))
        await world.sql(
            "UPDATE attempts SET due_at = clock_timestamp() - interval '3 seconds' WHERE run_id IN "
            "(SELECT run_id FROM attempts LIMIT 1)"
        )
        pulse = await world.ledger.pulse(leading=False)
        assert (pulse.planned, pulse.due) == (2, 1)
        assert 3 <= pulse.overdue_seconds < 6
        assert pulse.next_due_in is not None
        assert 0 < pulse.next_due_in <= 10

    async def test_dead_replicas_are_swept(self, world: World) -> None:
        other = world.replica("dead")
        await other.pulse(leading=False)
        await world.sql("UPDATE replicas SET heartbeat = now() - interval '2 minutes' WHERE pod = 'dead'")
        await world.ledger.sweep(world.epoch)
        assert [row.pod for row in await world.sql("SELECT pod FROM replicas")] == ["first"]


async def test_a_started_job_is_believed_whoever_leads(world: World) -> None:
    await world.store(ITEM)
    tick = now().replace(microsecond=0)
    assert await world.replica().rebuild_launched(started(job(world.cluster, ITEM, tick)))
