"""Connections: what each is set to, and what happens when one is missing, silent, or held for ever."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import TextClause, text

from tests.store.makers import declared
from tests.store.world import World
from tests.support.blackhole import link_to
from tests.support.databases import apply_migrations
from tests.support.waiting import eventually_async
from ticklock.domain.errors import Transient
from ticklock.domain.model import ObjectRef
from ticklock.store import migrate as migration
from ticklock.store.connections import connect_once
from ticklock.store.notify import NotifyWakeups
from tools.devcluster.postgres import Postgres

# ------------------------------------------------------------------------------------------------ what each is set to


@asynccontextmanager
async def of_the_pool(url: str) -> AsyncIterator[None]:
    world = World(url)
    async with world.db.transaction():
        yield
    await world.close()


@asynccontextmanager
async def that_listens(url: str) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(NotifyWakeups(url).run())
        await eventually_async(lambda: connected(url), what="it is connected")
        yield
        listening.cancel()


async def connected(url: str) -> bool:
    return bool(sockets_to(port_of(url)))


@asynccontextmanager
async def of_commands_and_checks(url: str) -> AsyncIterator[None]:
    with connect_once(url).connect():
        yield


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def sockets_to(port: int) -> list[dict[str, int]]:
    """The options of every socket of this process that is connected to that port."""
    return [options for fd in Path("/proc/self/fd").iterdir() if (options := _options(fd, port))]


def _options(fd: Path, port: int) -> dict[str, int] | None:
    with suppress(OSError):
        if not str(fd.readlink()).startswith("socket:"):
            return None
        with socket.socket(fileno=os.dup(int(fd.name))) as copy:
            if copy.getpeername()[1:2] != (port,):
                return None
            return {
                "keepalive": copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                "idle": copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                "interval": copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                "count": copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                "user timeout": copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            }
    return None


KINDS = [
    pytest.param(of_the_pool, id="of the pool"),
    pytest.param(that_listens, id="that listens for hints"),
    pytest.param(of_commands_and_checks, id="of commands and checks"),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_silent_peer_is_noticed_within_seconds_on_a_connection(
    database: str, kind: Callable[[str], AbstractAsyncContextManager[None]]
) -> None:
    async with kind(database):
        found = sockets_to(port_of(database))
    assert found
    for options in found:
        assert options["keepalive"] == 1
        assert options["idle"] + options["interval"] * options["count"] <= 15
        assert 0 < options["user timeout"] <= 15_000


LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


async def test_every_transaction_has_its_limits(world: World) -> None:
    async with world.db.transaction() as connection:
        settings = [(await connection.exec_driver_sql(f"SHOW {name}")).scalar_one() for name in LIMITS]
    async with world.db.decision() as (connection, _):
        deciding = [(await connection.exec_driver_sql(f"SHOW {name}")).scalar_one() for name in LIMITS]
    assert settings == deciding == ["10s", "2s", "3s"]


@pytest.mark.parametrize("statement", [migration._WAIT, migration._CHANGE, migration._LOOK])
def test_migrations_and_checks_have_limits_too(database: str, statement: TextClause) -> None:
    with connect_once(database).begin() as connection:
        connection.execute(statement)
        assert "0" not in [connection.execute(text(f"SHOW {name}")).scalar_one() for name in LIMITS]


def test_a_migration_that_must_wait_for_a_table_gives_up_and_tries_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a table makes everybody else wait behind it."""
    naps: list[float] = []
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")

        def nap(seconds: float) -> None:
            naps.append(seconds)
            holder.rollback()

        monkeypatch.setattr("ticklock.store.migrate.time.sleep", nap)
        monkeypatch.setattr(migration, "_CHANGE", text(migration._limits(lock="50ms", statement="1min", idle="1min")))
        assert migration.migrate(database).after is not None
    assert len(naps) == 1


# ------------------------------------------------------------------------------------------------ what may be missing


async def test_an_exhausted_pool_is_a_failure_that_passes(world: World) -> None:
    small = world.replica("small", pool_size=1)
    small.db.engine.sync_engine.pool._timeout = 0.2  # type: ignore[attr-defined]  # of QueuePool
    async with small.db.transaction():
        with pytest.raises(Transient):
            await small.pulse(leading=False)
    assert (await small.pulse(leading=False)).planned == 0


@pytest.fixture
def tight_postgres() -> Iterator[Postgres]:
    with Postgres(fsync=False, settings={"max_connections": "12"}) as running:
        yield running


async def test_a_server_without_a_free_connection_is_a_failure_that_passes(tight_postgres: Postgres) -> None:
    url = tight_postgres.url_of(tight_postgres.create_database())
    await asyncio.to_thread(apply_migrations, url)
    world = await World(url).open(declared())
    await world.close()  # its connections; the pool makes new ones
    with ExitStack() as others:
        with suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(url))
        with pytest.raises(Transient, match=r"too many clients|remaining connection slots"):
            await world.plan()
    await eventually_async(lambda: plans(world), what="it plans when there are connections again", seconds=10)
    await world.close()


async def plans(world: World) -> bool:
    with suppress(Transient):
        return await world.plan() >= 0
    return False


# ------------------------------------------------------------------------------------------------ what may be silent


async def test_a_connection_that_is_half_open_gives_its_locks_up_by_itself(world: World) -> None:
    """Its replica has vanished in the middle of a transaction, and nobody told the server."""
    item = declared()
    await world.store(item)
    async with link_to(port_of(world.url)) as link:
        url = world.url.replace(f":{port_of(world.url)}/", f":{link.port}/")
        vanished = world.replica("vanished", url=url)
        with suppress(Transient):
            async with vanished.db.transaction(seconds=600) as connection:
                await connection.exec_driver_sql("SELECT * FROM schedules FOR UPDATE")
                link.cut()
                cut = time.monotonic()
                with pytest.raises(Transient, match="lock timeout"):
                    await world.ledger.obey(item.ref, None)
                await eventually_async(lambda: obeyed(world, item.ref), what="the locks are free", seconds=8)
                assert time.monotonic() - cut < 8
                await connection.invalidate()  # so that nobody asks a silent peer to roll back
                raise Transient("it will never be heard of again")
    assert (await world.state_of(item)).next_tick is None


async def obeyed(world: World, ref: ObjectRef) -> bool:
    with suppress(Transient):
        await world.ledger.obey(ref, None)
        return True
    return False


async def test_a_server_that_hangs_is_a_failure_within_the_time_of_a_transaction() -> None:
    with Postgres(fsync=False) as server:
        url = server.url_of(server.create_database())
        await asyncio.to_thread(apply_migrations, url)
        world = await World(url).open(declared())
        try:
            began = time.monotonic()
            server.pause()
            with pytest.raises(Transient, match="has not answered within 1 s"):
                async with world.db.transaction(seconds=1):
                    pass
            assert time.monotonic() - began < 20
            server.resume()
            await eventually_async(lambda: plans(world), what="it plans again", seconds=20)
        finally:
            server.resume()
            await world.close()
