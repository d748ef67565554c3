"""`store/chronicle.py`: what happened, written with it. Verdicts too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.simulation.ledger.book import Book
from tests.simulation.ledger.rows import LogRow
from ticklock.domain.clock import ClockWatch
from ticklock.domain.errors import Superseded, Unready
from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, RunState
from ticklock.domain.reasons import Reason
from ticklock.ports import ObjectEvent

_QUIET = frozenset({Reason.PLANNED, Reason.STAGED, Reason.BOUND, Reason.WAITING_FOR_RUN})
"""Of those that the simulation writes."""
_WARNING = frozenset({AttemptState.FAILED, AttemptState.MISSED, AttemptState.UNKNOWN})


@dataclass(slots=True)
class Who:
    """The replica that asks."""

    replica: UUID
    pod: str
    watch: ClockWatch


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction: where, who, and when by the database's clock."""

    book: Book
    who: Who
    now: datetime

    def gate(self) -> None:
        """`decision` of store/session.py."""
        if self.who.watch.alarmed:
            raise Unready(f"{Reason.CLOCK_STEP}: the database's clock stepped")
        self.reconciled()

    def reconciled(self) -> None:
        """`reconciled` of store/session.py: the gate, whatever the clock says."""
        row = self.book.clusters.get(self.book.cluster)
        if row is None or row.incarnation != self.book.incarnation or row.quarantine_reason is not None:
            raise Unready(f"{Reason.QUARANTINE}: the database has restarted or was replaced")

    def fence(self, epoch: int) -> None:
        """`fence` of store/terms.py."""
        term = self.book.terms.get(self.book.cluster)
        if term is None or (term.epoch, term.holder) != (epoch, self.who.replica):
            raise Superseded(f"the term {epoch} is over")


@dataclass(frozen=True, slots=True)
class Entry:
    key: AttemptKey
    ref: ObjectRef
    reason: Reason
    message: str
    state: AttemptState
    job_name: str | None = None
    job_uid: str | None = None
    ticks: int = 1


def chronicle(tx: Tx, entries: Sequence[Entry], *, report: bool = True) -> None:
    trail = tx.book.trail
    for entry in entries:
        trail.put(entry.key.run_id, (*(trail.get(entry.key.run_id) or ()), entry.reason.value))
        if entry.reason not in _QUIET:
            kind = "Warning" if entry.state in _WARNING else "Normal"
            state = None if entry.state.is_open else entry.state.as_run_state
            note = f"run {entry.key.run_id}: {entry.message}"
            announce(tx, entry.ref, kind, entry.reason, note=note, action="Run", job=entry, state=state)
    if report:
        mark_dirty(tx, (entry.ref.uid for entry in entries))


def announce(
    tx: Tx,
    ref: ObjectRef | None,
    kind: str,
    reason: Reason,
    *,
    note: str,
    action: str,
    job: Entry | None = None,
    state: RunState | None = None,
) -> None:
    number = tx.book.next_event()
    name, uid, ticks = (job.job_name, job.job_uid, job.ticks) if job else (None, None, 1)
    tx.book.outbox.put(
        number, ObjectEvent(number, ref, kind, reason, action, note[:1024], tx.now, name, uid, state, ticks)
    )


def mark_dirty(tx: Tx, uids: Iterable[str]) -> None:
    states = tx.book.states
    for uid in dict.fromkeys(uids):
        if (state := states.get(uid)) is not None:  # type: ignore[arg-type]
            states.put(uid, replace(state, report_seq=state.report_seq + 1))  # type: ignore[arg-type]


def begin_log(tx: Tx, key: AttemptKey) -> None:
    tx.book.logs.put(key, LogRow("Processing"))


def end_logs(tx: Tx, entries: Sequence[Entry]) -> None:
    for entry in entries:
        done = entry.state is AttemptState.COMPLETED
        remark = "" if done else f"{entry.reason}: {entry.message}"
        tx.book.logs.put(entry.key, LogRow("Completed" if done else "Exited", remark))


def end_runs(tx: Tx, entries: Sequence[Entry]) -> None:
    for entry in entries:
        run = tx.book.runs[entry.key.run_id]
        state = entry.state.as_run_state
        ended = replace(run, state=state, reason=entry.reason, message=entry.message, finished_at=tx.now)
        tx.book.runs.put(run.id, ended)


def judge(tx: Tx, entries: Sequence[Entry]) -> set[AttemptKey]:
    """End planned attempts without a run, by compare-and-set; return those that took it."""
    attempts = tx.book.attempts
    took = []
    for entry in entries:
        row = attempts.get(entry.key)
        if row is None or row.state is not AttemptState.PLANNED:
            continue
        verdict: dict[str, Any] = {"state": entry.state, "reason": entry.reason, "message": entry.message}
        attempts.put(row.key, replace(row, finished_at=tx.now, claimed_by=None, claimed_until=None, **verdict))
        took.append(entry)
    end_runs(tx, took)
    end_logs(tx, took)
    chronicle(tx, took)
    return {entry.key for entry in took}
