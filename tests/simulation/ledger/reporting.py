"""`store/reporting.py`: what the leader tells the cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.ledger.candidates import ACTIVE
from tests.simulation.ledger.chronicle import Tx
from tests.simulation.ledger.closures import told
from tests.simulation.ledger.rows import AttemptRow, RunRow
from ticklock.domain.model import AttemptKey, AttemptState, JobUid, RunState, ScheduleUid
from ticklock.ports import ActiveJob, LastRun, ObjectEvent, Release, Report, ScheduleTimes

_ONE_SECOND = timedelta(seconds=1)
_NOT_BEGUN = frozenset({RunState.PENDING})
_NOT_ENDED = frozenset({RunState.PENDING, RunState.RUNNING, RunState.SKIPPED})


def reports(tx: Tx, epoch: int, *, limit: int) -> list[Report]:
    tx.fence(epoch)
    behind = [
        uid
        for uid, state in tx.book.states.rows.items()
        if state.report_seq > state.reported_seq
        and (state.reported_at is None or state.reported_at < tx.now - _ONE_SECOND)
        and tx.book.schedules[uid].deleted_at is None
    ]
    return [_report(tx, uid) for uid in behind[:limit]]


def _report(tx: Tx, uid: ScheduleUid) -> Report:
    schedule, state = tx.book.schedules[uid], tx.book.states[uid]
    closure = told(tx)
    active = sorted(
        (row for row in tx.book.attempts.of(uid) if row.state in ACTIVE),
        key=lambda row: row.scheduled_time,
        reverse=True,
    )
    jobs = [ActiveJob(row.job_name or "", JobUid(row.job_uid or ""), schedule.ref.namespace) for row in active[:20]]
    return Report(
        ref=schedule.ref,
        seq=state.report_seq,
        generation=schedule.generation,
        ledger_seq=state.ledger_seq,
        expression=schedule.expression,
        time_zone=schedule.time_zone,
        created_at=schedule.created_at,
        suspended=schedule.suspend,
        problem_reason=schedule.problem_reason,
        problem_message=schedule.problem_message,
        next_time=_next_time(tx, uid),
        witness=state.last_launched_tick,
        last_success=state.last_success,
        last_trigger=state.last_trigger,
        active=jobs,
        active_count=len(active),
        last_run=_last_run(tx, uid, _NOT_BEGUN),
        last_ended=_last_run(tx, uid, _NOT_ENDED),
        now=tx.now,
        closed_reason=closure.reason if closure else None,
        closed_message=f"nothing is launched since {closure.closed_at:%FT%TZ}: {closure.cause}" if closure else "",
    )


def _next_time(tx: Tx, uid: ScheduleUid) -> datetime | None:
    planned = [
        row.scheduled_time
        for row in tx.book.attempts.of(uid)
        if row.state is AttemptState.PLANNED and row.is_tick and row.due_at > tx.now
    ]
    return min(planned, default=None) or tx.book.states[uid].next_tick


def schedule_times(tx: Tx, epoch: int) -> list[ScheduleTimes]:
    tx.fence(epoch)
    alive = [(uid, row.ref) for uid, row in tx.book.schedules.rows.items() if row.deleted_at is None]
    return [
        ScheduleTimes(
            ref, _next_time(tx, uid), tx.book.states[uid].last_launched_tick, tx.book.states[uid].last_success
        )
        for uid, ref in alive
    ]


def _last_run(tx: Tx, uid: str, without: frozenset[RunState]) -> LastRun | None:
    found: RunRow | None = None
    for run in tx.book.runs.rows.values():
        if run.uid == uid and run.state not in without and (found is None or run.scheduled_time > found.scheduled_time):
            found = run
    if found is None:
        return None
    row = tx.book.attempts.get(AttemptKey(found.id, 1))
    launched = row.launched_at if row else None
    return LastRun(
        id=str(found.id),
        scheduled_time=found.scheduled_time,
        state=found.state,
        reason=found.reason,
        message=found.message,
        job_name=row.job_name if row else None,
        started_at=(row.started_at if row else None) or launched,
        finished_at=row.finished_at if row else None,
        lag_seconds=(launched - (row.due_at if row else found.scheduled_time)).total_seconds() if launched else None,
    )


def reported(tx: Tx, epoch: int, written: Sequence[tuple[Report, bool]]) -> None:
    tx.fence(epoch)
    for report, _ in written:
        state = tx.book.states.get(report.ref.uid)
        if state is not None:
            noted: dict[str, Any] = {
                "reported_seq": max(state.reported_seq, report.seq),
                "witnessed_seq": max(state.witnessed_seq, report.ledger_seq),
            }
            tx.book.states.put(report.ref.uid, replace(state, reported_at=tx.now, **noted))


def releases(tx: Tx, epoch: int, *, limit: int) -> list[Release]:
    tx.fence(epoch)

    def due(row: AttemptRow) -> bool:
        if row.job_uid is None or row.released_at is not None or row.record_seq is None:
            return False
        witnessed = row.record_seq <= tx.book.states[row.uid].witnessed_seq
        return witnessed or tx.book.schedules[row.uid].deleted_at is not None

    return [_release(tx, row) for row in _where(tx, due)[:limit]]


def _where(tx: Tx, wanted: Callable[[AttemptRow], bool]) -> list[AttemptRow]:
    return [row for row in tx.book.attempts.rows.values() if wanted(row)]


def _release(tx: Tx, row: AttemptRow) -> Release:
    namespace = tx.book.schedules[row.uid].ref.namespace
    return Release(row.key, namespace, row.job_name or "", JobUid(row.job_uid or ""))


def released(tx: Tx, epoch: int, keys: Sequence[AttemptKey]) -> None:
    tx.fence(epoch)
    for key in keys:
        row = tx.book.attempts.get(key)
        if row is not None and row.record_seq is not None and row.released_at is None:
            tx.book.attempts.put(key, replace(row, released_at=tx.now))


def release_again(tx: Tx, key: AttemptKey, uid: JobUid) -> None:
    row = tx.book.attempts.get(key)
    if row is not None and row.job_uid == uid and row.released_at is not None:
        tx.book.attempts.put(key, replace(row, released_at=None, absent_at=None))


def absent(tx: Tx, keys: Sequence[AttemptKey]) -> None:
    for key in keys:
        row = tx.book.attempts.get(key)
        if row is not None and row.record_seq is not None and row.absent_at is None:
            tx.book.attempts.put(key, replace(row, absent_at=tx.now))


def surplus(tx: Tx, epoch: int, *, limit: int) -> list[Release]:
    tx.fence(epoch)
    groups: dict[tuple[str, bool], list[AttemptRow]] = {}
    for row in _where(
        tx, lambda row: row.released_at is not None and row.absent_at is None and row.job_uid is not None
    ):
        groups.setdefault((row.uid, row.state is AttemptState.COMPLETED), []).append(row)
    beyond: list[AttemptRow] = []
    for (uid, good), rows in groups.items():
        schedule = tx.book.schedules[ScheduleUid(uid)]
        keep = schedule.keep_successful if good else schedule.keep_failed
        rows.sort(key=lambda row: row.finished_at or tx.now, reverse=True)
        beyond += rows[keep:]
    return [_release(tx, row) for row in beyond[:limit]]


def outbox(tx: Tx, epoch: int, *, limit: int) -> list[ObjectEvent]:
    tx.fence(epoch)
    return sorted(tx.book.outbox.rows.values(), key=lambda event: event.id)[:limit]


def posted(tx: Tx, epoch: int, ids: Sequence[int]) -> None:
    tx.fence(epoch)
    for number in ids:
        if number in tx.book.outbox:
            tx.book.outbox.drop(number)
