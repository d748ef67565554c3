"""`store/deletion.py`: objects that are gone, or that were found changed while nobody leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.simulation.ledger.chronicle import Entry, Tx, judge, mark_dirty
from tests.simulation.ledger.rows import AttemptRow
from ticklock.domain.model import AttemptState, JobUid, ObjectRef
from ticklock.domain.reasons import Reason
from ticklock.ports import Leftover, Standing


def planned_of(tx: Tx, ref: ObjectRef) -> list[AttemptRow]:
    return [row for row in tx.book.attempts.of(ref.uid) if row.state is AttemptState.PLANNED]


def judge_planned(tx: Tx, ref: ObjectRef, rows: Sequence[AttemptRow], verdicts: Sequence[Entry]) -> list[Leftover]:
    taken = judge(tx, verdicts)
    return [
        Leftover(ref.namespace, row.job_name or "", JobUid(row.staged_uid), row.key)
        for row in rows
        if row.staged_uid and row.key in taken
    ]


def bury(tx: Tx, ref: ObjectRef) -> list[Leftover]:
    """Make a tombstone of a schedule; its planned runs stop, its bound ones end by themselves."""
    schedule = tx.book.schedules.get(ref.uid)
    if schedule is not None and schedule.deleted_at is None:
        tx.book.schedules.put(ref.uid, replace(schedule, deleted_at=tx.now))
    _no_next(tx, ref)
    rows = planned_of(tx, ref)
    message = "the ScheduledJob was deleted before this run was bound"
    verdicts = [Entry(row.key, ref, Reason.SCHEDULE_DELETED, message, AttemptState.STOPPED) for row in rows]
    return judge_planned(tx, ref, rows, verdicts)


def _no_next(tx: Tx, ref: ObjectRef) -> None:
    """Owe nothing more: whether ticks beyond the cursor lay before the deletion or suspension, nobody can tell."""
    if (state := tx.book.states.get(ref.uid)) is not None:
        tx.book.follow(ref.uid, min(tx.now, state.cursor), None)
        tx.book.states.put(ref.uid, replace(state, next_tick=None))


def obey(tx: Tx, ref: ObjectRef, standing: Standing | None) -> list[Leftover]:
    tx.gate()
    if standing is None or standing.deleting or standing.uid != ref.uid:
        return bury(tx, ref)
    if not standing.suspended:
        return []
    schedule = tx.book.schedules.get(ref.uid)
    if schedule is not None and not schedule.suspend:
        # What was read may be older than what is stored: whatever the reconciler lists next counts as newer.
        again, since = schedule.generation - 1, schedule.paused_at or tx.now
        tx.book.schedules.put(ref.uid, replace(schedule, suspend=True, generation=again, paused_at=since))
    _no_next(tx, ref)
    rows = planned_of(tx, ref)
    message = "the schedule was found suspended before this run was bound"
    verdicts = [
        Entry(row.key, ref, Reason.SCHEDULE_SUSPENDED, message, AttemptState.SKIPPED) for row in rows if row.is_tick
    ]
    mark_dirty(tx, [ref.uid])
    return judge_planned(tx, ref, rows, verdicts)
