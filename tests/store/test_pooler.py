"""Behind PgBouncer in transaction mode: no session state, no prepared statements, no LISTEN."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.store.makers import declared, seconds
from tests.store.pooler import PROGRAM, pooled
from tests.store.world import TTL, World, ending
from tests.support.databases import TestServer
from ticklock.domain.model import AttemptState, ConcurrencyPolicy
from ticklock.store.migrate import check, migrate

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="PgBouncer is not installed; on Debian: apt-get install pgbouncer"
)


@pytest.fixture
def behind_a_pooler(server: TestServer, empty_database: str) -> Iterator[str]:
    with pooled(server.postgres, empty_database) as url:
        yield url


async def test_a_whole_life_of_runs_with_four_replicas_on_three_connections(behind_a_pooler: str) -> None:
    await asyncio.to_thread(migrate, behind_a_pooler)
    await asyncio.to_thread(check, behind_a_pooler)
    world = World(behind_a_pooler)
    try:
        await live(world)
    finally:
        await world.close()


async def live(world: World) -> None:
    forbidding = declared("forbid", expression="@every 1s", concurrency=ConcurrencyPolicy.FORBID)
    await world.open(*(declared(f"s{i}", expression="@every 1s") for i in range(20)), forbidding)
    replicas = [world.replica(f"r{i}", pool_size=4) for i in range(4)]
    await asyncio.gather(*(replica.plan(horizon=seconds(4), limit=10) for replica in replicas))
    await asyncio.gather(*(replica.pulse(leading=False) for replica in replicas))
    await world.plan(seconds(4))
    await world.stage()
    await world.make_due()
    outcomes = await asyncio.gather(
        *(replica.bind(ttl=TTL, limit=25, verified=frozenset()) for replica in replicas for _ in range(4))
    )
    bound = [one for outcome in outcomes for one in outcome.bound]
    assert Counter(one.key for one in bound).most_common(1)[0][1] == 1
    assert len(bound) > 20
    await world.launch(bound)
    assert await world.ledger.record([ending(one) for one in bound]) == len(bound)
    reports = await world.ledger.reports(world.epoch, limit=100)
    await world.ledger.reported(world.epoch, [(report, True) for report in reports])
    releases = await world.ledger.releases(world.epoch, limit=1000)
    assert {release.key for release in releases} == {one.key for one in bound}
    await world.ledger.released(world.epoch, [release.key for release in releases])
    await world.ledger.absent([release.key for release in releases])
    events = await world.ledger.outbox(world.epoch, limit=1000)
    await world.ledger.posted(world.epoch, [event.id for event in events])
    await world.sql("UPDATE runs SET finished_at = now() - interval '2 hours' WHERE state = 'Completed'")
    assert await world.ledger.prune(world.epoch, older_than=timedelta(hours=1)) == len(bound)
    assert AttemptState.COMPLETED not in {state for state, _ in await world.verdicts()}
    await leaves_nothing_behind(world)


async def leaves_nothing_behind(world: World) -> None:
    """The shared connections carry nothing from one transaction into the next."""
    for _ in range(9):
        row = await world.one(
            "SELECT (SELECT count(*) FROM pg_prepared_statements) AS prepared, "
            "current_setting('statement_timeout') AS timeout, current_setting('lock_timeout') AS lock_timeout"
        )
        assert (row.prepared, row.timeout, row.lock_timeout) == (0, "0", "0")
