"""Commits in doubt, on a primary whose commits wait for a real synchronous standby.

A wait that is cut short leaves the row bound for everybody to see, on the primary alone. What is seen there is not yet
so: only a bind, or a rescue, that has committed without a doubt lets a Job go.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from tests.store.dispatching import Launchpad
from tests.store.makers import declared
from tests.store.pooler import PROGRAM, pooled
from tests.store.world import World
from tests.support.databases import apply_migrations
from tests.support.waiting import eventually_async
from ticklock.domain.errors import Transient
from ticklock.store import session
from tools.devcluster.postgres import Postgres, Shutdown
from tools.devcluster.standby import Standby, wait_for_standbys


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    with Postgres(fsync=False) as running:
        yield running


@pytest.fixture
def standby(primary: Postgres) -> Iterator[Standby]:
    wait_for_standbys(primary, "")
    with Standby(primary) as running:
        yield running
        wait_for_standbys(primary, "")


@pytest.fixture
async def replicated(primary: Postgres, standby: Standby) -> AsyncIterator[World]:
    """One attempt that is due and staged; the standby has just stopped to answer."""
    url = primary.url_of(primary.create_database())
    await asyncio.to_thread(apply_migrations, url)
    made = await World(url).open(declared(expression="@every 9s"))
    await made.plan()
    await made.stage()
    await made.make_due()
    await made.sql("UPDATE terms SET renewed_at = clock_timestamp() + interval '1 hour'")  # somebody leads throughout
    await asyncio.to_thread(wait_for_standbys, primary, "*")
    standby.pause()
    yield made
    if standby.alive:
        standby.resume()
    await made.close()


Cut = Callable[[World, "asyncio.Task[object]", int], Awaitable[None]]


async def cancelled_by_an_administrator(world: World, _: "asyncio.Task[object]", pid: int) -> None:
    await world.sql("SELECT pg_cancel_backend(:pid)", pid=pid)


async def ended_by_an_administrator(world: World, _: "asyncio.Task[object]", pid: int) -> None:
    await world.sql("SELECT pg_terminate_backend(:pid)", pid=pid)


async def cancelled_by_ourselves(_: World, task: "asyncio.Task[object]", __: int) -> None:
    task.cancel()


async def nothing_but_time(_: World, __: "asyncio.Task[object]", ___: int) -> None:
    """The transaction's own limit ends it."""


CUTS = [
    pytest.param(cancelled_by_an_administrator, id="an administrator cancels the wait, which is only a warning"),
    pytest.param(ended_by_an_administrator, id="an administrator ends the session"),
    pytest.param(cancelled_by_ourselves, id="the step is cancelled in the middle of its commit"),
    pytest.param(nothing_but_time, id="the transaction's time runs out in its commit"),
]


async def waiting_backend(world: World) -> int:
    """The session whose commit waits for the standby; 0 while there is none."""
    rows = await world.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'")
    return int(rows[0].pid) if rows else 0


async def cut_short(world: World, step: Callable[[], Awaitable[object]], cut: Cut) -> None:
    """Run a step until its commit waits for the standby, cut the wait short, and see the step fail."""

    async def work() -> object:
        return await step()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(settled(work()))
        pid = await eventually_async(lambda: waiting_backend(world), what="the commit waits for the standby")
        await cut(world, task, pid)
    if not task.cancelled():
        assert isinstance(task.result(), Transient), task.result()


async def settled(work: Awaitable[object]) -> object:
    """What came of it: its answer, or its failure."""
    try:
        return await work
    except Transient as failure:
        return failure


async def state(world: World) -> str:
    (row,) = await world.attempts()
    return str(row.state)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions of a replica take two seconds at most."""
    defaults = session.Database._begin.__wrapped__  # type: ignore[attr-defined]  # behind asynccontextmanager
    monkeypatch.setattr(defaults, "__defaults__", (2.0,))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.usefixtures("short")
async def test_a_bind_in_doubt_lets_nothing_go(replicated: World, standby: Standby, cut: Cut) -> None:
    pad = Launchpad(replicated.replica("binder"))
    await cut_short(replicated, pad.dispatcher.step, cut)
    assert await state(replicated) == "bound", "the trap is not set: nobody could be deceived"
    await pad.finish()
    assert pad.launched == []

    other = Launchpad(replicated.replica("other"))
    await world_moves(replicated, standby)
    await eventually_async(lambda: rescued(other), what="a rescue that commits cleanly takes it over")
    await other.finish()
    assert len(other.launched) == 1


async def world_moves(world: World, standby: Standby) -> None:
    """The standby answers again, and the claim of the one in doubt has run out."""
    standby.resume()
    await world.expire_claims()


async def rescued(pad: Launchpad) -> bool:
    with suppress(Transient):
        await pad.dispatcher.rescue()
    return pad.dispatcher.queue.qsize() > 0


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.usefixtures("short")
async def test_a_rescue_in_doubt_lets_nothing_go_either(replicated: World, standby: Standby, cut: Cut) -> None:
    standby.resume()
    await replicated.bind()
    await replicated.expire_claims()
    standby.pause()
    pad = Launchpad(replicated.replica("rescuer"))
    await cut_short(replicated, pad.dispatcher.rescue, cut)
    await pad.finish()
    assert pad.launched == []


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed; on Debian: apt-get install pgbouncer")
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.usefixtures("short")
async def test_behind_a_pooler_it_is_the_same(replicated: World, primary: Postgres, cut: Cut) -> None:
    with pooled(primary, replicated.url) as url:
        pad = Launchpad(replicated.replica("binder", url=url))
        await cut_short(replicated, pad.dispatcher.step, cut)
        assert await state(replicated) == "bound"
        await pad.finish()
    assert pad.launched == []


async def test_a_failover_takes_the_bind_away_that_was_in_doubt(
    replicated: World, primary: Postgres, standby: Standby
) -> None:
    standby.stop(Shutdown.IMMEDIATE)  # what a paused one has in its buffers it would still take over
    pad = Launchpad(replicated.replica("binder"))
    await cut_short(replicated, pad.dispatcher.step, cancelled_by_an_administrator)
    assert await state(replicated) == "bound"
    await asyncio.to_thread(fail_over, primary, standby)
    survivor = World(replicated.url.replace(f":{primary.port}/", f":{standby.port}/"), replicated.cluster)
    try:
        assert await state(survivor) == "planned"
        (row,) = await survivor.attempts()
        assert row.job_uid is None
    finally:
        await survivor.close()
    await pad.finish()
    assert pad.launched == []


def fail_over(primary: Postgres, standby: Standby) -> None:
    """The primary dies with what it had not yet sent."""
    primary.kill9()
    standby.take_over()
    primary.start()


async def test_a_heartbeat_says_in_time_that_nothing_can_be_launched(replicated: World) -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(Transient, match="has not answered within 5 s"):
        await replicated.ledger.pulse(leading=False)
    assert asyncio.get_running_loop().time() - began < 8


async def test_what_a_server_warns_of_before_the_commit_is_no_doubt(database: str) -> None:
    calm = World(database)
    try:
        async with calm.db.transaction() as connection:
            await connection.exec_driver_sql("DO $$ BEGIN RAISE WARNING 'a collation has changed'; END $$")
    finally:
        await calm.close()
