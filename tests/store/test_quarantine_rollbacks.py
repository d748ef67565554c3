"""A server that goes back behind its last commits is another incarnation, however that came about."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.store.losses import first_answer, reconcile_all
from tests.store.makers import declared
from tests.store.test_quarantine_gate import DECISIONS
from tests.store.world import World, ending
from ticklock.domain.errors import Unready
from ticklock.store.migrate import migrate
from tools.devcluster.pgharm import HarmablePostgres

Harm = Callable[[HarmablePostgres, Callable[[], Awaitable[None]]], Awaitable[HarmablePostgres]]


@pytest.fixture
def server() -> Iterator[HarmablePostgres]:
    with HarmablePostgres() as started:
        migrate(started.url)
        yield started


async def backup(server: HarmablePostgres, lose: Callable[[], Awaitable[None]]) -> HarmablePostgres:
    """Restore a backup that is older than what is lost."""
    taken = server.back_up()
    await lose()
    server.restore(taken)
    return server


async def failover(server: HarmablePostgres, lose: Callable[[], Awaitable[None]]) -> HarmablePostgres:
    """Promote an asynchronous standby that never got what is lost."""
    standby = server.standby()
    standby.fall_behind()
    await lose()
    server.kill9()
    standby.promote()
    return standby


HARMS = [pytest.param(backup, id="a backup is restored"), pytest.param(failover, id="a standby takes over")]


@asynccontextmanager
async def restored(harm: Harm, server: HarmablePostgres, world: World) -> AsyncIterator[World]:
    """Run the first tick, lose that, and give a world on what is left."""

    async def lose() -> None:
        bound = await world.run_first()
        await world.ledger.record([ending(bound)])
        await world.close()

    left = await harm(server, lose)
    older = World(left.url, world.cluster)
    try:
        await first_answer(older.ledger)
        await older.ledger.pulse(leading=True)
        yield older
    finally:
        await older.close()
        if left is not server:
            left.close()


@pytest.mark.parametrize("harm", HARMS)
async def test_commits_that_were_lost_close_the_gate_until_all_was_compared(
    server: HarmablePostgres, harm: Harm
) -> None:
    item = declared(expression="@every 10s")
    world = await World(server.url).open(item)
    await world.plan()
    async with restored(harm, server, world) as older:
        (row,) = await older.attempts(item)
        assert row.state == "planned", "the launch was lost"
        older.epoch = await older.ledger.open_term()
        for decide in DECISIONS.values():
            with pytest.raises(Unready, match="restarted or was replaced"):
                await decide(older.ledger, older.epoch)
        await reconcile_all(older, [], [replace(item, witness=row.scheduled_time, ledger_seq=1)])
        assert (await older.attempts(item))[0].state == "Unknown"
        await older.plan()
