"""Launched, ended, found: what the cluster showed, written so that repeating it is harmless."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef
from ticklock.domain.reasons import Reason
from ticklock.failpoints import failpoint
from ticklock.ports import Ending, Launch
from ticklock.store.chronicle import Entry, chronicle, clean, end_logs, end_runs
from ticklock.store.locks import release_locks, suspect_locks_of, wake
from ticklock.store.rowlocks import hint, keyed, lock_states
from ticklock.store.session import Database, sql

_CERTAIN = frozenset({AttemptState.COMPLETED, AttemptState.FAILED})
"""A Job with a final condition has no live pods; after any other end somebody must look for them."""

_LAUNCHED = sql("""
UPDATE attempts a
SET state = 'launched', launched_at = l.at, launched_by = :replica, reason = 'Launched', message = '',
    claimed_by = NULL,
    claimed_until = NULL
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:uids AS text[]), CAST(:ats AS timestamptz[]))
     AS l(run_id, n, uid, at), schedules s
WHERE a.cluster = :cluster AND a.run_id = l.run_id AND a.n = l.n AND a.state = 'bound' AND a.job_uid = l.uid
  AND s.cluster = a.cluster AND s.uid = a.schedule_uid
RETURNING a.run_id, a.n, a.schedule_uid, s.namespace, s.name, a.job_name, a.job_uid, a.launched_at, a.scheduled_time,
          a.is_tick, a.state
""")

_RUNNING = sql("""
UPDATE runs SET state = 'Running', reason = 'Launched', message = ''
WHERE cluster = :cluster AND id = ANY(CAST(:ids AS uuid[])) AND state = 'Pending'
""")

_WITNESS = sql("""
UPDATE schedule_state st SET last_launched_tick = greatest(st.last_launched_tick, w.tick)
FROM (SELECT uid, max(tick) AS tick FROM unnest(CAST(:uids AS text[]), CAST(:ticks AS timestamptz[])) AS x(uid, tick)
      GROUP BY uid) w
WHERE st.cluster = :cluster AND st.uid = w.uid
""")

_ENDED = sql("""
UPDATE attempts a
SET state = e.state, message = e.message, started_at = coalesce(e.started_at, a.started_at),
    reason = CASE WHEN e.reason = 'JobDeleted' AND a.stop_reason IS NOT NULL THEN a.stop_reason ELSE e.reason END,
    finished_at = coalesce(e.finished_at, clock_timestamp()), record_seq = st.ledger_seq + 1,
    launched_at = CASE WHEN a.launched_at IS NULL AND e.started_at IS NOT NULL THEN e.started_at ELSE a.launched_at END,
    claimed_by = NULL, claimed_until = NULL
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:uids AS text[]), CAST(:states AS text[]),
            CAST(:reasons AS text[]), CAST(:messages AS text[]), CAST(:started AS timestamptz[]),
            CAST(:finished AS timestamptz[]))
     AS e(run_id, n, uid, state, reason, message, started_at, finished_at),
     schedules s, schedule_state st
WHERE a.cluster = :cluster AND a.run_id = e.run_id AND a.n = e.n AND a.job_uid = e.uid AND a.state IN ('bound',
  'launched')
  AND s.cluster = a.cluster AND s.uid = a.schedule_uid AND st.cluster = a.cluster AND st.uid = a.schedule_uid
RETURNING a.run_id, a.n, a.schedule_uid, s.namespace, s.name, a.state, a.reason, a.message, a.job_name, a.job_uid,
          a.finished_at, a.launched_at, a.scheduled_time, a.is_tick, a.backfill
""")

_LEDGER = sql("""
UPDATE schedule_state st
SET ledger_seq = st.ledger_seq + 1, last_success = greatest(st.last_success, e.success)
FROM (SELECT uid, max(success) AS success
      FROM unnest(CAST(:uids AS text[]), CAST(:successes AS timestamptz[])) AS x(uid, success) GROUP BY uid) e
WHERE st.cluster = :cluster AND st.uid = e.uid
""")


async def mark_launched(db: Database, launches: Sequence[Launch]) -> None:
    """Bound becomes launched, where still bound to that UID."""
    if not launches:
        return
    keys = [launch.key for launch in launches]
    async with db.transaction() as connection:
        await lock_states(connection, db, keys)
        parameters = {
            **keyed(db, keys),
            "replica": db.replica,
            "uids": [launch.job_uid for launch in launches],
            "ats": [launch.at for launch in launches],
        }
        rows = (await connection.execute(_LAUNCHED, parameters)).all()
        await connection.execute(_RUNNING, {"cluster": db.cluster, "ids": [row.run_id for row in rows]})
        await witness(connection, db, _ticks(rows))
        await chronicle(connection, db, [_launched(row) for row in rows])
        if rows:
            await failpoint("before-mark-commit")


def _launched(row: Any) -> Entry:
    lag = (row.launched_at - row.scheduled_time).total_seconds()
    message = f"Job {row.job_name} launched {lag:.3f} s after its time"
    return _entry(row, Reason.LAUNCHED, message, AttemptState.LAUNCHED)


def _entry(row: Any, reason: Reason, message: str, state: AttemptState) -> Entry:
    ref = ObjectRef(row.namespace, row.name, row.schedule_uid)
    return Entry(AttemptKey(row.run_id, row.n), ref, reason, message, state, row.job_name, row.job_uid)


def _ticks(rows: Sequence[Any]) -> list[tuple[str, datetime]]:
    return [(row.schedule_uid, row.scheduled_time) for row in rows if row.is_tick]


async def witness(connection: AsyncConnection, db: Database, ticks: Sequence[tuple[str, datetime]]) -> None:
    """Raise the witness of schedules to these ticks: each of them started, or may have started."""
    if ticks:
        parameters = {"cluster": db.cluster, "uids": [uid for uid, _ in ticks], "ticks": [tick for _, tick in ticks]}
        await connection.execute(_WITNESS, parameters)


async def record(db: Database, endings: Sequence[Ending]) -> int:
    """Write outcomes: attempt, run, JobLog, audit, lock and whoever waits for it, in one transaction.

    Raises Unready in quarantine: the number of a record that was lost may stand in the status already, and what is
    recorded under it again would pass for witnessed.
    """
    if not endings:
        return 0
    keys = [ending.key for ending in endings]
    async with db.reconciled() as connection:
        await lock_states(connection, db, keys)
        return len(await record_locked(connection, db, endings))


async def record_locked(connection: AsyncConnection, db: Database, endings: Sequence[Ending]) -> set[AttemptKey]:
    """Do so within a transaction that holds the schedules; return the attempts for which it was news."""
    parameters = {**keyed(db, [ending.key for ending in endings]), **_ending_arrays(endings)}
    rows = (await connection.execute(_ENDED, parameters)).all()
    if rows:
        never = {ending.key for ending in endings if ending.never_let_go}
        await _follow(connection, db, rows, never)
    return {AttemptKey(row.run_id, row.n) for row in rows}


def _ending_arrays(endings: Sequence[Ending]) -> dict[str, list[Any]]:
    return {
        "uids": [ending.job_uid for ending in endings],
        "states": [ending.state.value for ending in endings],
        "reasons": [ending.reason.value for ending in endings],
        "messages": [clean(ending.message) for ending in endings],
        "started": [ending.started_at for ending in endings],
        "finished": [ending.finished_at for ending in endings],
    }


async def _follow(
    connection: AsyncConnection, db: Database, rows: Sequence[Any], never: Collection[AttemptKey]
) -> None:
    """Write everything that follows from these endings.

    Whatever was let go raises the witness: a Job has pods before its start time can be seen.
    """
    entries = [_entry(row, Reason(row.reason), row.message, AttemptState(row.state)) for row in rows]
    started = [row for row in rows if row.launched_at is not None or AttemptKey(row.run_id, row.n) not in never]
    await witness(connection, db, _ticks(started))
    successes = [row.finished_at if row.state == AttemptState.COMPLETED else None for row in rows]
    uids = [row.schedule_uid for row in rows]
    await advance_ledger(connection, db, uids, successes)
    await release_locks(connection, db, [entry.key for entry in entries if entry.state in _CERTAIN])
    await suspect_locks_of(connection, db, [entry.key for entry in entries if entry.state not in _CERTAIN])
    await end_runs(connection, entries)
    await end_logs(connection, db, entries)
    await chronicle(connection, db, entries)
    await wake(connection, db, uids)
    if any(row.backfill is not None for row in rows):
        await hint(connection, "stage")  # the next one's turn has come
    await failpoint("before-record-commit")


async def advance_ledger(
    connection: AsyncConnection, db: Database, uids: Sequence[str], successes: Sequence[datetime | None] | None = None
) -> None:
    """Raise the ledger's number of these schedules by one, to that of the records just written."""
    parameters = {"cluster": db.cluster, "uids": uids, "successes": successes or [None] * len(uids)}
    await connection.execute(_LEDGER, parameters)
