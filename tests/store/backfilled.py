"""Schedules with a past, and backfills of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.store.makers import declared, key_of, now, seconds
from tests.store.world import TTL, World, ending, with_job
from ticklock.domain.model import Declared
from ticklock.ports import BackfillAnswer, BackfillOrder, Bound
from ticklock.store import backfilling
from ticklock.store.ledger import PostgresLedger

FOREVER = timedelta(seconds=-60)
"""Nothing is too young to be pruned."""


def old(name: str = "nightly", *, age: float = 3600, every: int = 600, **changes: Any) -> Declared:
    """Return an object made an hour ago that ticks every ten minutes, of which the ledger hears only now."""
    return declared(
        name, expression=f"@every {every}s", created_at=now().replace(microsecond=0) - seconds(age), **changes
    )


def ticks_of(item: Declared, *, every: int = 600, until: datetime | None = None) -> list[datetime]:
    end, tick, found = until or now(), item.created_at + seconds(every), list[datetime]()
    while tick <= end:
        found.append(tick)
        tick += seconds(every)
    return found


async def ask(world: World, item: Declared, ledger: PostgresLedger | None = None, **changes: Any) -> BackfillAnswer:
    """Ask for all ticks since the object was made."""
    plain = BackfillOrder(item.created_at, now(), max_parallel=1, limit=100, by="ann@desk")
    return await backfilling.backfill((ledger or world.ledger).db, item.ref, replace(plain, **changes))


async def bind_all(world: World, ledger: PostgresLedger | None = None) -> list[Bound]:
    """Stage and bind whatever may."""
    ledger = ledger or world.ledger
    claim = await ledger.claim_for_staging(ahead=timedelta(0), ttl=TTL, limit=1000)
    await ledger.store_staged([with_job(order) for order in claim.orders])
    return list((await ledger.bind(ttl=TTL, limit=1000, verified=await world.uids())).bound)


async def finish(world: World, bound: list[Bound]) -> None:
    await world.launch(bound)
    await world.ledger.record([ending(one) for one in bound])


async def clear(world: World, bound: Bound) -> None:
    """Let an ended run be witnessed, released, gone and pruned."""
    for report in await world.ledger.reports(world.epoch, limit=10):
        await world.ledger.reported(world.epoch, [(report, True)])
    await world.ledger.released(world.epoch, [bound.key])
    await world.ledger.absent([bound.key])
    await world.ledger.prune(world.epoch, older_than=FOREVER)


async def trail(world: World, item: Declared, tick: datetime) -> list[tuple[str, str]]:
    key = key_of(world.cluster, item, tick)
    rows = await world.sql(
        "SELECT status, message FROM run_events WHERE run_id = :run_id ORDER BY event_id", run_id=key.run_id
    )
    return [(row.status, row.message) for row in rows]


async def missed(world: World, item: Declared) -> list[datetime]:
    """Let all ticks up to now fall into an outage, the last of them excepted; return them."""
    await world.store(item)
    await world.set_cursor(item, item.created_at)
    await world.plan(timedelta(0))
    rows = [row.scheduled_time for row in await world.attempts(item) if row.state == "Missed"]
    assert len(rows) > 2
    return rows
