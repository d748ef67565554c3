"""`store/quarantine.py`, `witnesses.py` and `comparison.py`: what to believe when commits may be lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from tests.simulation.ledger.chronicle import Entry, Tx, chronicle, end_logs, end_runs, judge
from tests.simulation.ledger.closures import add_settled, close, open_again
from tests.simulation.ledger.deletion import bury
from tests.simulation.ledger.planning import IS_TICK, NewRun, insert_runs
from tests.simulation.ledger.rebuilding import believable, ensure_owners, in_order, rebuild_all
from tests.simulation.ledger.recording import advance_ledger, entry_of, suspect_locks_of, witness
from tests.simulation.ledger.rows import AttemptRow, StateRow
from tests.simulation.ledger.schedules import namesakes, owner_unknown, store_new
from tests.simulation.ledger.staging import planned_anew
from tests.simulation.ledger.upkeep import quarantined
from ticklock.domain.backlog import MISSED_ROWS
from ticklock.domain.errors import Transient
from ticklock.domain.model import AttemptState, Declared, tick_key, trigger_key
from ticklock.domain.reasons import Reason
from ticklock.domain.timing import declared_timetable
from ticklock.ports import JobView, Leftover
from ticklock.store.setbacks import SET_BACK

LOST = "the database lost commits; the status of the object says that this run was handled before"
GONE = "the database lost commits and the object is gone: nothing tells whether this run was handled before"
VANISHED = "its Job is gone and nobody saw how it ended; it is never launched again"

STRIDE = 1_000_000
_MOST = 2**62

Objects = Mapping[str, Declared]


@dataclass(frozen=True, slots=True)
class Lost:
    """Whose records the ledger has lost, and how many runs were written as Unknown."""

    behind: frozenset[str]
    runs: int


def begin_to_reconcile(tx: Tx, epoch: int) -> str:
    tx.fence(epoch)
    return _life(tx)


def _life(tx: Tx) -> str:
    return f"{tx.book.incarnation}/{tx.book.clusters[tx.book.cluster].set_back_at or ''}"


def reconcile_incarnation(
    tx: Tx, epoch: int, jobs: Sequence[JobView], objects: Sequence[Declared], *, life: str | None
) -> list[Leftover]:
    tx.fence(epoch)
    row = tx.book.clusters[tx.book.cluster]
    cause, reason = quarantined(tx, row), row.quarantine_reason
    if cause is None:
        return []
    _check_life(tx, life)
    close(tx, Reason.QUARANTINE, cause)
    ours = in_order(job for job in jobs if believable(tx, job))
    _know_all(tx, ours, objects)
    settled, leftovers = _settle(tx, ours, objects, set_back=reason == SET_BACK)
    add_settled(tx, settled)
    if not leftovers:
        _open(tx, reason)
        open_again(tx, Reason.QUARANTINE, how=Reason.RECONCILED)
    return leftovers


def _check_life(tx: Tx, life: str | None) -> None:
    if life is not None and life != _life(tx):
        raise Transient("commits may have been lost since the cluster was listed: it is listed again")


def _settle(
    tx: Tx, ours: Sequence[JobView], objects: Sequence[Declared], *, set_back: bool
) -> tuple[Counter[str], list[Leftover]]:
    settled: Counter[str] = Counter()
    lost = _catch_up(tx, objects)
    by_uid: dict[str, Declared] = {item.ref.uid: item for item in objects}
    settled.update(rebuild_all(tx, ours, lambda job: _covered(by_uid, lost.behind, job)))
    leftovers = _unstage_unbound(tx, ours, by_uid, set_back=set_back)
    settled["unknown"] = lost.runs + _lose_planned(tx, by_uid, lost.behind) + _give_up_gone(tx, by_uid)
    if not leftovers:
        settled["unknown"] += _lose_bound(tx, ours, by_uid)
    return settled, leftovers


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
    known = {uid for uid, row in tx.book.schedules.rows.items() if not owner_unknown(row)}
    news = [item for item in objects if item.ref.uid not in known and not item.deleting]
    for ref in namesakes(tx, news):
        bury(tx, ref)
    store_new(tx, news)
    standing = known | {item.ref.uid for item in news}
    ensure_owners(tx, [job for job in jobs if job.owner_uid not in standing])


# ------------------------------------------------------------------------------------------------------------ witnesses


def _catch_up(tx: Tx, objects: Sequence[Declared]) -> Lost:
    behind, runs = set(), 0
    for item in objects:
        state = tx.book.states.get(item.ref.uid)
        if state is None:
            continue
        was_lost = item.ledger_seq > state.ledger_seq
        if was_lost:
            behind.add(item.ref.uid)
        runs += insert_runs(tx, _lost_runs(tx, item, state), since=tx.now)
        _take_in(tx, item, behind=was_lost)
    return Lost(frozenset(behind), runs)


def _take_in(tx: Tx, item: Declared, *, behind: bool) -> None:
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
        ledger_seq=min(max(state.ledger_seq, item.ledger_seq), _MOST) + STRIDE,
        witnessed_seq=item.ledger_seq,
        last_trigger=item.last_trigger or state.last_trigger,
        report_seq=state.report_seq + 1,
    )
    tx.book.states.put(item.ref.uid, raised)
    for row in tx.book.attempts.of(item.ref.uid):
        if behind if not row.is_tick else witness_at is not None and row.scheduled_time <= witness_at:
            tx.book.attempts.put(row.key, replace(row, suspect=True))


def _lost_runs(tx: Tx, item: Declared, state: StateRow) -> list[NewRun]:
    schedule = tx.book.schedules[item.ref.uid]
    common = (schedule.priority, schedule.generation, AttemptState.UNKNOWN, Reason.LEDGER_LOST)
    made_up = item.makes_up_for_pauses and schedule.paused_at is not None
    begin = min(state.cursor, schedule.paused_at or state.cursor) if made_up else state.cursor
    runs = [
        NewRun(item.ref, tick_key(tick), tick, IS_TICK, *common, message)
        for tick, message in _ticks_below_witness(item, begin)
    ]
    if item.last_trigger and item.last_trigger != state.last_trigger:
        runs.append(NewRun(item.ref, trigger_key(item.last_trigger), state.cursor, not IS_TICK, *common, LOST))
    return runs


def _ticks_below_witness(item: Declared, cursor: datetime) -> list[tuple[datetime, str]]:
    if item.rule is None or item.witness is None or item.witness <= cursor:
        return []
    timetable = declared_timetable(item, item.rule)
    ticks = list(islice(timetable.ticks(after=cursor, until=item.witness), MISSED_ROWS + 1))
    if len(ticks) <= MISSED_ROWS:
        return [(tick, LOST) for tick in ticks]
    last = timetable.latest(after=cursor, until=item.witness) or ticks[-1]
    return [(last, f"{LOST}: all ticks from {ticks[0]:%FT%TZ} to {last:%FT%TZ}")]


# ----------------------------------------------------------------------------------------------------------- comparison


def _unstage_unbound(tx: Tx, jobs: Sequence[JobView], objects: Objects, *, set_back: bool) -> list[Leftover]:
    rows = dict(tx.book.attempts.open)
    unbound = [job for job in jobs if _unbound(tx, job, objects, set_back=set_back)]
    uids = {job.uid for job in jobs}
    taken = {job.key for job in unbound}
    for key, row in rows.items():
        lost = row.staged_uid is not None and row.staged_uid not in uids
        if row.state is AttemptState.PLANNED and (key in taken or lost):
            tx.book.attempts.put(key, planned_anew(row))
    return [Leftover(job.namespace, job.name, job.uid, job.key) for job in unbound if job.key is not None]


def _unbound(tx: Tx, job: JobView, objects: Objects, *, set_back: bool) -> bool:
    if job.key is None or not job.suspended or job.finished is not None:
        return False
    row = tx.book.attempts.open.get(job.key)
    bound = row is not None and row.state is AttemptState.BOUND and row.job_uid == job.uid
    is_tick = (job.run_key or "").startswith("tick:")
    if not bound or set_back:
        return True
    return _witnessed(objects.get(job.owner_uid or ""), job.scheduled_time, is_tick=is_tick)


def _witnessed(owner: Declared | None, scheduled: datetime | None, *, is_tick: bool) -> bool:
    if not is_tick or owner is None or owner.witness is None or scheduled is None:
        return False
    return scheduled <= owner.witness


def _covered(objects: Objects, behind: frozenset[str], job: JobView) -> bool:
    """`Witnesses.cover`: whether a run may have been handled before, whatever the ledger says."""
    item = objects.get(job.owner_uid or "")
    if (job.run_key or "").startswith("tick:"):
        return _witnessed(item, job.scheduled_time, is_tick=True)
    return item is not None and item.ref.uid in behind


def _lose_planned(tx: Tx, objects: Objects, behind: frozenset[str]) -> int:
    lost = [
        entry_of(tx, row, Reason.LEDGER_LOST, LOST, state=AttemptState.UNKNOWN)
        for row in tx.book.attempts.open.values()
        if row.state is AttemptState.PLANNED
        and (
            _witnessed(objects.get(row.uid), row.scheduled_time, is_tick=row.is_tick)
            or (not row.is_tick and row.uid in behind)
        )
    ]
    return len(judge(tx, lost))


def _give_up_gone(tx: Tx, objects: Objects) -> int:
    """Whatever was due of an object that is gone may have run; what was to come has not."""
    due = [
        entry_of(tx, row, Reason.LEDGER_LOST, GONE, state=AttemptState.UNKNOWN)
        for row in tx.book.attempts.open.values()
        if row.state is AttemptState.PLANNED and row.uid not in objects and row.scheduled_time <= tx.now
    ]
    given_up = len(judge(tx, due))
    for ref in [row.ref for row in tx.book.schedules.rows.values() if row.deleted_at is None]:
        if ref.uid not in objects:
            bury(tx, ref)
    return given_up


def _lose_bound(tx: Tx, jobs: Sequence[JobView], objects: Objects) -> int:
    standing: dict[str, JobView] = {job.uid: job for job in jobs}
    rows = [
        row
        for row in tx.book.attempts.open.values()
        if row.state is not AttemptState.PLANNED and _is_lost(row, standing, objects)
    ]
    if not rows:
        return 0
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
    return len(lost)


def _is_lost(row: AttemptRow, standing: Mapping[str, JobView], objects: Objects) -> bool:
    job = standing.get(row.job_uid or "")
    if job is None:
        return True
    return job.suspended and _witnessed(objects.get(row.uid), row.scheduled_time, is_tick=row.is_tick)
