"""What grows is taken away: old runs, tombstones, dead replicas.

A run goes only when it is over, each of its Jobs was confirmed absent after its release, and a day has passed; the same
transaction raises `pruned_through`, below which no tick is planned again. Pruning the ledger without that mark is what
makes other schedulers repeat ticks.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from ticklock.store.rowlocks import lock_schedules
from ticklock.store.session import Database, sql
from ticklock.store.terms import bury_dead, fence

log = structlog.get_logger(__name__)

_REST = """
r.cluster = :cluster AND r.finished_at < clock_timestamp() - CAST(:age AS interval)
AND r.state NOT IN ('Pending', 'Running')
AND NOT EXISTS (
  SELECT FROM attempts a WHERE a.run_id = r.id
  AND (a.state IN ('planned', 'bound', 'launched')
       OR (a.job_uid IS NOT NULL AND (a.absent_at IS NULL OR a.released_at IS NULL))))
AND NOT EXISTS (SELECT FROM queue_locks l WHERE l.run_id = r.id)
"""

_OLD = sql(f"""
SELECT r.id, r.schedule_uid FROM runs r WHERE {_REST} ORDER BY r.schedule_uid, r.scheduled_time LIMIT :limit
""")  # noqa: S608 - a constant of this module

_PRUNE = sql(f"""
DELETE FROM runs r WHERE r.id = ANY(CAST(:ids AS uuid[])) AND {_REST}
RETURNING r.id, r.schedule_uid, CASE WHEN r.run_key LIKE 'tick:%' THEN r.scheduled_time END AS tick
""")  # noqa: S608 - a constant of this module

_RAISE = sql("""
UPDATE schedule_state st SET pruned_through = greatest(st.pruned_through, p.tick)
FROM (SELECT uid, max(tick) AS tick FROM unnest(CAST(:uids AS text[]), CAST(:ticks AS timestamptz[])) AS x(uid, tick)
      GROUP BY uid) p
WHERE st.cluster = :cluster AND st.uid = p.uid
""")

_TOMBSTONES = sql("""
DELETE FROM schedules
WHERE cluster = :cluster AND uid IN (
  SELECT s.uid FROM schedules s
  WHERE s.cluster = :cluster AND s.deleted_at < clock_timestamp() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM runs r WHERE r.cluster = s.cluster AND r.schedule_uid = s.uid)
  FOR UPDATE SKIP LOCKED)
""")

_OVERDUE_LOCKS = sql("""
UPDATE queue_locks l SET suspect = true, expires = clock_timestamp() + interval '300 seconds'
FROM (
  SELECT namespace, queue_name, job_name FROM queue_locks
  WHERE cluster = :cluster AND expires < clock_timestamp() FOR UPDATE SKIP LOCKED
) x
WHERE l.cluster = :cluster AND l.namespace = x.namespace AND l.queue_name = x.queue_name AND l.job_name = x.job_name
RETURNING l.namespace, l.queue_name, l.job_name, l.run_id
""")

_BATCH = 500


async def prune(db: Database, epoch: int, *, older_than: timedelta) -> int:
    """Remove a batch of old runs; return how many. Their JobLogs and their audit trail stay: see `partitions`."""
    async with db.decision() as (connection, _):
        await fence(connection, db, epoch)
        parameters = {"cluster": db.cluster, "age": older_than, "limit": _BATCH}
        old = (await connection.execute(_OLD, parameters)).all()
        if not old:
            return 0
        await lock_schedules(connection, db, [row.schedule_uid for row in old])
        gone = (await connection.execute(_PRUNE, {**parameters, "ids": [row.id for row in old]})).all()
        uids, ticks = [row.schedule_uid for row in gone], [row.tick for row in gone]
        await connection.execute(_RAISE, {"cluster": db.cluster, "uids": uids, "ticks": ticks})
        return len(gone)


async def sweep(db: Database, epoch: int) -> None:
    """Remove tombstones and dead replicas; mark locks that were held for long as suspect."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        await bury_dead(connection, db)
        await connection.execute(_TOMBSTONES, {"cluster": db.cluster})
        for row in await connection.execute(_OVERDUE_LOCKS, {"cluster": db.cluster}):
            log.info(
                "lock suspect", queue=row.queue_name, namespace=row.namespace, job=row.job_name, run=str(row.run_id)
            )
