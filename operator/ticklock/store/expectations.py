"""What the ledger says of Jobs: which should stand in the cluster, and what their rows are. Asked by the janitor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ticklock.domain.model import AttemptKey, AttemptState, JobUid, ObjectRef
from ticklock.ports import Blocker, Expected, JobView, Release, RowView
from ticklock.store.rowlocks import keyed
from ticklock.store.session import Database, sql
from ticklock.store.terms import fence

_EXPECTED = sql("""
SELECT a.run_id, a.n, s.namespace, a.job_name, a.job_uid, a.state
FROM (
  SELECT cluster, schedule_uid, run_id, n, job_name, job_uid, state FROM attempts
  WHERE cluster = :cluster AND state IN ('bound', 'launched') AND bound_at < clock_timestamp() - interval '30 seconds'
  UNION ALL
  SELECT cluster, schedule_uid, run_id, n, job_name, job_uid, state FROM attempts
  WHERE cluster = :cluster AND released_at IS NOT NULL AND absent_at IS NULL
    AND released_at < clock_timestamp() - interval '30 seconds'
) a
JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
""")

_SUSPECT = sql("""
SELECT a.run_id, a.n, a.state, a.job_name, a.job_uid, s.uid, s.namespace, s.name
FROM queue_locks l
JOIN attempts a ON a.run_id = l.run_id AND a.n = l.n
JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
WHERE l.cluster = :cluster AND l.suspect
""")


_STILL_OWED = sql("""
SELECT 1 FROM schedules s JOIN schedule_state st ON st.cluster = s.cluster AND st.uid = s.uid
WHERE s.cluster = :cluster AND s.uid = :uid AND s.deleted_at IS NULL AND st.next_tick IS NOT NULL
  AND CAST(:tick AS timestamptz) > least(greatest(st.cursor, st.pruned_through), clock_timestamp())
""")
"""Behind the cursor, but still to come: an edit may bring it back."""

_ROWS = sql("""
SELECT run_id, n, state, staged_uid, job_uid, stage, released_at IS NOT NULL AS released FROM attempts
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
""")


async def rows(db: Database, keys: Sequence[AttemptKey]) -> dict[AttemptKey, RowView]:
    """Return what stands in the ledger for these attempts. Raises Unready in quarantine: no row means nothing then."""
    if not keys:
        return {}
    async with db.decision() as (connection, _):
        return {
            AttemptKey(row.run_id, row.n): _row_view(row) for row in await connection.execute(_ROWS, keyed(db, keys))
        }


def _row_view(row: Any) -> RowView:
    return RowView(
        AttemptKey(row.run_id, row.n),
        AttemptState(row.state),
        None if row.staged_uid is None else JobUid(row.staged_uid),
        None if row.job_uid is None else JobUid(row.job_uid),
        row.stage,
        row.released,
    )


async def still_owed(db: Database, job: JobView) -> bool:
    """Tell whether the tick of a Job without a row is still to be planned. Raises Unready in quarantine."""
    if job.owner_uid is None or job.scheduled_time is None:
        return False
    parameters = {"cluster": db.cluster, "uid": job.owner_uid, "tick": job.scheduled_time}
    async with db.decision() as (connection, _):
        return (await connection.execute(_STILL_OWED, parameters)).first() is not None


async def expected_jobs(db: Database, epoch: int) -> list[Expected]:
    """Return attempts whose Job is not known to be gone."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        return [
            Expected(
                Release(AttemptKey(row.run_id, row.n), row.namespace, row.job_name, JobUid(row.job_uid)),
                AttemptState(row.state),
            )
            for row in await connection.execute(_EXPECTED, {"cluster": db.cluster})
        ]


async def suspect_locks(db: Database, epoch: int) -> list[Blocker]:
    """Return the holders of suspect locks."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        return [
            Blocker(
                key=AttemptKey(row.run_id, row.n),
                ref=ObjectRef(row.namespace, row.name, row.uid),
                job_name=row.job_name,
                job_uid=JobUid(row.job_uid) if row.job_uid else None,
                state=AttemptState(row.state),
                replace=False,
            )
            for row in await connection.execute(_SUSPECT, {"cluster": db.cluster})
        ]
