"""How many runs a second the store binds: staged, due rows, in batches, by several replicas.

`python -m tests.bench.store_throughput [runs] [replicas] [batch]` starts a PostgreSQL of its own, with fsync on, and
prints one line for each step of a run's life in the ledger.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from tests.store.makers import declared
from tests.store.world import TTL, World, ending, wall, with_job
from ticklock.ports import Bound, Launch, StageOrder
from ticklock.store.ledger import PostgresLedger
from ticklock.store.migrate import migrate
from tools.devcluster.postgres import Postgres

BAR = 5_000
"""Runs claimed and bound a second, by two replicas on two cores that they share with PostgreSQL."""

Step = Callable[[PostgresLedger], Awaitable[int]]


def say(line: str) -> None:
    """Write a line at once, so that a long measurement shows how far it is."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def measure(name: str, step: Step, *, replicas: Sequence[PostgresLedger]) -> float:
    """Let the replicas repeat a step until nothing is left; print and return how many it did a second."""

    async def work(ledger: PostgresLedger) -> int:
        done = 0
        while count := await step(ledger):
            done += count
        return done

    begun = time.perf_counter()
    total = sum(await asyncio.gather(*(work(ledger) for ledger in replicas)))
    rate = total / (time.perf_counter() - begun)
    say(f"{name:<28} {total:>7} in batches, {rate:>8.0f}/s")
    return rate


async def bench(url: str, runs: int, count: int, batch: int) -> float:
    """Bring so many runs through their life; return the rate of the bind."""
    world = World(url)
    await world.open()
    # nobody pulses here: without this, objects would have to be read before their launch
    await world.sql("UPDATE terms SET renewed_at = now() + interval '1 day'")
    objects = [declared(f"s{i}", expression="@every 1h") for i in range(runs)]
    replicas = [world.replica(f"r{i}", pool_size=4) for i in range(count)]
    orders: list[StageOrder] = []
    bound: list[Bound] = []
    await measure("reconcile new objects", reconciling(world, objects), replicas=[world.ledger])
    await measure("reconcile, nothing new", reconciling(world, objects), replicas=[world.ledger])
    await measure("plan", planning(batch), replicas=replicas)
    await world.sql("ANALYZE")
    await measure("claim for staging", claiming(orders, batch), replicas=replicas)
    await measure("store the staged job", storing(orders, batch), replicas=replicas)
    await world.make_due()
    await world.sql("ANALYZE")
    rate = await measure("bind", binding(bound, batch), replicas=replicas)
    launched = list(bound)
    await measure("mark launched", marking(launched, batch), replicas=replicas)
    await measure("record", recording(bound, batch), replicas=replicas)
    await world.sql("ANALYZE")
    await measure("report", reporting(world, batch), replicas=[world.ledger])
    await measure("release", releasing(world, batch), replicas=[world.ledger])
    await world.close()
    return rate


def reconciling(world: World, objects: Sequence[Any], size: int = 200) -> Step:
    waiting = [objects[start : start + size] for start in range(0, len(objects), size)]

    async def step(ledger: PostgresLedger) -> int:
        if not waiting:
            return 0
        some = waiting.pop()
        await ledger.reconcile(world.epoch, some, [])
        return len(some)

    return step


def planning(batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        return await ledger.plan(horizon=timedelta(minutes=61), limit=batch)

    return step


def claiming(orders: list[StageOrder], batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        claim = await ledger.claim_for_staging(ahead=timedelta(hours=2), ttl=TTL * 60, limit=batch)
        orders.extend(claim.orders)
        return len(claim.orders)

    return step


def storing(orders: list[StageOrder], batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        some = [orders.pop() for _ in range(min(batch, len(orders)))]
        await ledger.store_staged([with_job(order) for order in some])
        return len(some)

    return step


def binding(bound: list[Bound], batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        outcome = await ledger.bind(ttl=TTL * 60, limit=batch, verified=frozenset())
        bound.extend(outcome.bound)
        return len(outcome.bound)

    return step


def marking(bound: list[Bound], batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        some = [bound.pop() for _ in range(min(batch, len(bound)))]
        await ledger.mark_launched([Launch(one.key, one.job_uid, wall()) for one in some])
        return len(some)

    return step


def recording(bound: list[Bound], batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        some = [bound.pop() for _ in range(min(batch, len(bound)))]
        await ledger.record([ending(one) for one in some])
        return len(some)

    return step


def reporting(world: World, batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        reports = await ledger.reports(world.epoch, limit=batch)
        await ledger.reported(world.epoch, [(report, True) for report in reports])
        return len(reports)

    return step


def releasing(world: World, batch: int) -> Step:
    async def step(ledger: PostgresLedger) -> int:
        releases = await ledger.releases(world.epoch, limit=batch)
        await ledger.released(world.epoch, [release.key for release in releases])
        return len(releases)

    return step


def main() -> None:
    """Measure on a server of its own and say whether the bar is reached."""
    runs, count, batch = (int(given) for given in [*sys.argv[1:], *("20000", "2", "200")[len(sys.argv) - 1 :]])
    with Postgres() as server:
        migrate(server.url)
        rate = asyncio.run(bench(server.url, runs, count, batch))
    say(f"bind: {rate:.0f}/s, the bar is {BAR}/s: {'reached' if rate >= BAR else 'MISSED'}")


if __name__ == "__main__":
    main()
