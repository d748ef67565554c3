"""Each open attempt compared with its Job, and each suspended Job with its row: the second half of a quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, Declared, ObjectRef
from ticklock.domain.reasons import Reason
from ticklock.ports import JobView, Leftover
from ticklock.store.chronicle import Entry, chronicle, end_logs, end_runs, judge
from ticklock.store.locks import suspect_locks_of
from ticklock.store.recording import advance_ledger, witness
from ticklock.store.rowlocks import keyed
from ticklock.store.session import Database, sql
from ticklock.store.witnesses import LOST, witnessed

GONE = "the database lost commits and the object is gone: nothing tells whether this run was handled before"

VANISHED = "its Job is gone and nobody saw how it ended; it is never launched again"

_OPEN_ATTEMPTS = sql("""
SELECT a.run_id, a.n, a.state, a.staged_uid, a.job_uid, a.job_name, a.is_tick, a.scheduled_time, a.stage,
       a.schedule_uid, s.namespace, s.name
FROM attempts a JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
WHERE a.cluster = :cluster AND a.state IN ('planned', 'bound', 'launched')
ORDER BY a.run_id, a.n FOR UPDATE OF a
""")

_REPLAN = sql("""
UPDATE attempts
SET stage = stage + 1, staged_uid = NULL, reason = NULL, message = '', claimed_by = NULL, claimed_until = NULL,
    not_before = NULL
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
  AND state = 'planned'
""")

_LOSE = sql("""
UPDATE attempts a
SET state = 'Unknown', reason = 'JobVanished', message = :message, finished_at = clock_timestamp(), suspect = true,
    record_seq = st.ledger_seq + 1, claimed_by = NULL, claimed_until = NULL
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])) AS l(run_id, n), schedule_state st
WHERE a.cluster = :cluster AND a.run_id = l.run_id AND a.n = l.n AND a.state IN ('bound', 'launched')
  AND st.cluster = a.cluster AND st.uid = a.schedule_uid
""")

Objects = Mapping[str, Declared]
"""The objects as listed, by UID."""


async def unstage_unbound(
    connection: AsyncConnection, db: Database, jobs: Sequence[JobView], objects: Objects, *, set_back: bool
) -> tuple[list[Leftover], int]:
    """Return the suspended Jobs that are to be taken away; plan anew what was staged with them or with none at all.

    Where the cluster was set back, a bound Job that is suspended may have been launched before: it is taken away too.
    Also returns how many were planned anew.
    """
    rows = await _open_attempts(connection, db)
    unbound = [job for job in jobs if _unbound(job, rows, objects, set_back=set_back)]
    uids = {job.uid for job in jobs}
    taken = {job.key for job in unbound}
    planned = [key for key, row in rows.items() if row.state == AttemptState.PLANNED]
    anew = [key for key in planned if key in taken or (rows[key].staged_uid or None) not in {None, *uids}]
    if anew:
        await connection.execute(_REPLAN, keyed(db, anew))
    leftovers = [Leftover(job.namespace, job.name, job.uid, job.key) for job in unbound if job.key is not None]
    return leftovers, len(anew)


async def _open_attempts(connection: AsyncConnection, db: Database) -> dict[AttemptKey, Any]:
    rows = await connection.execute(_OPEN_ATTEMPTS, {"cluster": db.cluster})
    return {AttemptKey(row.run_id, row.n): row for row in rows}


def _unbound(job: JobView, rows: Mapping[AttemptKey, Any], objects: Objects, *, set_back: bool) -> bool:
    """Tell whether a Job is a suspended one that its row is not bound to, or one that nobody can vouch for."""
    if job.key is None or not job.suspended or job.finished is not None:
        return False
    row = rows.get(job.key)
    bound = row is not None and row.state == AttemptState.BOUND and row.job_uid == job.uid
    owner = objects.get(job.owner_uid or "")
    return (
        not bound or set_back or witnessed(owner, job.scheduled_time, is_tick=(job.run_key or "").startswith("tick:"))
    )


async def lose_planned(
    connection: AsyncConnection, db: Database, objects: Objects, *, behind: frozenset[str], now: datetime
) -> int:
    """Unbound ticks at or below the witness; unbound triggers of an object whose records were lost. Return how many.

    And whatever was due of an object that is gone: its Jobs were released without a witness, so it may have run.
    """
    rows = await _open_attempts(connection, db)
    lost = [
        _entry(row, Reason.LEDGER_LOST, LOST if row.schedule_uid in objects else GONE)
        for row in rows.values()
        if row.state == AttemptState.PLANNED
        and (
            witnessed(objects.get(row.schedule_uid), row.scheduled_time, is_tick=row.is_tick)
            or (not row.is_tick and row.schedule_uid in behind)
            or (row.schedule_uid not in objects and row.scheduled_time <= now)
        )
    ]
    return len(await judge(connection, db, lost))


async def lose_bound(connection: AsyncConnection, db: Database, jobs: Sequence[JobView], objects: Objects) -> int:
    """Bound or launched attempts whose Job is gone, or still suspended below the witness. Return how many."""
    standing = {job.uid: job for job in jobs}
    rows = [
        row
        for row in (await _open_attempts(connection, db)).values()
        if row.state != AttemptState.PLANNED and _is_lost(row, standing.get(row.job_uid), objects)
    ]
    if not rows:
        return 0
    lost = [_entry(row, Reason.JOB_VANISHED, VANISHED) for row in rows]
    keys = [entry.key for entry in lost]
    await connection.execute(_LOSE, {**keyed(db, keys), "message": VANISHED})
    await witness(connection, db, [(row.schedule_uid, row.scheduled_time) for row in rows if row.is_tick])
    await advance_ledger(connection, db, [row.schedule_uid for row in rows])
    await suspect_locks_of(connection, db, keys)
    await end_runs(connection, lost)
    await end_logs(connection, db, lost)
    await chronicle(connection, db, lost)
    return len(lost)


def _is_lost(row: Any, job: JobView | None, objects: Objects) -> bool:
    if job is None:
        return True
    return job.suspended and witnessed(objects.get(row.schedule_uid), row.scheduled_time, is_tick=row.is_tick)


def _entry(row: Any, reason: Reason, message: str) -> Entry:
    ref = ObjectRef(row.namespace, row.name, row.schedule_uid)
    key = AttemptKey(row.run_id, row.n)
    return Entry(key, ref, reason, message, AttemptState.UNKNOWN, row.job_name, row.job_uid)
