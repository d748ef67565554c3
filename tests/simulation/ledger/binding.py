"""`store/binding.py`: which Job is the attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.ledger.candidates import Candidate, candidates, deferred
from tests.simulation.ledger.chronicle import Entry, Tx, begin_log, chronicle
from tests.simulation.ledger.rows import HELD, AttemptRow, LockName, LockRow, ScheduleRow
from tests.simulation.ledger.staging import apply_objections, ask_to_stop
from ticklock.domain.model import AttemptState
from ticklock.domain.policy import Go
from ticklock.domain.reasons import Reason
from ticklock.ports import BindOutcome, Bound

LEADERLESS_AFTER = timedelta(seconds=2)


def bind(tx: Tx, *, ttl: timedelta, limit: int, verified: frozenset[str]) -> BindOutcome:
    tx.gate()
    found = candidates(tx, staged=True, ahead=timedelta(0), limit=limit)
    if not found:
        return BindOutcome((), (), (), 0)
    unverified = []
    if leaderless(tx) > LEADERLESS_AFTER:
        unverified = [item.ref for item in found if item.ref.uid not in verified]
    held_back = {ref.uid for ref in unverified}
    decided = [item for item in found if item.ref.uid not in held_back]
    going = _with_locks(tx, [item for item in decided if isinstance(item.decision, Go)])
    bound = [one for item in going if (one := _bind(tx, item, ttl)) is not None]
    leftovers = apply_objections(tx, decided)
    blockers = deferred(decided)
    ask_to_stop(tx, blockers)
    return BindOutcome(bound, leftovers, blockers, len(found), unverified)


def leaderless(tx: Tx) -> timedelta:
    term = tx.book.terms.get(tx.book.cluster)
    return timedelta(days=1) if term is None else tx.now - term.renewed_at


def _with_locks(tx: Tx, going: Sequence[Candidate]) -> list[Candidate]:
    wanting = [item for item in going if item.lock is not None]
    wanting.sort(key=lambda item: (item.lock or (), item.row.due_at))
    return [item for item in going if item.lock is None] + [item for item in wanting if _take_lock(tx, item)]


def _take_lock(tx: Tx, item: Candidate) -> bool:
    lock: LockName = item.lock or ("", "", "")
    if lock in tx.book.locks:
        return False
    tx.book.locks.put(lock, LockRow(item.row.key, tx.now + HELD))
    return True


def _bind(tx: Tx, item: Candidate, ttl: timedelta) -> Bound | None:
    row = tx.book.attempts[item.row.key]
    if not may_bind(row, item.row.stage, tx.now):
        return None
    bound = replace(
        row,
        state=AttemptState.BOUND,
        job_uid=row.staged_uid,
        bound_at=tx.now,
        reason=Reason.BOUND,
        message="",
        claim_token=tx.book.next_token(),
        claimed_by=tx.who.replica,
        claimed_until=tx.now + ttl,
    )
    tx.book.attempts.put(row.key, bound)
    tx.book.ever_bound.add(row.staged_uid or "")
    begin_log(tx, row.key)
    message = f"Job {row.job_name} is this run"
    chronicle(tx, [Entry(row.key, item.ref, Reason.BOUND, message, AttemptState.BOUND)], report=False)
    return as_bound(bound, item.schedule, stranded=False)


def may_bind(row: AttemptRow, stage: int, now: datetime) -> bool:
    """The compare-and-set on which safety rests."""
    planned = row.state is AttemptState.PLANNED and row.job_uid is None and row.staged_uid is not None
    return planned and row.stage == stage and row.due_at <= now


def as_bound(row: AttemptRow, schedule: ScheduleRow, *, stranded: bool) -> Bound:
    assert row.job_uid is not None
    assert row.job_name is not None
    deadline = schedule.starting_deadline
    at = row.scheduled_time + deadline if deadline is not None and row.is_tick else None
    when = row.scheduled_time
    return Bound(
        row.key, schedule.ref, row.job_name, row.job_uid, when, at, row.claim_token, stranded, row.due_at - when
    )


def claim_stranded(tx: Tx, *, ttl: timedelta, limit: int) -> list[Bound]:
    tx.gate()
    stranded = [
        row
        for row in tx.book.attempts.open.values()
        if row.state is AttemptState.BOUND and row.claimed_until is not None and row.claimed_until <= tx.now
    ]
    stranded.sort(key=lambda row: row.claimed_until or tx.now)
    taken = []
    for row in stranded[:limit]:
        claim: dict[str, Any] = {
            "claim_token": tx.book.next_token(),
            "claimed_by": tx.who.replica,
            "claimed_until": tx.now + ttl,
        }
        claimed = replace(row, **claim)
        tx.book.attempts.put(row.key, claimed)
        taken.append(as_bound(claimed, tx.book.schedules[row.uid], stranded=True))
    return taken
