"""`store/staging.py`: who creates which suspended Job, and which Job stands for which attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.simulation.ledger.candidates import ACTIVE, Candidate, candidates, deferred
from tests.simulation.ledger.chronicle import Entry, Tx, announce, chronicle, judge
from tests.simulation.ledger.rows import AttemptRow
from ticklock.domain.model import AttemptKey, AttemptState, JobUid
from ticklock.domain.policy import Defer, Go, Judge
from ticklock.domain.reasons import Reason
from ticklock.ports import Blocker, Leftover, StageClaim, StageOrder

LONGEST_WAIT = timedelta(seconds=30)
_BEFORE_TICK = timedelta(seconds=0.5)

Staged = tuple[StageOrder, JobUid, str]


def claim_for_staging(tx: Tx, *, ahead: timedelta, ttl: timedelta, limit: int) -> StageClaim:
    tx.gate()
    found = candidates(tx, staged=False, ahead=ahead, limit=limit)
    going = sorted((item for item in found if isinstance(item.decision, Go)), key=lambda it: it.row.scheduled_time)
    orders = [_claim(tx, item, ttl) for item in going]
    leftovers = apply_objections(tx, found)
    blockers = deferred([item for item in found if item.row.due_at <= tx.now])
    ask_to_stop(tx, blockers)
    return StageClaim(orders, leftovers, blockers)


def _claim(tx: Tx, item: Candidate, ttl: timedelta) -> StageOrder:
    row, schedule = item.row, item.schedule
    ends = row.due_at - _BEFORE_TICK
    until = min(tx.now + ttl, ends) if ends > tx.now else tx.now + ttl
    token, generation = tx.book.next_token(), schedule.generation
    who = tx.who.replica
    claimed = replace(row, claim_token=token, claimed_by=who, claimed_until=until, generation=generation)
    tx.book.attempts.put(row.key, claimed)
    deadline = schedule.starting_deadline
    return StageOrder(
        key=row.key,
        run_key=tx.book.runs[row.key.run_id].run_key,
        ref=schedule.ref,
        generation=generation,
        stage=row.stage,
        token=token,
        suffix=row.name_suffix,
        scheduled_time=row.scheduled_time,
        due_at=row.due_at,
        deadline_at=None if deadline is None else row.scheduled_time + deadline,
        job_template=schedule.job_template or {},
        policy=schedule.concurrency.value,
        time_zone=schedule.time_zone,
        deferrals=row.deferrals,
        launch_policy=schedule.launch_policy,
    )


def ask_to_stop(tx: Tx, blockers: Sequence[Blocker]) -> None:
    for blocker in blockers:
        row = tx.book.attempts.get(blocker.key)
        if blocker.replace and row is not None and row.state in ACTIVE and row.stop_reason is None:
            tx.book.attempts.put(row.key, replace(row, stop_reason=Reason.REPLACED))


def apply_objections(tx: Tx, found: Sequence[Candidate]) -> list[Leftover]:
    verdicts = [(item, item.decision) for item in found if isinstance(item.decision, Judge)]
    taken = judge(tx, [Entry(item.row.key, item.ref, it.reason, it.message, it.state) for item, it in verdicts])
    deferrals = [(item, item.decision) for item in found if isinstance(item.decision, Defer)]
    for item, it in deferrals:
        _defer(tx, item, it)
    first = [
        Entry(item.row.key, item.ref, it.reason, it.message, AttemptState.PLANNED)
        for item, it in deferrals
        if item.row.deferrals == 0
    ]
    chronicle(tx, first, report=False)
    idle = [item for item, it in deferrals if item.row.staged_uid and it.until - item.row.due_at > LONGEST_WAIT]
    for item in idle:
        row = tx.book.attempts[item.row.key]
        tx.book.attempts.put(row.key, replace(row, staged_uid=None, stage=row.stage + 1))
    judged = [item for item, _ in verdicts if item.row.key in taken and item.row.staged_uid]
    return [leftover_of(item) for item in (*judged, *idle)]


def _defer(tx: Tx, item: Candidate, decision: Defer) -> None:
    row = tx.book.attempts[item.row.key]
    if row.state is AttemptState.PLANNED:
        why: dict[str, Any] = {"reason": decision.reason, "message": decision.message, "not_before": decision.until}
        count = row.deferrals + 1
        tx.book.attempts.put(row.key, replace(row, deferrals=count, claimed_by=None, claimed_until=None, **why))


def leftover_of(item: Candidate) -> Leftover:
    return Leftover(item.ref.namespace, item.row.job_name or "", JobUid(item.row.staged_uid or ""), item.row.key)


def store_staged(tx: Tx, staged: Sequence[Staged]) -> list[Leftover]:
    lost = []
    for order, uid, name in staged:
        row = tx.book.attempts.get(order.key)
        if not _may_store(row, order, uid) or row is None:
            if row is not None and _never_bound(row, order, uid):
                lost.append(Leftover(order.ref.namespace, name, uid, order.key))
            continue
        free: dict[str, Any] = {"claimed_by": None, "claimed_until": None, "not_before": None}
        stored = replace(row, staged_uid=uid, job_name=name, reason=Reason.STAGED, message="", **free)
        tx.book.attempts.put(row.key, stored)
        message = f"Job {name} waits suspended"
        entry = Entry(order.key, order.ref, Reason.STAGED, message, AttemptState.PLANNED, name, uid)
        chronicle(tx, [entry], report=False)
    return lost


def _may_store(row: AttemptRow | None, order: StageOrder, uid: JobUid) -> bool:
    if row is None or row.state is not AttemptState.PLANNED or row.stage != order.stage:
        return False
    return row.staged_uid in {None, uid}


def _never_bound(row: AttemptRow, order: StageOrder, uid: JobUid) -> bool:
    """Whether this Job can never be bound any more; not so without a row, which may be planned again."""
    if row.job_uid == uid:
        return False
    other = row.staged_uid is not None and row.staged_uid != uid
    return not row.state.is_open or row.job_uid is not None or row.stage > order.stage or other


def _still(tx: Tx, order: StageOrder) -> AttemptRow | None:
    row = tx.book.attempts.get(order.key)
    planned = row is not None and row.state is AttemptState.PLANNED
    return row if planned and row is not None and row.stage == order.stage and row.staged_uid is None else None


def defer(tx: Tx, order: StageOrder, *, seconds: float, reason: Reason, message: str, next_suffix: bool) -> None:
    row = _still(tx, order)
    if row is None or (row.claim_token, row.claimed_by) != (order.token, tx.who.replica):
        return
    later = replace(
        row,
        not_before=tx.now + timedelta(seconds=seconds),
        deferrals=row.deferrals + 1,
        reason=reason,
        message=message,
        name_suffix=row.name_suffix + int(next_suffix),
        claimed_by=None,
        claimed_until=None,
    )
    tx.book.attempts.put(row.key, later)
    if reason is Reason.JOB_REJECTED:
        announce(tx, order.ref, "Warning", reason, note=f"its Job would be refused: {message}", action="Stage")


def fail_unstarted(tx: Tx, order: StageOrder, reason: Reason, message: str) -> None:
    tx.gate()
    if _still(tx, order) is not None:
        judge(tx, [Entry(order.key, order.ref, reason, message, AttemptState.FAILED)])


def forget_staged(tx: Tx, key: AttemptKey, uid: JobUid) -> bool:
    row = tx.book.attempts.get(key)
    if row is None or row.state is not AttemptState.PLANNED or row.staged_uid != uid:
        return False
    tx.book.attempts.put(key, planned_anew(row))
    return True


def planned_anew(row: AttemptRow) -> AttemptRow:
    """The attempt without its Job, at a higher stage."""
    free: dict[str, Any] = {
        "claimed_by": None,
        "claimed_until": None,
        "not_before": None,
        "reason": None,
        "message": "",
    }
    return replace(row, staged_uid=None, stage=row.stage + 1, **free)
