"""Objects that are gone, and objects that were found changed while nobody leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, JobUid, ObjectRef
from ticklock.domain.reasons import Reason
from ticklock.ports import Leftover, Standing
from ticklock.store.chronicle import Entry, judge, mark_dirty
from ticklock.store.rowlocks import lock_specs
from ticklock.store.session import Database, sql

_PLANNED = sql("""
SELECT run_id, n, is_tick, scheduled_time, staged_uid, job_name FROM attempts
WHERE cluster = :cluster AND schedule_uid = :uid AND state = 'planned' ORDER BY run_id, n FOR UPDATE
""")

_BURY = sql("""
UPDATE schedules SET deleted_at = clock_timestamp() WHERE cluster = :cluster AND uid = :uid AND deleted_at IS NULL
""")

_SUSPEND = sql("""
UPDATE schedules
SET suspend = true, generation = generation - 1,
    paused_at = CASE WHEN problem_reason IS NULL THEN clock_timestamp() ELSE coalesce(paused_at, clock_timestamp()) END
WHERE cluster = :cluster AND uid = :uid AND NOT suspend
""")
"""What was read may be older than what is stored: whatever the reconciler lists next counts as newer."""

_NO_NEXT = sql("UPDATE schedule_state SET next_tick = NULL WHERE cluster = :cluster AND uid = :uid")


async def planned_of(connection: AsyncConnection, db: Database, ref: ObjectRef) -> Sequence[Any]:
    """Return the planned attempts of a schedule, locked."""
    return (await connection.execute(_PLANNED, {"cluster": db.cluster, "uid": ref.uid})).all()


async def judge_planned(
    connection: AsyncConnection, db: Database, ref: ObjectRef, *, rows: Sequence[Any], verdicts: Sequence[Entry]
) -> list[Leftover]:
    """Write verdicts over these planned attempts; return the Jobs that they leave over."""
    taken = await judge(connection, db, verdicts)
    return [
        Leftover(ref.namespace, row.job_name, JobUid(row.staged_uid), AttemptKey(row.run_id, row.n))
        for row in rows
        if row.staged_uid and AttemptKey(row.run_id, row.n) in taken
    ]


async def bury(connection: AsyncConnection, db: Database, ref: ObjectRef) -> list[Leftover]:
    """Make a tombstone of a schedule; its planned runs stop, its bound ones end by themselves."""
    which = {"cluster": db.cluster, "uid": ref.uid}
    await connection.execute(_BURY, which)
    await connection.execute(_NO_NEXT, which)
    rows = await planned_of(connection, db, ref)
    message = "the ScheduledJob was deleted before this run was bound"
    verdicts = [
        Entry(AttemptKey(row.run_id, row.n), ref, Reason.SCHEDULE_DELETED, message, AttemptState.STOPPED)
        for row in rows
    ]
    return await judge_planned(connection, db, ref, rows=rows, verdicts=verdicts)


async def obey(db: Database, ref: ObjectRef, standing: Standing | None) -> list[Leftover]:
    """Judge the planned ticks of an object that was found suspended, deleted or replaced while nobody leads.

    A suspension holds until the reconciler stores the object's newer spec: nothing is planned meanwhile.
    """
    async with db.decision() as (connection, _):
        await lock_specs(connection, db, [ref.uid])
        if standing is None or standing.deleting or standing.uid != ref.uid:
            return await bury(connection, db, ref)
        if not standing.suspended:
            return []
        which = {"cluster": db.cluster, "uid": ref.uid}
        await connection.execute(_SUSPEND, which)
        await connection.execute(_NO_NEXT, which)
        rows = await planned_of(connection, db, ref)
        message = "the schedule was found suspended before this run was bound"
        verdicts = [
            Entry(AttemptKey(row.run_id, row.n), ref, Reason.SCHEDULE_SUSPENDED, message, AttemptState.SKIPPED)
            for row in rows
            if row.is_tick
        ]
        await mark_dirty(connection, db, [ref.uid])
        return await judge_planned(connection, db, ref, rows=rows, verdicts=verdicts)
