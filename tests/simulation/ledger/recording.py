"""`store/recording.py` and `store/locks.py`: launched, ended, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.ledger.candidates import ACTIVE, lock_of
from tests.simulation.ledger.chronicle import Entry, Tx, chronicle, end_logs, end_runs
from tests.simulation.ledger.rows import HELD, AttemptRow, LockRow
from ticklock.domain.model import AttemptKey, AttemptState, RunState
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, Launch

_CERTAIN = frozenset({AttemptState.COMPLETED, AttemptState.FAILED})


def entry_of(tx: Tx, row: AttemptRow, reason: Reason, message: str, *, state: AttemptState) -> Entry:
    return Entry(row.key, tx.book.schedules[row.uid].ref, reason, message, state, row.job_name, row.job_uid)


def mark_launched(tx: Tx, launches: Sequence[Launch]) -> None:
    for launch in launches:
        row = tx.book.attempts.get(launch.key)
        if row is None or row.state is not AttemptState.BOUND or row.job_uid != launch.job_uid:
            continue
        state, who = AttemptState.LAUNCHED, tx.who.replica
        free: dict[str, Any] = {"claimed_by": None, "claimed_until": None, "reason": Reason.LAUNCHED, "message": ""}
        marked = replace(row, state=state, launched_at=launch.at, launched_by=who, **free)
        tx.book.attempts.put(row.key, marked)
        run = tx.book.runs[row.key.run_id]
        if run.state is RunState.PENDING:
            tx.book.runs.put(run.id, replace(run, state=RunState.RUNNING, reason=Reason.LAUNCHED, message=""))
        witness(tx, [marked])
        lag = (launch.at - row.scheduled_time).total_seconds()
        message = f"Job {row.job_name} launched {lag:.3f} s after its time"
        chronicle(tx, [entry_of(tx, marked, Reason.LAUNCHED, message, state=AttemptState.LAUNCHED)])


def witness(tx: Tx, rows: Iterable[AttemptRow]) -> None:
    """Each of these ticks started, or may have started."""
    for row in rows:
        state = tx.book.states.get(row.uid)
        if not row.is_tick or state is None:
            continue
        known = state.last_launched_tick
        tick = row.scheduled_time if known is None else max(known, row.scheduled_time)
        tx.book.states.put(row.uid, replace(state, last_launched_tick=tick))


def record(tx: Tx, endings: Sequence[Ending]) -> int:
    tx.reconciled()
    return len(record_all(tx, endings))


def record_all(tx: Tx, endings: Sequence[Ending]) -> set[AttemptKey]:
    """`record_locked`: also within a quarantine. Return the attempts for which it was news."""
    rows = [row for ending in endings if (row := _end(tx, ending)) is not None]
    if rows:
        _follow(tx, rows, {ending.key for ending in endings if ending.never_let_go})
    return {row.key for row in rows}


def _end(tx: Tx, ending: Ending) -> AttemptRow | None:
    row = tx.book.attempts.get(ending.key)
    if row is None or row.state not in ACTIVE or row.job_uid != ending.job_uid:
        return None
    asked = ending.reason is Reason.JOB_DELETED and row.stop_reason is not None
    began = ending.started_at or row.started_at
    ended = replace(
        row,
        state=ending.state,
        message=ending.message,
        started_at=began,
        reason=row.stop_reason if asked else ending.reason,
        finished_at=ending.finished_at or tx.now,
        record_seq=tx.book.states[row.uid].ledger_seq + 1,
        launched_at=row.launched_at or ending.started_at,
        claimed_by=None,
        claimed_until=None,
    )
    tx.book.attempts.put(row.key, ended)
    return ended


def _follow(tx: Tx, rows: Sequence[AttemptRow], never: Collection[AttemptKey]) -> None:
    entries = [entry_of(tx, row, row.reason or Reason.JOB_VANISHED, row.message, state=row.state) for row in rows]
    witness(tx, [row for row in rows if row.launched_at is not None or row.key not in never])
    advance_ledger(tx, [row.uid for row in rows])
    _note_successes(tx, rows)
    release_locks(tx, [row.key for row in rows if row.state in _CERTAIN])
    suspect_locks_of(tx, [row.key for row in rows if row.state not in _CERTAIN])
    end_runs(tx, entries)
    end_logs(tx, entries)
    chronicle(tx, entries)
    wake(tx, [row.uid for row in rows])


def advance_ledger(tx: Tx, uids: Iterable[str]) -> None:
    for uid, state in list(tx.book.states.rows.items()):
        if uid in set(uids):
            tx.book.states.put(uid, replace(state, ledger_seq=state.ledger_seq + 1))


def _note_successes(tx: Tx, rows: Iterable[AttemptRow]) -> None:
    for row in rows:
        state = tx.book.states[row.uid]
        if row.state is AttemptState.COMPLETED and row.finished_at is not None:
            last = row.finished_at if state.last_success is None else max(state.last_success, row.finished_at)
            tx.book.states.put(row.uid, replace(state, last_success=last))


def release_locks(tx: Tx, keys: Iterable[AttemptKey]) -> None:
    over = set(keys)
    for name, lock in list(tx.book.locks.rows.items()):
        if lock.key in over:
            tx.book.locks.drop(name)


def suspect_locks_of(tx: Tx, keys: Iterable[AttemptKey]) -> None:
    over = set(keys)
    for name, lock in list(tx.book.locks.rows.items()):
        if lock.key in over and not lock.suspect:
            tx.book.locks.put(name, replace(lock, suspect=True))
    rows = [row for key in over if (row := tx.book.attempts.get(key)) is not None and row.job_uid is not None]
    for row in sorted(rows, key=lambda row: row.scheduled_time, reverse=True):
        _take_suspect(tx, row)


def _take_suspect(tx: Tx, row: AttemptRow) -> None:
    """For a run that holds none: begun under Allow, or rebuilt after the ledger had lost its bind."""
    lock = lock_of(tx.book.schedules[row.uid])
    if lock is not None and lock not in tx.book.locks and all(it.key != row.key for it in tx.book.locks.rows.values()):
        tx.book.locks.put(lock, LockRow(row.key, tx.now + HELD, suspect=True))


def wake(tx: Tx, uids: Iterable[str]) -> None:
    for uid in dict.fromkeys(uids):
        for row in tx.book.attempts.of(uid):
            waits = row.state is AttemptState.PLANNED and row.reason is Reason.WAITING_FOR_RUN
            if waits and row.not_before is not None:
                tx.book.attempts.put(row.key, replace(row, not_before=None))


def free_lock(tx: Tx, key: AttemptKey) -> None:
    if key not in tx.book.attempts.open:
        row = tx.book.attempts.get(key)
        release_locks(tx, [key])
        wake(tx, [] if row is None else [row.uid])
