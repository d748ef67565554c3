"""What the leader tells the cluster: status, Events, releases. Every write carries the epoch of its term."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ticklock.domain.model import AttemptKey, JobUid, ObjectRef, RunState
from ticklock.domain.reasons import Reason
from ticklock.ports import ActiveJob, LastRun, ObjectEvent, Release, Report, ScheduleTimes
from ticklock.store.rowlocks import keyed, lock_schedules, lock_states
from ticklock.store.session import Database, sql
from ticklock.store.terms import fence

_LAST_RUN = """
LATERAL (
  SELECT r.id, r.scheduled_time, r.state, r.reason, r.message, a.job_name, a.due_at, a.launched_at, a.started_at,
         a.finished_at, p.pod_name
  FROM runs r LEFT JOIN attempts a ON a.run_id = r.id
  LEFT JOIN pods p ON p.run_id = a.run_id AND p.n = a.n AND p.role = 'chosen'
  WHERE r.cluster = st.cluster AND r.schedule_uid = st.uid AND {states}
  ORDER BY r.scheduled_time DESC, a.n DESC LIMIT 1
)
"""

_REPORTS = sql(f"""
WITH dirty AS MATERIALIZED (
  SELECT st.*, s.namespace, s.name, s.generation, s.created_at, s.expression, s.time_zone, s.suspend, s.problem_reason,
         s.problem_message
  FROM schedule_state st JOIN schedules s ON s.cluster = st.cluster AND s.uid = st.uid AND s.deleted_at IS NULL
  WHERE st.cluster = :cluster AND st.report_seq > st.reported_seq
    AND st.reported_at < clock_timestamp() - interval '1 second'
  ORDER BY st.reported_at
  LIMIT :limit
)
SELECT st.*, clock_timestamp() AS now, p.next_planned, act.active, act.active_count,
       to_jsonb(lr.*) AS last_run, to_jsonb(le.*) AS last_ended, cl.reason AS closed_reason, cl.cause AS closed_cause,
       cl.closed_at
FROM dirty st
LEFT JOIN LATERAL (
  SELECT reason, cause, closed_at FROM closures
  WHERE cluster = st.cluster AND opened_at IS NULL AND told ORDER BY closed_at LIMIT 1
) cl ON true
LEFT JOIN LATERAL (
  SELECT min(scheduled_time) AS next_planned FROM attempts
  WHERE cluster = st.cluster AND schedule_uid = st.uid AND state = 'planned' AND is_tick AND due_at > clock_timestamp()
) p ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS active_count,
         (jsonb_agg(jsonb_build_array(job_name, job_uid) ORDER BY scheduled_time DESC) FILTER (WHERE rank <= 20))
           AS active
  FROM (SELECT job_name, job_uid, scheduled_time, row_number() OVER (ORDER BY scheduled_time DESC) AS rank FROM attempts
        WHERE cluster = st.cluster AND schedule_uid = st.uid AND state IN ('bound', 'launched')) x
) act ON true
LEFT JOIN {_LAST_RUN.format(states="r.state <> 'Pending'")} lr ON true
LEFT JOIN {_LAST_RUN.format(states="r.state NOT IN ('Pending', 'Running', 'Skipped')")} le ON true
""")  # noqa: S608 - constants of this module

_TIMES = sql("""
SELECT s.namespace, s.name, s.uid, st.last_launched_tick, st.last_success,
       coalesce(p.next_planned, st.next_tick) AS next
FROM schedule_state st JOIN schedules s ON s.cluster = st.cluster AND s.uid = st.uid AND s.deleted_at IS NULL
LEFT JOIN LATERAL (
  SELECT min(scheduled_time) AS next_planned FROM attempts
  WHERE cluster = st.cluster AND schedule_uid = st.uid AND state = 'planned' AND is_tick AND due_at > clock_timestamp()
) p ON true
WHERE st.cluster = :cluster
""")

_REPORTED = sql("""
UPDATE schedule_state st
SET reported_seq = greatest(st.reported_seq, w.seq), witnessed_seq = greatest(st.witnessed_seq, w.ledger_seq),
    reported_at = clock_timestamp()
FROM unnest(CAST(:uids AS text[]), CAST(:seqs AS bigint[]), CAST(:ledger_seqs AS bigint[])) AS w(uid, seq, ledger_seq)
WHERE st.cluster = :cluster AND st.uid = w.uid
""")

_RELEASES = sql("""
SELECT a.run_id, a.n, s.namespace, a.job_name, a.job_uid
FROM attempts a
JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
JOIN schedule_state st ON st.cluster = a.cluster AND st.uid = a.schedule_uid
WHERE a.cluster = :cluster AND a.job_uid IS NOT NULL AND a.released_at IS NULL AND a.record_seq IS NOT NULL
  AND (a.record_seq <= st.witnessed_seq OR s.deleted_at IS NOT NULL)
LIMIT :limit
""")

_RELEASED = sql("""
UPDATE attempts SET released_at = clock_timestamp()
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
  AND record_seq IS NOT NULL AND released_at IS NULL
""")

_RELEASE_AGAIN = sql("""
UPDATE attempts SET released_at = NULL, absent_at = NULL
WHERE cluster = :cluster AND run_id = :run_id AND n = :n AND job_uid = :uid AND released_at IS NOT NULL
""")

_SURPLUS = sql("""
SELECT run_id, n, namespace, job_name, job_uid FROM (
  SELECT a.run_id, a.n, s.namespace, a.job_name, a.job_uid, a.state, s.keep_successful, s.keep_failed,
         row_number() OVER (PARTITION BY a.schedule_uid, a.state = 'Completed' ORDER BY a.finished_at DESC, a.run_id)
           AS place
  FROM attempts a JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
  WHERE a.cluster = :cluster AND a.released_at IS NOT NULL AND a.absent_at IS NULL AND a.job_uid IS NOT NULL
) x
WHERE place > CASE WHEN state = 'Completed' THEN keep_successful ELSE keep_failed END
LIMIT :limit
""")

_ABSENT = sql("""
UPDATE attempts SET absent_at = clock_timestamp()
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
  AND record_seq IS NOT NULL AND absent_at IS NULL
""")

_OUTBOX = sql("SELECT * FROM object_events WHERE cluster = :cluster ORDER BY id LIMIT :limit")

_POSTED = sql("DELETE FROM object_events WHERE cluster = :cluster AND id = ANY(CAST(:ids AS bigint[]))")


async def reports(db: Database, epoch: int, *, limit: int) -> list[Report]:
    """Return schedules whose status is older than the ledger, the longest unreported first."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        result = await connection.execute(_REPORTS, {"cluster": db.cluster, "limit": limit})
        return [_report(dict(row)) for row in result.mappings()]


def _report(row: dict[str, Any]) -> Report:
    return Report(
        ref=ObjectRef(row["namespace"], row["name"], row["uid"]),
        seq=row["report_seq"],
        generation=row["generation"],
        ledger_seq=row["ledger_seq"],
        expression=row["expression"],
        time_zone=row["time_zone"],
        created_at=row["created_at"],
        suspended=row["suspend"],
        problem_reason=row["problem_reason"],
        problem_message=row["problem_message"],
        next_time=row["next_planned"] or row["next_tick"],
        witness=row["last_launched_tick"],
        last_success=row["last_success"],
        last_trigger=row["last_trigger"],
        active=[ActiveJob(name, JobUid(uid), row["namespace"]) for name, uid in row["active"] or ()],
        active_count=row["active_count"],
        last_run=_last_run(row["last_run"]),
        last_ended=_last_run(row["last_ended"]),
        now=row["now"],
        closed_reason=Reason(row["closed_reason"]) if row["closed_reason"] else None,
        closed_message=f"nothing is launched since {row['closed_at']:%FT%TZ}: {row['closed_cause']}"
        if row["closed_reason"]
        else "",
    )


def _last_run(found: dict[str, Any] | None) -> LastRun | None:
    if not found or found.get("id") is None:
        return None
    scheduled = parse_time(found["scheduled_time"])
    launched = parse_time(found["launched_at"])
    if scheduled is None:  # pragma: no cover - the column is NOT NULL
        return None
    return LastRun(
        id=found["id"],
        scheduled_time=scheduled,
        state=RunState(found["state"]),
        reason=Reason(found["reason"]) if found["reason"] else None,
        message=found["message"] or "",
        job_name=found["job_name"],
        started_at=parse_time(found["started_at"]) or launched,
        finished_at=parse_time(found["finished_at"]),
        lag_seconds=(launched - (parse_time(found["due_at"]) or scheduled)).total_seconds() if launched else None,
        pod_name=found["pod_name"],
    )


def parse_time(value: str | None) -> datetime | None:
    """Return a time that PostgreSQL wrote into JSON."""
    return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


async def schedule_times(db: Database, epoch: int) -> list[ScheduleTimes]:
    """Return every schedule that is not a tombstone, for a new leader's metrics."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        result = await connection.execute(_TIMES, {"cluster": db.cluster})
        return [
            ScheduleTimes(
                ObjectRef(row.namespace, row.name, row.uid), row.next, row.last_launched_tick, row.last_success
            )
            for row in result
        ]


async def reported(db: Database, epoch: int, written: Sequence[tuple[Report, bool]]) -> None:
    """Note which report and which ledger number each object now shows."""
    if not written:
        return
    parameters = {
        "cluster": db.cluster,
        "uids": [report.ref.uid for report, _ in written],
        "seqs": [report.seq for report, _ in written],
        "ledger_seqs": [report.ledger_seq for report, _ in written],
    }
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        await lock_schedules(connection, db, [report.ref.uid for report, _ in written])
        await connection.execute(_REPORTED, parameters)


async def releases(db: Database, epoch: int, *, limit: int) -> list[Release]:
    """Return recorded attempts whose outcome is witnessed, or whose object is gone."""
    return await _release_rows(db, epoch, _RELEASES, limit)


async def surplus(db: Database, epoch: int, *, limit: int) -> list[Release]:
    """Return released Jobs beyond the history limits of their schedules."""
    return await _release_rows(db, epoch, _SURPLUS, limit)


async def _release_rows(db: Database, epoch: int, statement: Any, limit: int) -> list[Release]:
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        result = await connection.execute(statement, {"cluster": db.cluster, "limit": limit})
        return [
            Release(AttemptKey(row.run_id, row.n), row.namespace, row.job_name, JobUid(row.job_uid)) for row in result
        ]


async def released(db: Database, epoch: int, keys: Sequence[AttemptKey]) -> None:
    """Note that the finalizers are off."""
    if not keys:
        return
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        await lock_states(connection, db, keys)
        await connection.execute(_RELEASED, keyed(db, keys))


async def release_again(db: Database, key: AttemptKey, uid: JobUid) -> None:
    """Note that the finalizer is on the Job after all: the cluster was set back, or the note was of an earlier Job."""
    async with db.transaction() as connection:
        await lock_states(connection, db, [key])
        await connection.execute(_RELEASE_AGAIN, {"cluster": db.cluster, "run_id": key.run_id, "n": key.n, "uid": uid})


async def absent(db: Database, keys: Sequence[AttemptKey]) -> None:
    """Note that the Jobs of these recorded attempts are confirmed gone; the news of it may come before the release."""
    if not keys:
        return
    async with db.transaction() as connection:
        await lock_states(connection, db, keys)
        await connection.execute(_ABSENT, keyed(db, keys))


async def outbox(db: Database, epoch: int, *, limit: int) -> list[ObjectEvent]:
    """Return Events still to be posted, oldest first."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        result = await connection.execute(_OUTBOX, {"cluster": db.cluster, "limit": limit})
        return [
            ObjectEvent(
                id=row.id,
                ref=ObjectRef(row.namespace, row.name, row.schedule_uid) if row.schedule_uid else None,
                type=row.type,
                reason=Reason(row.reason),
                action=row.action,
                note=row.note,
                at=row.created_at,
                related_job=row.related_job,
                related_uid=row.related_uid,
                state=RunState(row.state) if row.state else None,
                ticks=row.ticks or 1,
            )
            for row in result
        ]


async def posted(db: Database, epoch: int, ids: Sequence[int]) -> None:
    """Forget posted Events."""
    if not ids:
        return
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        await connection.execute(_POSTED, {"cluster": db.cluster, "ids": list(ids)})
