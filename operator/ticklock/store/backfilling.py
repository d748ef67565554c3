"""Backfills: a person has ticks of the past run that never started a Job.

Promise: what is decided and written is one transaction under the schedule's lock, so asking again, or ten people asking
at once, starts nothing twice. A verdict that is taken back stays in the audit trail. Not promised: an order among the
runs, beyond that the oldest are begun first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.backfill import Known, LeftAlone, Memory, Wanted, sort_out
from ticklock.domain.errors import Conflict, Refused
from ticklock.domain.instants import format_instant
from ticklock.domain.model import (
    AttemptKey,
    AttemptState,
    ClusterId,
    ObjectRef,
    Priority,
    RunId,
    RunState,
    ScheduleUid,
    run_id,
    tick_key,
)
from ticklock.domain.reasons import Reason
from ticklock.domain.timetable import TimetableError
from ticklock.ports import BackfillAnswer, BackfillOrder, Schedule
from ticklock.store.chronicle import Announcement, Entry, announce, chronicle, clean, judge, mark_dirty, unlog
from ticklock.store.partitions import audit_from
from ticklock.store.pending import room
from ticklock.store.planning import stored_timetable
from ticklock.store.rowlocks import hint, lock_specs
from ticklock.store.session import Database, sql
from ticklock.store.turns import NOT_YET

MOST = 10_000
"""Ticks of a range that are looked at; a range of more is refused."""

_NAMED = sql("""
SELECT cluster, namespace, name, uid FROM schedules
WHERE namespace = :namespace AND name = :name AND deleted_at IS NULL ORDER BY cluster
""")

_SPEC = sql("""
SELECT s.uid, s.namespace, s.name, s.generation, s.created_at, s.expression, s.time_zone, s.times, s.deleted_at,
       s.problem_message, st.next_tick, st.pruned_through, st.doubted_through
FROM schedules s JOIN schedule_state st ON st.cluster = s.cluster AND st.uid = s.uid
WHERE s.cluster = :cluster AND s.uid = :uid
""")

_KNOWN = sql("""
SELECT r.id, r.state, r.reason, r.message, bool_or(a.job_uid IS NOT NULL OR a.n > 1) AS bound
FROM runs r LEFT JOIN attempts a ON a.run_id = r.id
WHERE r.cluster = :cluster AND r.id = ANY(CAST(:ids AS uuid[]))
GROUP BY r.id
""")

_BOUND = sql("""
SELECT DISTINCT run_id FROM run_events
WHERE cluster = :cluster AND run_id = ANY(CAST(:ids AS uuid[]))
  AND status IN ('Bound', 'Launched', 'JobCompleted', 'JobFailed', 'JobDeleted', 'JobVanished', 'LedgerLost')
""")

_NEW = sql("""
INSERT INTO backfills (cluster, schedule_uid, begins, ends, max_parallel, asked_by)
VALUES (:cluster, :uid, :begin, :end, :max_parallel, :by) RETURNING id
""")

_RUNS = sql("""
INSERT INTO runs (id, cluster, schedule_uid, run_key, scheduled_time, state)
SELECT p.id, :cluster, :uid, p.run_key, p.tick, 'Pending'
FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:ticks AS timestamptz[])) AS p(id, run_key, tick)
ON CONFLICT (cluster, schedule_uid, run_key) DO UPDATE
SET state = 'Pending', reason = NULL, message = '', finished_at = NULL, first_tick = NULL, ticks = NULL
""")
"""A row that told of a range tells of its last tick alone from now on; of the others the audit trail tells."""

_ATTEMPTS = sql("""
INSERT INTO attempts (run_id, n, cluster, schedule_uid, state, is_tick, scheduled_time, due_at, priority, generation,
                      backfill)
SELECT p.id, 1, :cluster, :uid, 'planned', false, p.tick, :not_yet, :priority, :generation, :backfill
FROM unnest(CAST(:ids AS uuid[]), CAST(:ticks AS timestamptz[])) AS p(id, tick)
ON CONFLICT (run_id, n) DO UPDATE
SET state = 'planned', is_tick = false, due_at = :not_yet, priority = :priority, generation = :generation,
    backfill = :backfill, stage = attempts.stage + 1, staged_uid = NULL, name_suffix = 0, reason = NULL, message = '',
    finished_at = NULL, not_before = NULL, deferrals = 0, stop_reason = NULL, claimed_by = NULL, claimed_until = NULL
WHERE attempts.job_uid IS NULL AND attempts.state IN ('Missed', 'Skipped')
RETURNING run_id
""")
"""Not a tick of the timetable any more: neither a suspension nor a deadline, nor a newer tick, is about it."""

_OF_BACKFILLS = sql("""
SELECT run_id, n FROM attempts
WHERE cluster = :cluster AND schedule_uid = :uid AND state = 'planned' AND backfill IS NOT NULL
ORDER BY run_id FOR UPDATE
""")


async def named(db: Database, namespace: str, name: str) -> list[Schedule]:
    """Return the schedules of that name, one for each cluster that has it."""
    async with db.transaction() as connection:
        rows = await connection.execute(_NAMED, {"namespace": namespace, "name": name})
        return [Schedule(ClusterId(row.cluster), ObjectRef(row.namespace, row.name, row.uid)) for row in rows]


async def backfill(db: Database, ref: ObjectRef, order: BackfillOrder) -> BackfillAnswer:
    """Have the ticks of a past range run that never started a Job, or say what would run.

    Raises Refused where the order makes no sense, Conflict where the spec was edited meanwhile.
    """
    async with db.transaction() as connection:
        before = await _spec(connection, db, ref)
    ticks = _ticks(before, order)  # Not in a transaction: that may take a while, and would hold the schedule up.
    async with db.decision() as (connection, now):
        if order.end > now:
            raise Refused(f"the range ends at {format_instant(order.end)}, which lies ahead: a backfill is of the past")
        if not order.dry:
            await lock_specs(connection, db, [ref.uid])
        row = await _spec(connection, db, ref)
        if row["generation"] != before["generation"]:
            raise Conflict(f"{ref.namespace}/{ref.name} was edited meanwhile; ask again")
        wanted, left = await _sort_out(connection, db, row, ticks=ticks, order=order)
        if order.dry or not wanted or len(wanted) > order.limit:
            return BackfillAnswer(ref, wanted, left, too_many=len(wanted) > order.limit)
        free = await room(connection, db, [ref.namespace], more=len(wanted), waiting=True)
        if (objection := free.objection(ref.namespace, len(wanted))) is not None:
            raise Refused(f"{len(wanted)} more would wait, but {objection}")
        number = await _write(connection, db, row, order=order, wanted=wanted)
        return BackfillAnswer(ref, wanted, left, number)


async def _spec(connection: AsyncConnection, db: Database, ref: ObjectRef) -> dict[str, Any]:
    row = (await connection.execute(_SPEC, {"cluster": db.cluster, "uid": ref.uid})).mappings().one_or_none()
    if row is None or row["deleted_at"] is not None:
        raise Refused(f"{ref.namespace}/{ref.name} was deleted")
    if row["problem_message"] is not None:
        raise Refused(f"the spec of {ref.namespace}/{ref.name} cannot be followed: {row['problem_message']}")
    return dict(row)


def _ticks(row: dict[str, Any], order: BackfillOrder) -> list[datetime]:
    try:
        timetable = stored_timetable(row)
    except TimetableError as error:
        raise Refused(f"the timetable of {row['namespace']}/{row['name']} cannot be followed: {error}") from error
    after = order.begin.astimezone(UTC) - timedelta(microseconds=1)
    found = list(islice(timetable.ticks(after=after, until=order.end.astimezone(UTC)), MOST + 1))
    if len(found) > MOST:
        raise Refused(f"the range holds more than {MOST} ticks; ask for shorter ones, one after the other")
    return found


async def _sort_out(
    connection: AsyncConnection,
    db: Database,
    row: dict[str, Any],
    *,
    ticks: Sequence[datetime],
    order: BackfillOrder,
) -> tuple[Sequence[Wanted], Sequence[LeftAlone]]:
    ids = {run_id(db.cluster, ScheduleUid(row["uid"]), tick_key(tick)): tick for tick in ticks}
    which = {"cluster": db.cluster, "ids": list(ids)}
    known = {
        ids[RunId(run.id)]: Known(RunState(run.state), run.reason, run.message, bool(run.bound))
        for run in await connection.execute(_KNOWN, which)
    }
    bound = frozenset(ids[RunId(found)] for (found,) in await connection.execute(_BOUND, which))
    memory = Memory(
        created_at=row["created_at"],
        pruned_through=row["pruned_through"],
        audit_from=await audit_from(connection),
        doubted_through=row["doubted_through"],
        next_tick=row["next_tick"],
        before_creation=order.before_creation,
    )
    return sort_out(ticks, known, bound, memory)


async def _write(
    connection: AsyncConnection, db: Database, row: dict[str, Any], *, order: BackfillOrder, wanted: Sequence[Wanted]
) -> int:
    """Plan these ticks, the verdicts that some of them have taken back; return the backfill's number."""
    ref = ObjectRef(row["namespace"], row["name"], row["uid"])
    by = clean(order.by)
    new = {"uid": ref.uid, "begin": order.begin, "end": order.end, "max_parallel": order.max_parallel, "by": by}
    number = int((await connection.execute(_NEW, {"cluster": db.cluster, **new})).scalar_one())
    ids = {run_id(db.cluster, ref.uid, tick_key(one.tick)): one for one in wanted}
    parameters = {
        "cluster": db.cluster,
        "uid": ref.uid,
        "ids": list(ids),
        "keys": [tick_key(one.tick) for one in ids.values()],
        "ticks": [one.tick for one in ids.values()],
        "not_yet": NOT_YET,
        "priority": int(Priority.LOW),
        "generation": row["generation"],
        "backfill": number,
    }
    await unlog(connection, [key for key, one in ids.items() if one.former is not None])
    await connection.execute(_RUNS, parameters)
    planned = {found for (found,) in await connection.execute(_ATTEMPTS, parameters)}
    if planned != set(ids):  # Nobody else writes them while the schedule is locked.
        raise Conflict(f"the runs of {ref.namespace}/{ref.name} have changed meanwhile; ask again")
    words = f"backfill {number}, asked for by {by}"
    entries = [
        Entry(AttemptKey(key, 1), ref, Reason.BACKFILLED, f"{words}{_before(one)}", AttemptState.PLANNED)
        for key, one in ids.items()
    ]
    await chronicle(connection, db, entries, report=False)
    await announce(connection, db, [Announcement(ref, "Normal", Reason.BACKFILLED, "Backfill", _told(words, wanted))])
    await mark_dirty(connection, db, [ref.uid])
    await hint(connection, "stage")
    return number


def _before(one: Wanted) -> str:
    if one.former is None:
        return ""
    was = one.former
    return f"; it was {was.state}" + (f", {was.reason}: {was.message}" if was.reason else "")


def _told(words: str, wanted: Sequence[Wanted]) -> str:
    first, last = wanted[0].tick, wanted[-1].tick
    runs = "1 run" if len(wanted) == 1 else f"{len(wanted)} runs"
    return f"{words}: {runs} of ticks from {first:%FT%TZ} to {last:%FT%TZ}"


async def cancel(db: Database, ref: ObjectRef, *, by: str) -> int:
    """Take the runs of a schedule's backfills back that are not bound yet; return how many."""
    async with db.decision() as (connection, _):
        await lock_specs(connection, db, [ref.uid])
        rows = (await connection.execute(_OF_BACKFILLS, {"cluster": db.cluster, "uid": ref.uid})).all()
        message = f"the backfill was cancelled by {clean(by)} before this run was bound"
        entries = [
            Entry(AttemptKey(row.run_id, row.n), ref, Reason.BACKFILL_CANCELLED, message, AttemptState.SKIPPED)
            for row in rows
        ]
        return len(await judge(connection, db, entries))
