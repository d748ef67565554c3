"""`store/candidates.py`: the planned attempts a replica looks at, with what policy decides of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.simulation.ledger.chronicle import Tx
from tests.simulation.ledger.rows import AttemptRow, LockName, ScheduleRow
from ticklock.domain.backlog import GRACE
from ticklock.domain.catch_up import CatchUpPolicy
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
    all_of_them = schedule.times.catching_up.policy is CatchUpPolicy.ALL
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
        catch_up=schedule.times.catching_up,
        free_since=_free_since(tx, row) if lock is not None and schedule.times.catch_up is not None else None,
        newer_missed=_newer_missed(tx, row) if all_of_them else 0,
        oldest_due=min(_waiting(tx, row), default=None) if all_of_them else None,
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


def _free_since(tx: Tx, row: AttemptRow) -> datetime | None:
    ended = [one.finished_at for one in tx.book.attempts.rows.values() if one.uid == row.uid and one.job_uid]
    return max((moment for moment in ended if moment is not None), default=None)


def _waiting(tx: Tx, row: AttemptRow) -> list[datetime]:
    planned = (one for one in tx.book.attempts.of(row.uid) if one.state is AttemptState.PLANNED and one.is_tick)
    return [one.scheduled_time for one in planned if one.due_at <= tx.now]


def _newer_missed(tx: Tx, row: AttemptRow) -> int:
    """Newer ticks that are made up for, or are to be."""
    newer = [one for one in tx.book.attempts.rows.values() if one.uid == row.uid and one.is_tick]
    return sum(
        (one.state is AttemptState.PLANNED and tx.now - one.due_at > GRACE)
        if one.bound_at is None
        else one.bound_at - one.due_at > GRACE
        for one in newer
        if row.scheduled_time < one.scheduled_time <= tx.now
    )


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
