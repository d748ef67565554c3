"""Who writes of a schedule's runs holds its state row first.

Lock order of the store: terms, clusters, schedules, schedule_state, queue_locks, runs, attempts; several rows of one
table by key. Whoever writes more than one attempt holds the state rows of their schedules first, so the order of what
follows does not matter: nobody else binds, records, stages or plans for these schedules meanwhile. The statements
that look for work take their locks as they find them, but skip whatever is locked, so they wait for nobody and close
no circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey
from ticklock.store.session import Database, sql

_OWNERS = sql("""
SELECT DISTINCT schedule_uid FROM attempts
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
""")

_LOCK = sql("""
SELECT uid FROM schedule_state
WHERE cluster = :cluster AND uid = ANY(CAST(:uids AS text[])) ORDER BY uid FOR NO KEY UPDATE
""")

_LOCK_SPECS = sql("""
SELECT uid FROM schedules
WHERE cluster = :cluster AND uid = ANY(CAST(:uids AS text[])) ORDER BY uid FOR NO KEY UPDATE
""")

_HINT = sql("SELECT pg_notify('ticklock', :channel)")


def keyed(db: Database, keys: Sequence[AttemptKey]) -> dict[str, Any]:
    """Return attempt keys as parallel arrays for `unnest`, with the cluster."""
    return {"cluster": db.cluster, "run_ids": [key.run_id for key in keys], "ns": [key.n for key in keys]}


async def owners(connection: AsyncConnection, db: Database, keys: Sequence[AttemptKey]) -> list[str]:
    """Return the schedules that these attempts belong to."""
    return [uid for (uid,) in await connection.execute(_OWNERS, keyed(db, keys))]


async def lock_states(connection: AsyncConnection, db: Database, keys: Sequence[AttemptKey]) -> None:
    """Lock the state rows of these attempts' schedules, before anything of them is written."""
    await lock_schedules(connection, db, await owners(connection, db, keys))


async def lock_schedules(connection: AsyncConnection, db: Database, uids: Iterable[str]) -> None:
    """Lock the state rows of schedules."""
    await connection.execute(_LOCK, {"cluster": db.cluster, "uids": sorted(set(uids))})


async def lock_specs(connection: AsyncConnection, db: Database, uids: Iterable[str]) -> None:
    """Lock schedules and their state rows: their specs are about to change, and nobody may bind meanwhile.

    Not so strongly that it would stop a row elsewhere from referring to them.
    """
    await connection.execute(_LOCK_SPECS, {"cluster": db.cluster, "uids": sorted(set(uids))})
    await lock_schedules(connection, db, uids)


async def hint(connection: AsyncConnection, channel: str) -> None:
    """Tell the replicas that there may be something to do; sent when the transaction commits."""
    await connection.execute(_HINT, {"channel": channel})
