"""`store/planning.py`: ticks become rows, and the cursor moves with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.simulation.ledger.chronicle import Entry, Tx, chronicle, end_logs
from tests.simulation.ledger.rows import AttemptRow, RunRow, ScheduleRow, StateRow
from ticklock.domain.backlog import Lost, Plan, plan
from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, RunId, run_id, tick_key
from ticklock.domain.reasons import Reason
from ticklock.domain.spread import seed_of
from ticklock.domain.timetable import Timetable
from ticklock.domain.timing import timetable_of

IS_TICK = True
_REOPENED = frozenset({Reason.SPEC_CHANGED, Reason.SCHEDULE_SUSPENDED})


@dataclass(frozen=True, slots=True)
class NewRun:
    ref: ObjectRef
    run_key: str
    scheduled_time: datetime
    is_tick: bool
    priority: int
    generation: int
    state: AttemptState = AttemptState.PLANNED
    reason: Reason | None = None
    message: str = ""
    delay: timedelta = timedelta(0)
    ticks: int = 1


def stored_timetable(row: ScheduleRow) -> Timetable:
    seed = seed_of(row.ref.namespace, row.ref.name)
    return timetable_of(row.expression, row.times, time_zone=row.time_zone, anchor=row.created_at, seed=seed)


def stored_delay(row: ScheduleRow) -> timedelta:
    return row.times.delay(seed_of(row.ref.namespace, row.ref.name))


def cursor_of(state: StateRow) -> datetime:
    return state.cursor if state.pruned_through is None else max(state.cursor, state.pruned_through)


def plan_due(tx: Tx, *, horizon: timedelta, limit: int) -> int:
    tx.gate()
    until = tx.now + horizon
    due = [
        (uid, state, schedule)
        for uid, state in tx.book.states.rows.items()
        if state.next_tick is not None
        and state.next_tick <= until
        and (schedule := tx.book.schedules[uid]).deleted_at is None
    ]
    due.sort(key=lambda item: item[1].next_tick or until)
    for uid, state, schedule in due[:limit]:
        planned = owed(tx, schedule, cursor=cursor_of(state), horizon=horizon)
        insert_runs(tx, new_runs(schedule, planned), since=tx.now)
        after = tx.book.states[uid]
        moved = replace(after, cursor=max(after.cursor, planned.cursor), next_tick=planned.next_tick)
        tx.book.states.put(uid, moved)
    return len(due[:limit])


def owed(tx: Tx, schedule: ScheduleRow, *, cursor: datetime, horizon: timedelta) -> Plan:
    """What a schedule's row owes from its cursor on."""
    return plan(
        stored_timetable(schedule),
        cursor=cursor,
        now=tx.now,
        horizon=horizon,
        deadline=schedule.starting_deadline,
        late=tx.now - stored_delay(schedule),
        catch_up=schedule.times.catching_up,
    )


def new_runs(schedule: ScheduleRow, planned: Plan, *, generation: int | None = None) -> list[NewRun]:
    stored = schedule.generation if generation is None else generation

    def tick_run(tick: datetime, lost: Lost | None = None) -> NewRun:
        args = (schedule.ref, tick_key(tick), tick, IS_TICK, schedule.priority, stored)
        plain = NewRun(*args, delay=stored_delay(schedule))
        if lost is None:
            return plain
        return replace(plain, state=lost.state, reason=lost.reason, message=lost.message, ticks=lost.ticks)

    lost = [tick_run(item.tick, item) for item in planned.lost]
    return lost + [tick_run(tick) for tick in planned.pending]


def insert_runs(tx: Tx, news: Sequence[NewRun], *, since: datetime) -> int:
    """Insert runs with their first attempts; known ones stay, or are planned again. Return how many were news."""
    by_id = {run_id(tx.book.cluster, new.ref.uid, new.run_key): new for new in news}
    fresh = {key: new for key, new in by_id.items() if key not in tx.book.runs}
    for key, new in fresh.items():
        _insert(tx, key, new)
    reopened = [key for key, new in by_id.items() if key not in fresh and _reopen(tx, key, new, since)]
    planned = [key for key, new in fresh.items() if new.state is AttemptState.PLANNED] + reopened
    chronicle(tx, [_planned(by_id[key], key) for key in planned], report=False)
    judged = [
        Entry(AttemptKey(key, 1), new.ref, new.reason or Reason.OUTAGE, new.message, new.state, ticks=new.ticks)
        for key, new in fresh.items()
        if new.state is not AttemptState.PLANNED
    ]
    end_logs(tx, judged)
    chronicle(tx, judged)
    return len(fresh) + len(reopened)


def _insert(tx: Tx, key: RunId, new: NewRun) -> None:
    finished = None if new.state is AttemptState.PLANNED else tx.now
    state = new.state.as_run_state
    run = RunRow(key, new.ref.uid, new.run_key, new.scheduled_time, state, new.reason, new.message, finished)
    tx.book.runs.put(key, run)
    attempt = AttemptRow(
        AttemptKey(key, 1),
        new.ref.uid,
        new.state,
        new.is_tick,
        new.scheduled_time,
        new.scheduled_time + new.delay,
        new.priority,
        new.generation,
        reason=new.reason,
        message=new.message,
        finished_at=finished,
    )
    tx.book.attempts.put(attempt.key, attempt)


def _reopen(tx: Tx, key: RunId, new: NewRun, since: datetime) -> bool:
    """Plan a tick after `since` again that an earlier edit or suspension had taken away, at a higher stage."""
    row = tx.book.attempts.get(AttemptKey(key, 1))
    if row is None or new.state is not AttemptState.PLANNED or not new.is_tick:
        return False
    skipped = row.state is AttemptState.SKIPPED and row.reason in _REOPENED
    if not skipped or row.job_uid is not None or row.scheduled_time <= since:
        return False
    launched = tx.book.states[row.uid].last_launched_tick
    if launched is not None and launched >= row.scheduled_time:
        return False
    again = replace(
        row,
        state=AttemptState.PLANNED,
        stage=row.stage + 1,
        staged_uid=None,
        name_suffix=0,
        reason=None,
        message="",
        finished_at=None,
        not_before=None,
        generation=new.generation,
        priority=new.priority,
        due_at=row.scheduled_time + new.delay,
    )
    tx.book.attempts.put(row.key, again)
    run = tx.book.runs[key]
    pending = AttemptState.PLANNED.as_run_state
    tx.book.runs.put(key, replace(run, state=pending, reason=None, message="", finished_at=None))
    tx.book.logs.drop(row.key)
    return True


def _planned(new: NewRun, key: RunId) -> Entry:
    reason = Reason.PLANNED if new.is_tick else Reason.TRIGGERED
    message = f"planned for {new.scheduled_time:%FT%TZ}" if new.is_tick else f"asked for by {new.run_key}"
    return Entry(AttemptKey(key, 1), new.ref, reason, message, AttemptState.PLANNED)
