"""`store/terms.py`, `expectations.py` and `housekeeping.py`: heartbeats, terms, what should stand, what may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from tests.simulation.ledger.binding import leaderless
from tests.simulation.ledger.candidates import ACTIVE
from tests.simulation.ledger.chronicle import Tx
from tests.simulation.ledger.planning import cursor_of
from tests.simulation.ledger.rows import HELD, AttemptRow, ClusterRow, LockRow, ReplicaRow, RunRow, TermRow
from ticklock.domain.model import AttemptKey, AttemptState, JobUid, ObjectRef, RunState, ScheduleUid
from ticklock.domain.reasons import Reason
from ticklock.ports import Blocker, Expected, JobView, LeaseMark, Pulse, Release, RowView

_YOUNG = timedelta(seconds=30)
_DEAD_AFTER = timedelta(seconds=60)
_TOMBSTONE_KEPT = timedelta(hours=1)
_BATCH = 500


def pulse(tx: Tx, *, leading: bool, lease: LeaseMark | None = None) -> Pulse:
    book, now = tx.book, tx.now
    cluster = book.clusters.get(book.cluster)
    if cluster is None:
        cluster = ClusterRow()
        book.clusters.put(book.cluster, cluster)
    watch = tx.who.watch
    step = watch.step.total_seconds() if watch.alarmed else None
    book.replicas.put(tx.who.replica, ReplicaRow(now, leading, tx.who.pod, step))
    if not watch.alarmed:
        cluster = replace(cluster, highest_time=now if cluster.highest_time is None else max(cluster.highest_time, now))
        book.clusters.put(book.cluster, cluster)
    if lease is not None and (former := cluster.lease) != lease:
        risen = former is None or former.uid != lease.uid or former.version < lease.version
        cluster = replace(cluster, lease=lease if risen else former)
        book.clusters.put(book.cluster, cluster)
    term = book.terms.get(book.cluster)
    if leading and term is not None and term.holder == tx.who.replica:
        term = replace(term, renewed_at=now)
        book.terms.put(book.cluster, term)
    planned = [row.due_at for row in book.attempts.open.values() if row.state is AttemptState.PLANNED]
    due = [at for at in planned if at <= now]
    coming = min((at for at in planned if at > now), default=None)
    return Pulse(
        db_now=now,
        quarantined=quarantined(tx, cluster) or (f"{Reason.CLOCK_STEP}" if watch.alarmed else None),
        leader=term.pod if term else None,
        epoch=term.epoch if term else 0,
        leaderless_seconds=leaderless(tx).total_seconds(),
        planned=len(planned),
        due=len(due),
        overdue_seconds=(now - min(due)).total_seconds() if due else 0.0,
        next_due_in=(coming - now).total_seconds() if coming else None,
    )


def quarantined(tx: Tx, cluster: ClusterRow) -> str | None:
    if cluster.quarantine_reason is not None:
        return cluster.quarantine_reason
    if cluster.incarnation is None:
        return "the ledger is new and was not yet compared with the cluster"
    if cluster.incarnation != tx.book.incarnation:
        return "the database has restarted or was replaced"
    return None


def open_term(tx: Tx) -> int:
    term = tx.book.terms.get(tx.book.cluster)
    epoch = term.epoch + 1 if term else 1
    renewed = term.renewed_at if term else tx.now
    tx.book.terms.put(tx.book.cluster, TermRow(epoch, tx.who.replica, tx.who.pod, renewed))
    return epoch


def give_back(tx: Tx) -> None:
    for row in list(tx.book.attempts.open.values()):
        if row.claimed_by == tx.who.replica and row.state is not AttemptState.LAUNCHED:
            until = tx.now if row.state is AttemptState.BOUND else None
            tx.book.attempts.put(row.key, replace(row, claimed_by=None, claimed_until=until))
    tx.book.replicas.drop(tx.who.replica)


def rows(tx: Tx, keys: Sequence[AttemptKey]) -> dict[AttemptKey, RowView]:
    if not keys:
        return {}
    tx.gate()
    return {key: _row_view(row) for key in keys if (row := tx.book.attempts.get(key)) is not None}


def _row_view(row: AttemptRow) -> RowView:
    return RowView(row.key, row.state, row.staged_uid, row.job_uid, row.stage, row.released_at is not None)


def still_owed(tx: Tx, job: JobView) -> bool:
    tx.gate()
    schedule = tx.book.schedules.get(ScheduleUid(job.owner_uid or ""))
    if schedule is None or schedule.deleted_at is not None or job.scheduled_time is None:
        return False
    state = tx.book.states[schedule.ref.uid]
    return state.next_tick is not None and job.scheduled_time > min(cursor_of(state), tx.now)


def expected_jobs(tx: Tx, epoch: int) -> list[Expected]:
    tx.fence(epoch)
    young = tx.now - _YOUNG
    found = [
        row
        for row in tx.book.attempts.rows.values()
        if (row.state in ACTIVE and row.bound_at is not None and row.bound_at < young)
        or (row.released_at is not None and row.absent_at is None and row.released_at < young)
    ]
    return [Expected(_standing(tx, row), row.state) for row in found]


def _standing(tx: Tx, row: AttemptRow) -> Release:
    namespace = tx.book.schedules[row.uid].ref.namespace
    return Release(row.key, namespace, row.job_name or "", JobUid(row.job_uid or ""))


def suspect_locks(tx: Tx, epoch: int) -> list[Blocker]:
    tx.fence(epoch)
    found = []
    for lock in tx.book.locks.rows.values():
        row = tx.book.attempts.get(lock.key)
        if lock.suspect and row is not None:
            ref = tx.book.schedules[row.uid].ref
            who = ObjectRef(ref.namespace, ref.name, row.uid)
            found.append(Blocker(row.key, who, row.job_name, row.job_uid, row.state, replace=False))
    return found


def prune(tx: Tx, epoch: int, *, older_than: timedelta) -> int:
    tx.gate()
    tx.fence(epoch)
    gone = [run for run in tx.book.runs.rows.values() if _at_rest(tx, run, older_than)][:_BATCH]
    for run in gone:
        _forget(tx, run)
    return len(gone)


def _at_rest(tx: Tx, run: RunRow, age: timedelta) -> bool:
    if run.finished_at is None or run.finished_at >= tx.now - age or run.state in {RunState.PENDING, RunState.RUNNING}:
        return False
    row = tx.book.attempts.get(AttemptKey(run.id, 1))
    if row is not None:
        let_go = row.absent_at is not None and row.released_at is not None
        if row.state.is_open or (row.job_uid is not None and not let_go):
            return False
    return all(lock.key.run_id != run.id for lock in tx.book.locks.rows.values())


def _forget(tx: Tx, run: RunRow) -> None:
    key = AttemptKey(run.id, 1)
    tx.book.attempts.drop(key)
    tx.book.logs.drop(key)
    tx.book.runs.drop(run.id)
    state = tx.book.states[run.uid]
    if run.run_key.startswith("tick:"):
        through = run.scheduled_time if state.pruned_through is None else max(state.pruned_through, run.scheduled_time)
        tx.book.states.put(run.uid, replace(state, pruned_through=through))


def sweep(tx: Tx, epoch: int) -> None:
    tx.fence(epoch)
    for replica, beat in list(tx.book.replicas.rows.items()):
        if beat.heartbeat < tx.now - _DEAD_AFTER:
            tx.book.replicas.drop(replica)
    for uid, schedule in list(tx.book.schedules.rows.items()):
        old = schedule.deleted_at is not None and schedule.deleted_at < tx.now - _TOMBSTONE_KEPT
        if old and not any(run.uid == uid for run in tx.book.runs.rows.values()):
            tx.book.schedules.drop(uid)
            tx.book.states.drop(uid)
    for name, lock in list(tx.book.locks.rows.items()):
        if lock.expires < tx.now:
            tx.book.locks.put(name, LockRow(lock.key, tx.now + HELD, suspect=True))
