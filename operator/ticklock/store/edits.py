"""An edited spec takes over from the old one at the moment in which it is stored.

Ticks up to that moment belong to the old spec; ticks after it that the new one no longer has are skipped, with the
reason; those that both have are staged anew, with the new template. Nothing that was due before an edit or an
unsuspension is launched because of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.backlog import after_pause, plan
from ticklock.domain.model import AttemptKey, AttemptState, Declared
from ticklock.domain.reasons import Reason
from ticklock.domain.timetable import TimetableError
from ticklock.domain.timing import declared_delay, declared_timetable
from ticklock.ports import Leftover
from ticklock.store.chronicle import Entry
from ticklock.store.deletion import judge_planned, planned_of
from ticklock.store.planning import insert_runs, new_runs, owed, stored_timetable
from ticklock.store.rowlocks import keyed
from ticklock.store.session import Database, sql
from ticklock.store.specs import named, next_tick, tell_problems, upsert

log = structlog.get_logger(__name__)

_EVER = datetime.min.replace(tzinfo=UTC)

_SET_NEXT = sql("""
UPDATE schedule_state SET cursor = greatest(cursor, :cursor), next_tick = :next_tick
WHERE cluster = :cluster AND uid = :uid
""")

_RESTAGE = sql("""
UPDATE attempts
SET stage = stage + 1, staged_uid = NULL, generation = :generation, name_suffix = 0,
    priority = CASE WHEN backfill IS NULL THEN :priority ELSE priority END,
    reason = NULL, message = '', not_before = NULL, claimed_by = NULL, claimed_until = NULL,
    due_at = CASE WHEN is_tick THEN greatest(scheduled_time + CAST(:delay AS interval), least(due_at, :now))
                  ELSE due_at END
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
  AND state = 'planned'
""")
"""A tick whose new jitter is over already is due now, not late: it was not due before the edit."""


async def store_edit(
    connection: AsyncConnection, db: Database, item: Declared, *, row: dict[str, Any], now: datetime
) -> list[Leftover]:
    """Settle what the old spec owes up to now, then let the new one take over from here; return the Jobs left over."""
    await _settle(connection, db, row, now)
    await upsert(connection, db, [item], now)
    leftovers = await _revise(connection, db, item, now)
    cursor = max(now, row["cursor"])
    pause = _pause(row) if item.makes_up_for_pauses else None
    begin = max(now if pause is None else pause.since, row["pruned_through"] or _EVER)
    await _plan_gap(connection, db, item, now=now, begin=begin, until=cursor, pause=pause)
    parameters = {
        "cluster": db.cluster,
        "uid": item.ref.uid,
        "cursor": cursor,
        "next_tick": named(item, lambda it: next_tick(it, cursor)),
    }
    await connection.execute(_SET_NEXT, parameters)
    await tell_problems(connection, db, [item])
    return leftovers


@dataclass(frozen=True, slots=True)
class _Pause:
    """A time in which a schedule had no ticks, by its own spec."""

    since: datetime
    reason: Reason


def _pause(row: dict[str, Any]) -> _Pause | None:
    """Return the pause that a schedule's row tells of. Nothing up to what was launched is part of it.

    After a loss of commits the row may know less than the object's witness: that is in `last_launched_tick` by then.
    """
    if not row["suspend"] and row["problem_reason"] is None:
        return None
    since = row["paused_at"] or row["cursor"]  # older releases did not note it
    reason = Reason.SCHEDULE_SUSPENDED if row["suspend"] else Reason.SPEC_CHANGED
    return _Pause(max(since, row["last_launched_tick"] or _EVER), reason)


async def _settle(connection: AsyncConnection, db: Database, row: dict[str, Any], now: datetime) -> None:
    """Plan the old timetable's ticks up to now."""
    if row["suspend"] or row["cursor"] >= now:
        return
    try:
        timetable = stored_timetable(row)
    except TimetableError as error:
        # Valid once, by an older release or an older time zone database: it owes nothing that anybody could name.
        log.warning("old timetable cannot be read", namespace=row["namespace"], name=row["name"], cause=str(error))
        return
    settled = owed(row, timetable, now=now, horizon=timedelta(0))
    await insert_runs(connection, db, new_runs(row, settled), since=now)


async def _revise(connection: AsyncConnection, db: Database, item: Declared, now: datetime) -> list[Leftover]:
    """Skip the planned ticks that the new spec does not have, stage the others anew."""
    rows = await planned_of(connection, db, item.ref)
    verdicts = [entry for row in rows if (entry := _verdict(item, row, now)) is not None]
    judged = {entry.key for entry in verdicts}
    kept = [key for row in rows if (key := AttemptKey(row.run_id, row.n)) not in judged]
    leftovers = await judge_planned(connection, db, item.ref, rows=rows, verdicts=verdicts)
    if kept:
        priority = int(item.rule.priority) if item.rule else 1
        new = {"generation": item.generation, "priority": priority, "delay": declared_delay(item), "now": now}
        await connection.execute(_RESTAGE, {**keyed(db, kept), **new})
    return leftovers


def _verdict(item: Declared, row: Any, now: datetime) -> Entry | None:
    key = AttemptKey(row.run_id, row.n)
    if item.rule is None:
        message = "the schedule was edited and its new spec cannot be followed"
        return Entry(key, item.ref, Reason.SPEC_CHANGED, message, AttemptState.SKIPPED)
    if not row.is_tick:
        return None
    if item.rule.suspend:
        message = "the schedule was suspended before this run was bound"
        return Entry(key, item.ref, Reason.SCHEDULE_SUSPENDED, message, AttemptState.SKIPPED)
    if row.scheduled_time > now and not _has_tick(item, row.scheduled_time):
        message = f"the schedule was edited and has no tick at {row.scheduled_time:%FT%TZ} any more"
        return Entry(key, item.ref, Reason.SPEC_CHANGED, message, AttemptState.SKIPPED)
    return None


def _has_tick(item: Declared, tick: datetime) -> bool:
    return next_tick(item, tick - timedelta(seconds=1)) == tick


async def _plan_gap(  # noqa: PLR0913 - what it begins with depends on more than the object
    connection: AsyncConnection,
    db: Database,
    item: Declared,
    *,
    now: datetime,
    begin: datetime,
    until: datetime,
    pause: _Pause | None,
) -> None:
    """Plan the new timetable's ticks that the old cursor has already passed, but nothing that was pruned.

    It begins now, or with the pause that is over and to be made up for.
    """
    rule = item.rule
    if rule is None or rule.suspend or until <= begin:
        return
    timetable = named(item, lambda it: declared_timetable(it, rule))
    gap = plan(
        timetable,
        cursor=begin,
        now=now,
        horizon=until - now,
        deadline=rule.starting_deadline,
        late=now - declared_delay(item),
        catch_up=rule.times.catching_up,
        grace=timedelta(0),
    )
    row = {
        "times": rule.times.stored(),
        "uid": item.ref.uid,
        "namespace": item.ref.namespace,
        "name": item.ref.name,
        "priority": int(rule.priority),
        "generation": item.generation,
    }
    left = gap if pause is None else after_pause(gap, pause.reason)
    await insert_runs(connection, db, new_runs(row, left), since=begin)
