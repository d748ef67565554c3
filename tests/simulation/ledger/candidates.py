"""`store/candidates.py`: the planned attempts a replica looks at, with what policy decides of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.simulation.ledger.chronicle import Tx
from tests.simulation.ledger.rows import AttemptRow, LockName, ScheduleRow
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, ObjectRef
from ticklock.domain.policy import Decision, Defer, Situation, decide
from ticklock.ports import Blocker

ACTIVE = frozenset({AttemptState.BOUND, AttemptState.LAUNCHED})


@dataclass(frozen=True, slots=True)
class Candidate:
    row: AttemptRow
    schedule: ScheduleRow
    lock: LockName | None
    blocker: Blocker | None
    decision: Decision

    @property
    def ref(self) -> ObjectRef:
        return self.schedule.ref


def candidates(tx: Tx, *, staged: bool, ahead: timedelta, limit: int) -> list[Candidate]:
    rows = [
        row
        for row in tx.book.attempts.open.values()
        if row.state is AttemptState.PLANNED
        and (row.staged_uid is not None) is staged
        and row.due_at <= tx.now + ahead
        and (row.not_before is None or row.not_before <= tx.now)
        and (row.claimed_until is None or row.claimed_until <= tx.now)
    ]
    rows.sort(key=lambda row: (row.priority, row.due_at))
    return [_candidate(tx, row) for row in rows[:limit]]


def _candidate(tx: Tx, row: AttemptRow) -> Candidate:
    schedule = tx.book.schedules[row.uid]
    lock = lock_of(schedule)
    blocker = None if lock is None else _blocker(tx, schedule, lock)
    situation = Situation(
        tick=row.scheduled_time,
        due_at=row.due_at,
        now=tx.now,
        is_tick=row.is_tick,
        deleted=schedule.deleted_at is not None,
        suspended=schedule.suspend,
        deadline=schedule.starting_deadline,
        policy=schedule.concurrency,
        newest_due=_newest_due(tx, row),
        blocked_by=None if blocker is None else str(blocker.key.run_id),
    )
    return Candidate(row, schedule, lock, blocker, decide(situation))


def lock_of(schedule: ScheduleRow) -> LockName | None:
    if schedule.concurrency is ConcurrencyPolicy.ALLOW:
        return None
    return schedule.ref.namespace, schedule.queue, schedule.ref.name


def _newest_due(tx: Tx, row: AttemptRow) -> datetime | None:
    due = [one.scheduled_time for one in tx.book.attempts.of(row.uid) if one.is_tick and one.due_at <= tx.now]
    launched = tx.book.states[row.uid].last_launched_tick
    if launched is not None:
        due.append(launched)
    return max(due, default=None)


def _blocker(tx: Tx, schedule: ScheduleRow, lock: LockName) -> Blocker | None:
    """The holder of the lock, by name alone; else the oldest active run, which may have begun without a lock."""
    replace = schedule.concurrency is ConcurrencyPolicy.REPLACE
    for (namespace, _, name), held in tx.book.locks.rows.items():
        holder = tx.book.attempts.get(held.key)
        if (namespace, name) == (lock[0], lock[2]) and holder is not None:
            return _as_blocker(holder, schedule, replace=replace)
    active = [row for row in tx.book.attempts.of(schedule.ref.uid) if row.state in ACTIVE]
    if not active:
        return None
    return _as_blocker(min(active, key=lambda row: (row.scheduled_time, str(row.key))), schedule, replace=replace)


def _as_blocker(row: AttemptRow, schedule: ScheduleRow, *, replace: bool) -> Blocker:
    ref = ObjectRef(schedule.ref.namespace, schedule.ref.name, row.uid)
    return Blocker(row.key, ref, row.job_name, row.job_uid, row.state, replace)


def deferred(found: Sequence[Candidate]) -> list[Blocker]:
    return [item.blocker for item in found if item.blocker is not None and isinstance(item.decision, Defer)]
