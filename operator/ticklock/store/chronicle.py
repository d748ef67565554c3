"""What happened, written in the transaction in which it happened: audit trail, JobLog, Kubernetes Event, report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, RunId, RunState
from ticklock.domain.reasons import Reason
from ticklock.failpoints import failpoint
from ticklock.store.session import Database, sql

NOTE_LIMIT = 1024
"""Bytes that the API server accepts in an Event's note."""

_QUIET = frozenset(
    {
        Reason.PLANNED,
        Reason.STAGED,
        Reason.BOUND,
        Reason.WAITING_FOR_RUN,
        Reason.POD_CHOSEN,
        Reason.POD_ADMITTED,
        Reason.BACKFILLED,
        Reason.WAITING_FOR_TURN,
    }
)
"""In the audit trail only: as Events they would bury the ones that matter."""

_WARNING = frozenset({AttemptState.FAILED, AttemptState.MISSED, AttemptState.UNKNOWN})
_ALARMING = frozenset({Reason.SECOND_POD})
"""A warning whatever the state of the run."""


def clean(words: str) -> str:
    """Return a text that PostgreSQL can store: messages come from anywhere, and NUL it cannot."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact about one run."""

    key: AttemptKey
    ref: ObjectRef
    reason: Reason
    message: str
    state: AttemptState
    job_name: str | None = None
    job_uid: str | None = None
    ticks: int = 1
    """How many ticks it tells of."""


_AUDIT = sql("""
INSERT INTO run_events (cluster, run_id, status, message, replica)
SELECT :cluster, e.run_id, e.status, e.message, :replica
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:statuses AS text[]), CAST(:messages AS text[]))
     AS e(run_id, status, message)
""")

_OUTBOX = sql("""
INSERT INTO object_events (cluster, schedule_uid, namespace, name, type, reason, action, note, related_job, related_uid,
                           state, ticks)
SELECT :cluster, e.*
FROM unnest(CAST(:uids AS text[]), CAST(:namespaces AS text[]), CAST(:names AS text[]), CAST(:types AS text[]),
            CAST(:reasons AS text[]), CAST(:actions AS text[]), CAST(:notes AS text[]),
            CAST(:jobs AS text[]), CAST(:job_uids AS text[]), CAST(:states AS text[]),
            CAST(:ticks AS int[])) AS e
""")

_DIRTY = sql("""
UPDATE schedule_state SET report_seq = report_seq + 1 WHERE cluster = :cluster AND uid = ANY(CAST(:uids AS text[]))
""")

_LOG_BEGIN = sql("""
INSERT INTO job_logs (cluster, app_id, job_name, status, run_id, n, created_time)
SELECT :cluster, :replica, e.job_name, 'Processing', e.run_id, e.n, a.logged_at
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:names AS text[])) AS e(run_id, n, job_name)
JOIN attempts a ON a.run_id = e.run_id AND a.n = e.n
ON CONFLICT (run_id, n, created_time) DO UPDATE
SET status = 'Processing', remark = '', updated_time = clock_timestamp()
""")
"""An attempt remembers when its row was first written, so that the row is met again in one partition of all."""

_LOG_END = sql("""
INSERT INTO job_logs (cluster, app_id, job_name, status, remark, run_id, n, created_time)
SELECT :cluster, :replica, e.job_name, e.status, e.remark, e.run_id, e.n, a.logged_at
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:names AS text[]), CAST(:statuses AS text[]),
            CAST(:remarks AS text[])) AS e(run_id, n, job_name, status, remark)
JOIN attempts a ON a.run_id = e.run_id AND a.n = e.n
ON CONFLICT (run_id, n, created_time) DO UPDATE
SET status = excluded.status, remark = excluded.remark, updated_time = clock_timestamp()
""")

_UNLOG = sql("""
WITH gone AS (
  DELETE FROM job_logs l USING attempts a
  WHERE a.run_id = ANY(CAST(:run_ids AS uuid[])) AND a.n = 1
    AND l.run_id = a.run_id AND l.n = a.n AND l.created_time = a.logged_at
)
UPDATE attempts SET logged_at = NULL WHERE run_id = ANY(CAST(:run_ids AS uuid[])) AND n = 1
""")


async def chronicle(
    connection: AsyncConnection, db: Database, entries: Sequence[Entry], *, report: bool = True
) -> None:
    """Write the audit events and queue the Kubernetes Events of these facts; mark their schedules for a report."""
    if not entries:
        return
    await connection.execute(
        _AUDIT,
        {
            "cluster": db.cluster,
            "replica": db.replica,
            "run_ids": [entry.key.run_id for entry in entries],
            "statuses": [entry.reason.value for entry in entries],
            "messages": [entry.message for entry in entries],
        },
    )
    await _queue_events(connection, db, [entry for entry in entries if entry.reason not in _QUIET])
    if report:
        await mark_dirty(connection, db, (entry.ref.uid for entry in entries))


async def _queue_events(connection: AsyncConnection, db: Database, entries: Sequence[Entry]) -> None:
    if entries:
        await announce(
            connection,
            db,
            [
                Announcement(
                    entry.ref,
                    "Warning" if entry.state in _WARNING or entry.reason in _ALARMING else "Normal",
                    entry.reason,
                    "Run",
                    f"run {entry.key.run_id}: {entry.message}",
                    entry.job_name,
                    entry.job_uid,
                    None if entry.state.is_open else entry.state.as_run_state,
                    entry.ticks,
                )
                for entry in entries
            ],
        )


@dataclass(frozen=True, slots=True)
class Announcement:
    """One Kubernetes Event to be posted by the leader."""

    ref: ObjectRef | None
    """The object that it is about; None: the installation."""
    type: str
    reason: Reason
    action: str
    note: str
    related_job: str | None = None
    related_uid: str | None = None
    state: RunState | None = None
    """Where it tells the end of a run."""
    ticks: int = 1
    """How many ticks it tells of."""


async def announce(connection: AsyncConnection, db: Database, items: Sequence[Announcement]) -> None:
    """Queue Events; they are posted at least once under a name of their own, so users see each once."""
    if not items:
        return
    await connection.execute(
        _OUTBOX,
        {
            "cluster": db.cluster,
            "uids": [item.ref and item.ref.uid for item in items],
            "namespaces": [item.ref and item.ref.namespace for item in items],
            "names": [item.ref and item.ref.name for item in items],
            "types": [item.type for item in items],
            "reasons": [item.reason.value for item in items],
            "actions": [item.action for item in items],
            "notes": [clean(item.note).encode()[:NOTE_LIMIT].decode(errors="ignore") for item in items],
            "jobs": [item.related_job for item in items],
            "job_uids": [item.related_uid for item in items],
            "states": [item.state for item in items],
            "ticks": [None if item.ticks == 1 else item.ticks for item in items],
        },
    )


async def mark_dirty(connection: AsyncConnection, db: Database, uids: Iterable[str]) -> None:
    """Ask for a new status of these objects. The caller holds their state rows, or locks them in order first."""
    await connection.execute(_DIRTY, {"cluster": db.cluster, "uids": sorted(set(uids))})


async def begin_logs(connection: AsyncConnection, db: Database, logs: Sequence[tuple[AttemptKey, str]]) -> None:
    """Write `Processing` for attempts that were bound, and their `logged_at` with it: (attempt, ScheduledJob name)."""
    if logs:
        await connection.execute(
            _LOG_BEGIN,
            {
                "cluster": db.cluster,
                "replica": db.replica,
                "run_ids": [key.run_id for key, _ in logs],
                "ns": [key.n for key, _ in logs],
                "names": [name for _, name in logs],
            },
        )


async def end_logs(connection: AsyncConnection, db: Database, entries: Sequence[Entry]) -> None:
    """Write `Completed`, or `Exited` with the reason as the remark."""
    if not entries:
        return
    done = [entry.state is AttemptState.COMPLETED for entry in entries]
    await connection.execute(
        _LOG_END,
        {
            "cluster": db.cluster,
            "replica": db.replica,
            "run_ids": [entry.key.run_id for entry in entries],
            "ns": [entry.key.n for entry in entries],
            "names": [entry.ref.name for entry in entries],
            "statuses": ["Completed" if ok else "Exited" for ok in done],
            "remarks": [
                "" if ok else f"{entry.reason}: {entry.message}" for ok, entry in zip(done, entries, strict=True)
            ],
        },
    )


async def unlog(connection: AsyncConnection, run_ids: Sequence[RunId]) -> None:
    """Take the rows of first attempts back that are planned again: what they said is no longer so."""
    await connection.execute(_UNLOG, {"run_ids": run_ids})


_JUDGE = sql("""
UPDATE attempts a SET state = v.state, reason = v.reason, message = v.message, finished_at = clock_timestamp(),
       logged_at = coalesce(a.logged_at, clock_timestamp()), claimed_by = NULL, claimed_until = NULL
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
            CAST(:messages AS text[])) AS v(run_id, n, state, reason, message)
WHERE a.run_id = v.run_id AND a.n = v.n AND a.state = 'planned'
RETURNING a.run_id, a.n
""")

_JUDGE_RUNS = sql("""
UPDATE runs r SET state = v.state, reason = v.reason, message = v.message, finished_at = clock_timestamp()
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:messages AS text[]))
     AS v(run_id, state, reason, message)
WHERE r.id = v.run_id
""")


async def judge(connection: AsyncConnection, db: Database, entries: Sequence[Entry]) -> set[AttemptKey]:
    """End planned attempts without a run: the verdict, by compare-and-set on `planned`. Return those that took it."""
    if not entries:
        return set()
    parameters = {
        "run_ids": [entry.key.run_id for entry in entries],
        "ns": [entry.key.n for entry in entries],
        "states": [entry.state.value for entry in entries],
        "reasons": [entry.reason.value for entry in entries],
        "messages": [entry.message for entry in entries],
    }
    rows = await connection.execute(_JUDGE, parameters)
    taken = {AttemptKey(run_id, n) for run_id, n in rows}
    took = [entry for entry in entries if entry.key in taken]
    await end_runs(connection, took)
    await end_logs(connection, db, took)
    await chronicle(connection, db, took)
    if took:
        await failpoint("before-verdict-commit")
    return taken


async def end_runs(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Give the runs of these attempts their attempts' state and reason."""
    if entries:
        await connection.execute(
            _JUDGE_RUNS,
            {
                "run_ids": [entry.key.run_id for entry in entries],
                "states": [entry.state.as_run_state.value for entry in entries],
                "reasons": [entry.reason.value for entry in entries],
                "messages": [entry.message for entry in entries],
            },
        )
