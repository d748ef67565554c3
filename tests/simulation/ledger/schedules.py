"""`store/schedules.py`, `specs.py`, `edits.py` and `triggers.py`: specs in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from tests.simulation.ledger.chronicle import Entry, Tx, announce, mark_dirty
from tests.simulation.ledger.deletion import bury, judge_planned, planned_of
from tests.simulation.ledger.planning import (
    IS_TICK,
    NewRun,
    cursor_of,
    insert_runs,
    new_runs,
    owed,
)
from tests.simulation.ledger.rows import AttemptRow, ScheduleRow, StateRow
from ticklock.domain.backlog import after_pause, plan
from ticklock.domain.model import AttemptState, Declared, ObjectRef, trigger_key
from ticklock.domain.reasons import Reason
from ticklock.domain.timing import declared_delay, declared_timetable
from ticklock.ports import Leftover

FRESH = timedelta(seconds=60)
_EVER = datetime.min.replace(tzinfo=UTC)
_LONGEST = 128


def known_objects(tx: Tx) -> list[ObjectRef]:
    return [row.ref for row in tx.book.schedules.rows.values() if row.deleted_at is None]


def reconcile(tx: Tx, epoch: int, objects: Sequence[Declared], gone: Sequence[ObjectRef]) -> tuple[int, list[Leftover]]:
    tx.gate()
    tx.fence(epoch)
    book = tx.book
    changed = [item for item in objects if _differs(tx, item)]
    live = {uid for uid, row in book.schedules.rows.items() if row.deleted_at is None}
    buried = [ref for ref in gone if ref.uid in live]
    if not changed and not buried:
        return 0, []
    former = namesakes(tx, [item for item in changed if item.ref.uid not in live])
    dead = {ref.uid: ref for ref in (*buried, *former)}
    leftovers = [job for ref in dead.values() for job in bury(tx, ref)]
    known = {uid: row for uid, row in book.schedules.rows.items() if not owner_unknown(row)}
    store_new(tx, [item for item in changed if item.ref.uid not in known])
    for item in changed:
        leftovers += _store(tx, item, known.get(item.ref.uid))
    return len(changed) + len(dead), leftovers


def _differs(tx: Tx, item: Declared) -> bool:
    row = tx.book.schedules.get(item.ref.uid)
    if row is None or owner_unknown(row):
        return not item.deleting
    if row.deleted_at is not None:
        return False
    last = tx.book.states[item.ref.uid].last_trigger
    return item.deleting or _edited(item, row) or (item.trigger is not None and trigger_mark(item.trigger) != last)


def owner_unknown(row: ScheduleRow) -> bool:
    """Tell whether a row was made for a Job whose owner was not known."""
    return row.deleted_at is not None and row.generation == 0


def _edited(item: Declared, row: ScheduleRow) -> bool:
    if item.generation != row.generation:
        return item.generation > row.generation
    problem = (item.problem.reason.value, item.problem.message) if item.problem else (None, None)
    return problem != (row.problem_reason, row.problem_message)


def namesakes(tx: Tx, news: Sequence[Declared]) -> list[ObjectRef]:
    names = {(item.ref.namespace, item.ref.name): item.ref.uid for item in news}
    return [
        row.ref
        for row in tx.book.schedules.rows.values()
        if row.deleted_at is None and names.get((row.ref.namespace, row.ref.name), row.ref.uid) != row.ref.uid
    ]


def _store(tx: Tx, item: Declared, row: ScheduleRow | None) -> list[Leftover]:
    if row is None:
        _take_trigger(tx, item, last=item.last_trigger)
        return []
    if item.deleting:
        return bury(tx, item.ref)
    last = tx.book.states[item.ref.uid].last_trigger
    leftovers = _store_edit(tx, item, row) if _edited(item, row) else []
    _take_trigger(tx, item, last=last)
    mark_dirty(tx, [item.ref.uid])
    return leftovers


# ---------------------------------------------------------------------------------------------------------------- specs


def store_new(tx: Tx, items: Sequence[Declared]) -> None:
    for item in items:
        since_creation = item.makes_up_for_pauses or tx.now - item.created_at <= FRESH
        start = item.created_at if since_creation else tx.now
        cursor = max(start, item.witness) if item.witness else start
        if item.ref.uid in tx.book.in_force and item.witness is not None:
            tx.book.stored_anew[item.ref.uid] = item.witness
        _upsert(tx, item)
        seq = item.ledger_seq
        state = StateRow(cursor, next_tick(item, cursor), None, seq, seq, item.witness, None, item.last_trigger)
        if item.ref.uid in tx.book.states:
            found = tx.book.states[item.ref.uid]
            state = replace(
                found,
                cursor=cursor,
                next_tick=state.next_tick,
                ledger_seq=max(seq, found.ledger_seq),
                witnessed_seq=seq,
                last_launched_tick=max(filter(None, (item.witness, found.last_launched_tick)), default=None),
                last_trigger=item.last_trigger,
            )
        tx.book.states.put(item.ref.uid, state)
        _tell_problem(tx, item)


def _upsert(tx: Tx, item: Declared) -> None:
    new = item.ref.uid not in tx.book.in_force
    fresh = new and tx.now - item.created_at <= FRESH
    running = item.rule is not None and not item.rule.suspend
    tx.book.follow(
        item.ref.uid, item.created_at if fresh else tx.now, item.rule.expression if item.rule and running else None
    )
    problem = item.problem
    former = tx.book.schedules.get(item.ref.uid)
    since = tx.now if former is None or former.paused_at is None else former.paused_at
    common = {
        "paused_at": since if item.paused else None,
        "ref": item.ref,
        "generation": item.generation,
        "created_at": item.created_at,
        "effective_at": tx.now,
        "problem_reason": problem.reason.value if problem else None,
        "problem_message": problem.message if problem else None,
    }
    rule = item.rule
    if rule is None:
        tx.book.schedules.put(item.ref.uid, ScheduleRow(**common))  # type: ignore[arg-type]
        return
    row = ScheduleRow(
        **common,  # type: ignore[arg-type]
        expression=rule.expression,
        time_zone=rule.time_zone,
        suspend=rule.suspend,
        concurrency=rule.concurrency,
        starting_deadline=rule.starting_deadline,
        keep_successful=rule.keep_successful,
        keep_failed=rule.keep_failed,
        queue=rule.queue,
        priority=int(rule.priority),
        job_template=rule.job_template,
        launch_policy=rule.launch_policy,
        times=rule.times,
    )
    tx.book.schedules.put(item.ref.uid, row)


def next_tick(item: Declared, after: datetime) -> datetime | None:
    rule = item.rule
    if rule is None or rule.suspend:
        return None
    return declared_timetable(item, rule).next(after)


def _tell_problem(tx: Tx, item: Declared) -> None:
    if item.problem is not None:
        announce(tx, item.ref, "Warning", item.problem.reason, note=item.problem.message, action="Parse")


# ---------------------------------------------------------------------------------------------------------------- edits


def _store_edit(tx: Tx, item: Declared, row: ScheduleRow) -> list[Leftover]:
    cursor = cursor_of(tx.book.states[item.ref.uid])
    _settle(tx, row, cursor)
    _upsert(tx, item)
    leftovers = _revise(tx, item)
    until = max(tx.now, cursor)
    state = tx.book.states[item.ref.uid]
    pause = _pause(row, state, cursor) if item.makes_up_for_pauses else None
    begin = max(tx.now if pause is None else pause[0], state.pruned_through or _EVER)
    _plan_gap(tx, item, begin, until, pause=None if pause is None else pause[1])
    state = tx.book.states[item.ref.uid]
    tx.book.states.put(item.ref.uid, replace(state, cursor=max(state.cursor, until), next_tick=next_tick(item, until)))
    _tell_problem(tx, item)
    return leftovers


def _pause(row: ScheduleRow, state: StateRow, cursor: datetime) -> tuple[datetime, Reason] | None:
    """Since when a schedule has had no ticks by its own spec, and why."""
    if not row.suspend and row.problem_reason is None:
        return None
    reason = Reason.SCHEDULE_SUSPENDED if row.suspend else Reason.SPEC_CHANGED
    return max(row.paused_at or cursor, state.last_launched_tick or _EVER), reason


def _settle(tx: Tx, row: ScheduleRow, cursor: datetime) -> None:
    """Plan the old timetable's ticks up to now."""
    if row.suspend or cursor >= tx.now:
        return
    settled = owed(tx, row, cursor=cursor, horizon=timedelta(0))
    insert_runs(tx, new_runs(row, settled), since=tx.now)


def _revise(tx: Tx, item: Declared) -> list[Leftover]:
    rows = planned_of(tx, item.ref)
    verdicts = [entry for row in rows if (entry := _verdict(tx, item, row)) is not None]
    leftovers = judge_planned(tx, item.ref, rows, verdicts)
    judged = {entry.key for entry in verdicts}
    priority = int(item.rule.priority) if item.rule else 1
    for row in rows:
        if row.key not in judged:
            free: dict[str, Any] = {
                "claimed_by": None,
                "claimed_until": None,
                "not_before": None,
                "reason": None,
                "message": "",
            }
            soonest = row.scheduled_time + declared_delay(item)
            due = max(soonest, min(row.due_at, tx.now)) if row.is_tick else row.due_at
            spec: dict[str, Any] = {
                "generation": item.generation,
                "priority": priority,
                "name_suffix": 0,
                "due_at": due,
            }
            tx.book.attempts.put(row.key, replace(row, stage=row.stage + 1, staged_uid=None, **spec, **free))
    return leftovers


def _verdict(tx: Tx, item: Declared, row: AttemptRow) -> Entry | None:
    changed, suspended = Reason.SPEC_CHANGED, Reason.SCHEDULE_SUSPENDED
    if item.rule is None:
        message = "the schedule was edited and its new spec cannot be followed"
        return Entry(row.key, item.ref, changed, message, AttemptState.SKIPPED)
    if not row.is_tick:
        return None
    if item.rule.suspend:
        message = "the schedule was suspended before this run was bound"
        return Entry(row.key, item.ref, suspended, message, AttemptState.SKIPPED)
    if row.scheduled_time > tx.now and next_tick(item, row.scheduled_time - timedelta(seconds=1)) != row.scheduled_time:
        message = f"the schedule was edited and has no tick at {row.scheduled_time:%FT%TZ} any more"
        return Entry(row.key, item.ref, changed, message, AttemptState.SKIPPED)
    return None


def _plan_gap(tx: Tx, item: Declared, begin: datetime, until: datetime, *, pause: Reason | None) -> None:
    """Plan the new timetable's ticks that the old cursor has already passed, but nothing that was pruned."""
    rule = item.rule
    if rule is None or rule.suspend or until <= begin:
        return
    timetable = declared_timetable(item, rule)
    gap = plan(
        timetable,
        cursor=begin,
        now=tx.now,
        horizon=until - tx.now,
        deadline=rule.starting_deadline,
        late=tx.now - declared_delay(item),
        catch_up=rule.times.catching_up,
        grace=timedelta(0),
    )
    left = gap if pause is None else after_pause(gap, pause)
    insert_runs(tx, new_runs(tx.book.schedules[item.ref.uid], left), since=begin)


# ------------------------------------------------------------------------------------------------------------- triggers


def _take_trigger(tx: Tx, item: Declared, *, last: str | None) -> None:
    value = item.trigger
    if value is None or trigger_mark(value) == last:
        return
    mark = trigger_mark(value)
    state = tx.book.states[item.ref.uid]
    tx.book.states.put(item.ref.uid, replace(state, last_trigger=mark))
    priority = int(item.rule.priority) if item.rule else 1
    run = NewRun(item.ref, trigger_key(value), tx.now, not IS_TICK, priority, item.generation)
    if mark == item.last_trigger:
        message = "the status of the object says that this trigger was taken before"
        lost = replace(run, state=AttemptState.UNKNOWN, reason=Reason.LEDGER_LOST, message=message)
        insert_runs(tx, [lost], since=tx.now)
        return
    if len(value) > _LONGEST or item.problem is not None:
        announce(tx, item.ref, "Warning", Reason.TRIGGER_REFUSED, note="it cannot be used", action="Trigger")
        return
    insert_runs(tx, [run], since=tx.now)


def trigger_mark(value: str) -> str:
    if len(value) <= _LONGEST:
        return value
    return f"{value[:32]}... sha256:{sha256(value.encode(errors='replace')).hexdigest()[:16]}"
