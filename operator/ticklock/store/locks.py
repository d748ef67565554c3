"""Concurrency locks: given back, suspected, and who waits for them woken. They are taken where attempts are bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey
from ticklock.store.rowlocks import hint, keyed, lock_schedules, owners
from ticklock.store.session import Database, sql

log = structlog.get_logger(__name__)

_FREE = sql("""
DELETE FROM queue_locks
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
RETURNING namespace, queue_name, job_name, run_id
""")

_SUSPECT = sql("""
UPDATE queue_locks SET suspect = true
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
  AND NOT suspect
RETURNING namespace, queue_name, job_name, run_id
""")

_TAKE_SUSPECT = sql("""
INSERT INTO queue_locks (cluster, namespace, queue_name, job_name, run_id, n, token, suspect, expires)
SELECT DISTINCT ON (s.namespace, s.queue_name, s.name)
       a.cluster, s.namespace, s.queue_name, s.name, a.run_id, a.n, a.claim_token, true,
       clock_timestamp() + interval '300 seconds'
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])) AS x(run_id, n)
JOIN attempts a ON a.run_id = x.run_id AND a.n = x.n
JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
WHERE a.cluster = :cluster AND a.job_uid IS NOT NULL AND s.concurrency <> 'Allow'
  AND NOT EXISTS (SELECT FROM queue_locks l WHERE l.run_id = a.run_id AND l.n = a.n)
ORDER BY s.namespace, s.queue_name, s.name, a.scheduled_time DESC
ON CONFLICT (cluster, namespace, queue_name, job_name) DO NOTHING
RETURNING namespace, queue_name, job_name, run_id
""")
"""For runs that hold none: begun under Allow, or rebuilt after the ledger had lost their bind."""

_WAKE = sql("""
UPDATE attempts SET not_before = NULL
WHERE cluster = :cluster AND schedule_uid = ANY(CAST(:uids AS text[])) AND state = 'planned'
  AND reason = 'WaitingForRun'
  AND not_before IS NOT NULL
""")

_OPEN = sql("""
SELECT 1 FROM attempts
WHERE cluster = :cluster AND run_id = :run_id AND n = :n AND state IN ('planned', 'bound', 'launched')
""")


async def release_locks(connection: AsyncConnection, db: Database, keys: Sequence[AttemptKey]) -> None:
    """Give back what these attempts held: they are over, and no pod of them lives."""
    await _change(connection, db, keys, statement=_FREE, message="lock released")


async def suspect_locks_of(connection: AsyncConnection, db: Database, keys: Sequence[AttemptKey]) -> None:
    """Let nobody pass until somebody has looked for the pods of these attempts; they keep their locks, or take them."""
    await _change(connection, db, keys, statement=_SUSPECT, message="lock suspect")
    await _change(connection, db, keys, statement=_TAKE_SUSPECT, message="lock suspect")


async def _change(
    connection: AsyncConnection, db: Database, keys: Sequence[AttemptKey], *, statement: TextClause, message: str
) -> None:
    if not keys:
        return
    for row in await connection.execute(statement, keyed(db, keys)):
        log.info(message, queue=row.queue_name, namespace=row.namespace, job=row.job_name, run=str(row.run_id))


async def wake(connection: AsyncConnection, db: Database, uids: Iterable[str]) -> None:
    """Let the ticks that wait for a run of these schedules be looked at again now."""
    result = await connection.execute(_WAKE, {"cluster": db.cluster, "uids": sorted(set(uids))})
    if result.rowcount:
        await hint(connection, "dispatch")
        await hint(connection, "stage")


async def free_lock(db: Database, key: AttemptKey) -> None:
    """Give a lock back whose run is over and has neither a Job nor a live pod; an open run keeps its lock."""
    async with db.transaction() as connection:
        uids = await owners(connection, db, [key])
        await lock_schedules(connection, db, uids)
        still = {"cluster": db.cluster, "run_id": key.run_id, "n": key.n}
        if (await connection.execute(_OPEN, still)).first() is None:
            await release_locks(connection, db, [key])
            await wake(connection, db, uids)
