"""What leaves the store when the database fails: the engine's words, and a pool that works again at once."""

import asyncio
import time

import pytest

from tests.store.makers import declared, seconds
from tests.store.world import World
from tests.support.waiting import eventually_async
from ticklock.domain.errors import Refused, Transient, Unready
from ticklock.store.ledger import PostgresLedger


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        pytest.param("SELECT pg_terminate_backend(pg_backend_pid())", Transient, id="the connection is ended"),
        pytest.param("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)", Transient, id="a statement takes too long"),
        pytest.param("SELECT 1/0", Refused, id="a value that cannot be"),
        pytest.param("INSERT INTO terms (cluster) VALUES (NULL)", Refused, id="a row that cannot be"),
        pytest.param("SELECT * FROM no_such_table", Unready, id="a schema that is too old"),
        pytest.param("SELECT no_such_column FROM terms", Unready, id="a column of a newer schema"),
    ],
)
async def test_errors_are_named_by_what_to_do(world: World, statement: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        await run(world, statement)
    assert "\n" not in str(caught.value)
    await world.store(declared())


async def test_a_replica_that_falls_asleep_in_a_transaction_loses_it_and_may_try_again(world: World) -> None:
    sleeper = world.replica("sleeper")
    with pytest.raises(Transient):
        await sleep(world, sleeper)
    assert await sleeper.plan(horizon=seconds(3), limit=1) == 0


async def run(world: World, statement: str) -> None:
    async with world.db.transaction() as connection:
        for part in statement.split("; "):
            await connection.exec_driver_sql(part)


async def sleep(world: World, sleeper: PostgresLedger) -> None:
    async with sleeper.db.transaction() as connection:
        await connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        pid = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
        await eventually_async(lambda: gone(world, pid), what="PostgreSQL has ended the sleeper's session")
        await connection.exec_driver_sql("SELECT 1")


async def gone(world: World, pid: int) -> bool:
    return not await world.sql("SELECT 1 FROM pg_stat_activity WHERE pid = :pid", pid=pid)


async def test_a_locked_row_does_not_hold_anybody_up_for_long(world: World) -> None:
    item = declared()
    await world.store(item)
    async with world.replica("holder").db.transaction() as connection:
        await connection.exec_driver_sql("SELECT * FROM schedules FOR UPDATE")
        begun = time.monotonic()
        assert await world.plan() == 0
        assert time.monotonic() - begun < 1.5
        with pytest.raises(Transient, match="lock timeout"):
            await world.ledger.obey(item.ref, None)
        assert time.monotonic() - begun < 10


async def test_a_cancelled_step_leaves_nothing_locked(world: World) -> None:
    item = declared()
    await world.store(item)
    other = world.replica("cancelled")
    async with world.replica("holder").db.transaction() as connection:
        await connection.exec_driver_sql("SELECT * FROM schedules FOR UPDATE")
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(other.obey(item.ref, None))
            await eventually_async(lambda: waits(world), what="the step waits for the lock")
            waiting.cancel()
    assert await world.plan() == 1
    assert (await other.pulse(leading=False)).planned >= 1


async def waits(world: World) -> bool:
    return bool(await world.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


async def test_a_database_that_is_not_there_is_transient() -> None:
    nowhere = World("postgresql://nobody:secret@127.0.0.1:1/none")
    try:
        with pytest.raises(Transient) as caught:
            await nowhere.plan()
        assert "secret" not in str(caught.value)
    finally:
        await nowhere.close()
