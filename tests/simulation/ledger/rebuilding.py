"""`store/rebuilding.py`: an unsuspended Job of ours is a launched run, whatever the row says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.ledger.chronicle import Entry, Tx, begin_log, chronicle, judge
from tests.simulation.ledger.recording import record_all, witness
from tests.simulation.ledger.rows import AttemptRow, RunRow, ScheduleRow, StateRow
from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, RunState, ScheduleUid, run_id, tick_key
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, JobView


def believable(tx: Tx, job: JobView) -> bool:
    if job.key is None or job.owner_uid is None or job.scheduled_time is None or job.run_key is None:
        return False
    if job.run_key.startswith("tick:") and job.run_key != tick_key(job.scheduled_time):
        return False
    return job.key.run_id == run_id(tx.book.cluster, ScheduleUid(job.owner_uid), job.run_key)


def rebuild_launched(tx: Tx, job: JobView) -> bool:
    if not believable(tx, job):
        return False
    ensure_owners(tx, [job])
    return rebuild(tx, job)


def ensure_owners(tx: Tx, jobs: Iterable[JobView]) -> None:
    for job in jobs:
        uid = ScheduleUid(job.owner_uid or "")
        if uid and uid not in tx.book.schedules:
            ref = ObjectRef(job.namespace, job.owner_name or "", uid)
            tx.book.schedules.put(uid, ScheduleRow(ref, 0, tx.now, tx.now, deleted_at=tx.now))
        if uid and uid not in tx.book.states:
            tx.book.states.put(uid, StateRow(cursor=tx.now))


def in_order(jobs: Iterable[JobView]) -> list[JobView]:
    """Jobs of ours by run and attempt."""
    keyed = [(job.key, job) for job in jobs if job.key is not None]
    return [job for _, job in sorted(keyed, key=lambda pair: (str(pair[0].run_id), pair[0].n, pair[1].uid))]


def rebuild_all(tx: Tx, jobs: Sequence[JobView], suspect: Callable[[JobView], bool]) -> Counter[str]:
    """Rebuild what was started, record what has ended; an earlier attempt's end before the next one is looked at."""
    begun = [job for job in jobs if not job.suspended]
    attempts_of = Counter(job.key.run_id for job in begun if job.key is not None)
    alone, rebuilt, recorded = list[JobView](), set[AttemptKey | None](), set[AttemptKey]()
    for job in begun:
        if (not job.deleting or job.started_at is not None) and rebuild(tx, job, suspect=suspect(job)):
            rebuilt.add(job.key)
        if job.key is not None and attempts_of[job.key.run_id] > 1:
            recorded |= record_ended(tx, [job])
        else:
            alone.append(job)
    recorded |= record_ended(tx, alone)
    return Counter(launched=len(rebuilt - recorded), recorded=len(recorded))


def rebuild(tx: Tx, job: JobView, *, suspect: bool = False) -> bool:
    owner = tx.book.schedules.get(ScheduleUid(job.owner_uid or ""))
    if job.key is None or owner is None or owner.ref.namespace != job.namespace:
        return False
    current = tx.book.attempts.get(job.key)
    if current is not None and not _to_rebuild(current, job):
        return False
    if not _make_way(tx, job, job.key):
        return False
    _write(tx, job, job.key, current, suspect=suspect)
    return True


def _make_way(tx: Tx, job: JobView, key: AttemptKey) -> bool:
    """A run has one open attempt: an earlier, planned one is over where a later one was started."""
    open_ones = tx.book.attempts.open.values()
    other = next((row for row in open_ones if row.key.run_id == key.run_id and row.key.n != key.n), None)
    if other is None:
        return True
    if other.key.n > key.n or other.state is not AttemptState.PLANNED:
        return False
    message = f"attempt {key.n} of this run was found started, so this one is over"
    ref = ObjectRef(job.namespace, job.owner_name or "", ScheduleUid(job.owner_uid or ""))
    return bool(judge(tx, [Entry(other.key, ref, Reason.LEDGER_LOST, message, AttemptState.UNKNOWN)]))


def _to_rebuild(current: AttemptRow, job: JobView) -> bool:
    if current.job_uid is None:
        return True
    if current.job_uid == job.uid:
        return current.state is AttemptState.UNKNOWN and current.released_at is None and job.held
    return False


def _write(tx: Tx, job: JobView, key: AttemptKey, current: AttemptRow | None, *, suspect: bool) -> None:
    ref = ObjectRef(job.namespace, job.owner_name or "", ScheduleUid(job.owner_uid or ""))
    scheduled = job.scheduled_time or tx.now
    run = tx.book.runs.get(key.run_id) or RunRow(
        key.run_id, ref.uid, job.run_key or "", scheduled, RunState.RUNNING, None
    )
    running = replace(run, state=RunState.RUNNING, reason=Reason.LAUNCHED, message="", finished_at=None)
    tx.book.runs.put(run.id, running)
    is_tick = (job.run_key or "").startswith("tick:")
    base = current or AttemptRow(key, ref.uid, AttemptState.LAUNCHED, is_tick, scheduled, scheduled, 1, 0)
    row = replace(base, suspect=base.suspect or suspect, **_launched(tx, job, base))
    tx.book.attempts.put(key, row)
    witness(tx, [row])
    begin_log(tx, key)
    message = f"Job {job.name} was found started; its row is rebuilt"
    chronicle(tx, [Entry(key, ref, Reason.LAUNCHED, message, AttemptState.LAUNCHED, job.name, job.uid)])


def _launched(tx: Tx, job: JobView, base: AttemptRow) -> dict[str, Any]:
    return {
        "state": AttemptState.LAUNCHED,
        "staged_uid": job.uid,
        "job_uid": job.uid,
        "job_name": job.name,
        "stage": job.stage,
        "reason": Reason.LAUNCHED,
        "message": "",
        "launched_at": base.launched_at or job.started_at,
        "bound_at": base.bound_at or tx.now,
        "finished_at": None,
        "record_seq": None,
        "released_at": None,
        "absent_at": None,
        "claimed_by": None,
        "claimed_until": None,
    }


def record_ended(tx: Tx, jobs: Sequence[JobView]) -> set[AttemptKey]:
    endings = [ending for job in jobs if not job.suspended and (ending := _ending(job)) is not None]
    return record_all(tx, endings) if endings else set()


def _ending(job: JobView) -> Ending | None:
    if job.key is None:
        return None
    if job.finished is not None:
        reason = Reason.JOB_COMPLETED if job.finished is AttemptState.COMPLETED else Reason.JOB_FAILED
        return Ending(job.key, job.uid, job.finished, reason, job.message, job.started_at, job.finished_at)
    if job.deleting and job.started_at is not None:
        state, reason = AttemptState.STOPPED, Reason.JOB_DELETED
        return Ending(job.key, job.uid, state, reason, "the Job was deleted", job.started_at)
    return None
