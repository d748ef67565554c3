"""`store/quarantine.py`, `witnesses.py` and `comparison.py`: what to believe when commits may be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from tests.simulation.ledger.chronicle import Entry, Tx, chronicle, end_logs, end_runs, judge
from tests.simulation.ledger.deletion import bury
from tests.simulation.ledger.planning import IS_TICK, NewRun, insert_runs, timetable_of
from tests.simulation.ledger.rebuilding import believable, ensure_owners, rebuild, record_ended
from tests.simulation.ledger.recording import advance_ledger, entry_of, suspect_locks_of, witness
from tests.simulation.ledger.rows import AttemptRow, StateRow
from tests.simulation.ledger.schedules import namesakes, store_new
from tests.simulation.ledger.staging import planned_anew
from ticklock.domain.backlog import MISSED_ROWS
from ticklock.domain.model import AttemptState, Declared, tick_key, trigger_key
from ticklock.domain.reasons import Reason
from ticklock.ports import JobView, Leftover

SET_BACK = "the API server was set back"
LOST = "the database lost commits; the status of the object says that this run was handled before"
GONE = "the database lost commits and the object is gone: nothing tells whether this run was handled before"
VANISHED = "its Job is gone and nobody saw how it ended; it is never launched again"

Objects = Mapping[str, Declared]


def note_resource_version(tx: Tx, epoch: int, version: int) -> bool:
    tx.fence(epoch)
    row = tx.book.clusters[tx.book.cluster]
    reason = SET_BACK if version < row.highest_resource_version else row.quarantine_reason
    highest = max(row.highest_resource_version, version)
    tx.book.clusters.put(tx.book.cluster, replace(row, highest_resource_version=highest, quarantine_reason=reason))
    return reason is None


def reconcile_incarnation(tx: Tx, epoch: int, jobs: Sequence[JobView], objects: Sequence[Declared]) -> list[Leftover]:
    tx.fence(epoch)
    row = tx.book.clusters[tx.book.cluster]
    reason = row.quarantine_reason
    if row.incarnation == tx.book.incarnation and reason is None:
        return []
    ours = sorted((job for job in jobs if believable(tx, job)), key=lambda job: (str(job.key), job.uid))
    _know_all(tx, ours, objects)
    behind = _catch_up(tx, objects)
    for job in ours:
        if not job.suspended and (not job.deleting or job.started_at is not None):
            rebuild(tx, job)
    record_ended(tx, ours)
    by_uid: dict[str, Declared] = {item.ref.uid: item for item in objects}
    leftovers = _unstage_unbound(tx, ours, by_uid)
    _lose_planned(tx, by_uid, behind)
    for ref in [row.ref for row in tx.book.schedules.rows.values() if row.deleted_at is None]:
        if ref.uid not in by_uid:
            bury(tx, ref)
    if not leftovers:
        _lose_bound(tx, ours, by_uid)
        _open(tx, reason)
    return leftovers


def _open(tx: Tx, reason: str | None) -> None:
    if reason == SET_BACK:
        for uid, schedule in list(tx.book.schedules.rows.items()):
            if schedule.deleted_at is None:
                tx.book.schedules.put(uid, replace(schedule, generation=0))
    row = tx.book.clusters[tx.book.cluster]
    highest = row.highest_resource_version if row.quarantine_reason is None else 0
    opened = replace(row, incarnation=tx.book.incarnation, quarantine_reason=None, highest_resource_version=highest)
    tx.book.clusters.put(tx.book.cluster, opened)


def _know_all(tx: Tx, jobs: Sequence[JobView], objects: Sequence[Declared]) -> None:
    known = set(tx.book.schedules.rows)
    news = [item for item in objects if item.ref.uid not in known and not item.deleting]
    for ref in namesakes(tx, news):
        bury(tx, ref)
    store_new(tx, news)
    standing = known | {item.ref.uid for item in news}
    ensure_owners(tx, [job for job in jobs if job.owner_uid not in standing])


# ------------------------------------------------------------------------------------------------------------ witnesses


def _catch_up(tx: Tx, objects: Sequence[Declared]) -> frozenset[str]:
    behind = set()
    for item in objects:
        state = tx.book.states.get(item.ref.uid)
        if state is None:
            continue
        if item.ledger_seq > state.ledger_seq:
            behind.add(item.ref.uid)
        insert_runs(tx, _lost_runs(tx, item, state))
        _take_in(tx, item)
    return frozenset(behind)


def _take_in(tx: Tx, item: Declared) -> None:
    """Raise the numbers to what the status shows, and suspect what is open below its witness."""
    state = tx.book.states[item.ref.uid]
    witness_at, launched, cursor = item.witness, state.last_launched_tick, state.cursor
    if witness_at is not None:
        cursor = max(cursor, witness_at)
        launched = witness_at if launched is None else max(launched, witness_at)
    raised = replace(
        state,
        cursor=cursor,
        last_launched_tick=launched,
        ledger_seq=max(state.ledger_seq, item.ledger_seq),
        witnessed_seq=item.ledger_seq,
        last_trigger=item.last_trigger or state.last_trigger,
        report_seq=state.report_seq + 1,
    )
    tx.book.states.put(item.ref.uid, raised)
    for row in tx.book.attempts.of(item.ref.uid):
        if witness_at is not None and row.is_tick and row.scheduled_time <= witness_at:
            tx.book.attempts.put(row.key, replace(row, suspect=True))


def _lost_runs(tx: Tx, item: Declared, state: StateRow) -> list[NewRun]:
    schedule = tx.book.schedules[item.ref.uid]
    common = (schedule.priority, schedule.generation, AttemptState.UNKNOWN, Reason.LEDGER_LOST)
    runs = [
        NewRun(item.ref, tick_key(tick), tick, IS_TICK, *common, message)
        for tick, message in _ticks_below_witness(item, state.cursor)
    ]
    if item.last_trigger and item.ledger_seq > state.ledger_seq:
        runs.append(NewRun(item.ref, trigger_key(item.last_trigger), state.cursor, not IS_TICK, *common, LOST))
    return runs


def _ticks_below_witness(item: Declared, cursor: datetime) -> list[tuple[datetime, str]]:
    if item.rule is None or item.witness is None or item.witness <= cursor:
        return []
    timetable = timetable_of(item.rule.expression, item.rule.time_zone, item.created_at)
    ticks = list(islice(timetable.ticks(after=cursor, until=item.witness), MISSED_ROWS + 1))
    if len(ticks) <= MISSED_ROWS:
        return [(tick, LOST) for tick in ticks]
    last = timetable.latest(after=cursor, until=item.witness) or ticks[-1]
    return [(last, f"{LOST}: all ticks from {ticks[0]:%FT%TZ} to {last:%FT%TZ}")]


# ----------------------------------------------------------------------------------------------------------- comparison


def _unstage_unbound(tx: Tx, jobs: Sequence[JobView], objects: Objects) -> list[Leftover]:
    rows = dict(tx.book.attempts.open)
    unbound = [job for job in jobs if _unbound(tx, job, objects)]
    uids = {job.uid for job in jobs}
    taken = {job.key for job in unbound}
    for key, row in rows.items():
        lost = row.staged_uid is not None and row.staged_uid not in uids
        if row.state is AttemptState.PLANNED and (key in taken or lost):
            tx.book.attempts.put(key, planned_anew(row))
    return [Leftover(job.namespace, job.name, job.uid, job.key) for job in unbound if job.key is not None]


def _unbound(tx: Tx, job: JobView, objects: Objects) -> bool:
    if job.key is None or not job.suspended or job.finished is not None:
        return False
    row = tx.book.attempts.open.get(job.key)
    bound = row is not None and row.state is AttemptState.BOUND and row.job_uid == job.uid
    is_tick = (job.run_key or "").startswith("tick:")
    return not bound or _witnessed(objects.get(job.owner_uid or ""), job.scheduled_time, is_tick=is_tick)


def _witnessed(owner: Declared | None, scheduled: datetime | None, *, is_tick: bool) -> bool:
    if not is_tick or owner is None or owner.witness is None or scheduled is None:
        return False
    return scheduled <= owner.witness


def _lose_planned(tx: Tx, objects: Objects, behind: frozenset[str]) -> None:
    lost = [
        entry_of(tx, row, Reason.LEDGER_LOST, LOST if row.uid in objects else GONE, state=AttemptState.UNKNOWN)
        for row in tx.book.attempts.open.values()
        if row.state is AttemptState.PLANNED
        and (
            _witnessed(objects.get(row.uid), row.scheduled_time, is_tick=row.is_tick)
            or (not row.is_tick and row.uid in behind)
            or (row.uid not in objects and row.scheduled_time <= tx.now)
        )
    ]
    judge(tx, lost)


def _lose_bound(tx: Tx, jobs: Sequence[JobView], objects: Objects) -> None:
    standing: dict[str, JobView] = {job.uid: job for job in jobs}
    rows = [
        row
        for row in tx.book.attempts.open.values()
        if row.state is not AttemptState.PLANNED and _is_lost(row, standing, objects)
    ]
    if not rows:
        return
    for row in rows:
        seq = tx.book.states[row.uid].ledger_seq + 1
        verdict: dict[str, Any] = {"state": AttemptState.UNKNOWN, "reason": Reason.JOB_VANISHED, "message": VANISHED}
        free: dict[str, Any] = {"suspect": True, "finished_at": tx.now, "claimed_by": None, "claimed_until": None}
        tx.book.attempts.put(row.key, replace(row, record_seq=seq, **verdict, **free))
    lost: list[Entry] = [entry_of(tx, row, Reason.JOB_VANISHED, VANISHED, state=AttemptState.UNKNOWN) for row in rows]
    witness(tx, rows)
    advance_ledger(tx, [row.uid for row in rows])
    suspect_locks_of(tx, [row.key for row in rows])
    end_runs(tx, lost)
    end_logs(tx, lost)
    chronicle(tx, lost)


def _is_lost(row: AttemptRow, standing: Mapping[str, JobView], objects: Objects) -> bool:
    job = standing.get(row.job_uid or "")
    if job is None:
        return True
    return job.suspended and _witnessed(objects.get(row.uid), row.scheduled_time, is_tick=row.is_tick)
