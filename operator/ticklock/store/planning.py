"""Planning: ticks become rows, and the cursor moves with them.

Promise: the cursor of a schedule and the rows of the ticks it passed are written in one transaction; a tick at or below
`pruned_through` is never planned again; planning a tick twice gives the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.backlog import Plan, plan
from ticklock.domain.catch_up import CatchUp
from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, run_id, tick_key
from ticklock.domain.reasons import Reason
from ticklock.domain.spread import seed_of
from ticklock.domain.times import Times
from ticklock.domain.timetable import Timetable, TimetableError
from ticklock.domain.timing import timetable_of
from ticklock.failpoints import failpoint
from ticklock.store.chronicle import Entry, chronicle, end_logs, unlog
from ticklock.store.newruns import NewRun
from ticklock.store.pending import limited
from ticklock.store.session import Database, sql

log = structlog.get_logger(__name__)

_DUE = sql("""
SELECT s.uid, s.namespace, s.name, s.generation, s.created_at, s.expression, s.time_zone, s.times,
       s.priority,
       s.starting_deadline_seconds, greatest(st.cursor, st.pruned_through) AS cursor
FROM schedule_state st JOIN schedules s ON s.cluster = st.cluster AND s.uid = st.uid
WHERE st.cluster = :cluster AND st.next_tick <= :until AND s.deleted_at IS NULL
ORDER BY st.next_tick
LIMIT :limit
FOR NO KEY UPDATE OF st SKIP LOCKED FOR SHARE OF s SKIP LOCKED
""")

_MOVE = sql("""
UPDATE schedule_state st SET cursor = greatest(st.cursor, p.cursor), next_tick = p.next_tick
FROM unnest(CAST(:uids AS text[]), CAST(:cursors AS timestamptz[]), CAST(:next_ticks AS timestamptz[]))
     AS p(uid, cursor, next_tick)
WHERE st.cluster = :cluster AND st.uid = p.uid
""")

_RUNS = sql("""
INSERT INTO runs (id, cluster, schedule_uid, run_key, scheduled_time, state, reason, message, finished_at, first_tick,
                  ticks)
SELECT p.id, :cluster, p.uid, p.run_key, p.tick, p.state, p.reason, p.message,
       CASE WHEN p.state = 'Pending' THEN NULL ELSE clock_timestamp() END, p.first_tick, nullif(p.count, 1)
FROM unnest(CAST(:ids AS uuid[]), CAST(:uids AS text[]), CAST(:keys AS text[]), CAST(:ticks AS timestamptz[]),
            CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:messages AS text[]),
            CAST(:first_ticks AS timestamptz[]), CAST(:counts AS int[]))
     AS p(id, uid, run_key, tick, state, reason, message, first_tick, count)
ON CONFLICT (cluster, schedule_uid, run_key) DO NOTHING
RETURNING id
""")

_ATTEMPTS = sql("""
INSERT INTO attempts (run_id, n, cluster, schedule_uid, state, is_tick, scheduled_time, due_at, priority, generation,
                      reason, message, finished_at, logged_at)
SELECT p.id, 1, :cluster, p.uid, p.state, p.is_tick, p.tick, p.tick + p.delay, p.priority, p.generation, p.reason,
       p.message,
       CASE WHEN p.state = 'planned' THEN NULL ELSE clock_timestamp() END,
       CASE WHEN p.state = 'planned' THEN NULL ELSE clock_timestamp() END
FROM unnest(CAST(:ids AS uuid[]), CAST(:uids AS text[]), CAST(:states AS text[]), CAST(:is_tick AS boolean[]),
            CAST(:ticks AS timestamptz[]), CAST(:priorities AS smallint[]), CAST(:generations AS bigint[]),
            CAST(:reasons AS text[]), CAST(:messages AS text[]), CAST(:delays AS interval[]))
     AS p(id, uid, state, is_tick, tick, priority, generation, reason, message, delay)
ON CONFLICT (run_id, n) DO NOTHING
""")

_REOPEN = sql("""
UPDATE attempts a
SET state = 'planned', stage = stage + 1, staged_uid = NULL, name_suffix = 0, reason = NULL, message = '',
    finished_at = NULL, not_before = NULL, generation = p.generation, priority = p.priority,
    due_at = a.scheduled_time + p.delay
FROM unnest(CAST(:ids AS uuid[]), CAST(:generations AS bigint[]), CAST(:priorities AS smallint[]),
            CAST(:delays AS interval[])) AS p(id, generation, priority, delay)
WHERE run_id = p.id AND n = 1 AND state = 'Skipped' AND reason IN ('SpecChanged', 'ScheduleSuspended')
  AND job_uid IS NULL AND scheduled_time > :since
  AND NOT EXISTS (SELECT FROM schedule_state st WHERE st.cluster = a.cluster AND st.uid = a.schedule_uid
                  AND st.last_launched_tick >= a.scheduled_time)
RETURNING run_id
""")
"""Not at or below a tick that was launched: after a loss of commits nobody knows what became of those before it."""

_REOPEN_RUNS = sql("""
UPDATE runs SET state = 'Pending', reason = NULL, message = '', finished_at = NULL WHERE id = ANY(CAST(:ids AS uuid[]))
""")


def stored_timetable(row: dict[str, Any]) -> Timetable:
    """Return the timetable of a schedule's row. Raises TimetableError."""
    seed, times = seed_of(row["namespace"], row["name"]), Times.restored(row["times"])
    zone, anchor = row["time_zone"], row["created_at"]
    return timetable_of(row["expression"], times, time_zone=zone, anchor=anchor, seed=seed)


def stored_delay(row: dict[str, Any]) -> timedelta:
    """Return how long after its tick a run of a schedule's row is due."""
    return Times.restored(row["times"]).delay(seed_of(row["namespace"], row["name"]))


def stored_catch_up(row: dict[str, Any]) -> CatchUp:
    """Return what a schedule's row says of missed ticks."""
    return Times.restored(row["times"]).catching_up


async def plan_due(db: Database, *, horizon: timedelta, limit: int) -> int:
    """Plan the schedules whose next tick lies within the horizon; return how many."""
    async with db.decision() as (connection, now):
        parameters = {"cluster": db.cluster, "until": now + horizon, "limit": limit}
        rows = (await connection.execute(_DUE, parameters)).mappings().all()
        if rows:
            await _plan_rows(connection, db, [dict(row) for row in rows], now=now, horizon=horizon)
            await failpoint("before-plan-commit")
        return len(rows)


async def _plan_rows(
    connection: AsyncConnection, db: Database, rows: Sequence[dict[str, Any]], *, now: datetime, horizon: timedelta
) -> None:
    plans = [(row, _plan_of(row, now=now, horizon=horizon)) for row in rows]
    news = [run for row, planned in plans for run in new_runs(row, planned)]
    await insert_runs(connection, db, await limited(connection, db, news), since=now)
    await move_cursors(connection, db, [(row["uid"], planned) for row, planned in plans])


def _plan_of(row: dict[str, Any], *, now: datetime, horizon: timedelta) -> Plan:
    """Plan one schedule. A timetable that breaks stops only itself: it waits for an edit."""
    try:
        timetable = stored_timetable(row)
        return owed(row, timetable, now=now, horizon=horizon)
    except (TimetableError, ArithmeticError, ValueError):
        log.exception("timetable cannot be planned", namespace=row["namespace"], name=row["name"])
        return Plan((), (), cursor=row["cursor"], next_tick=None)


def owed(row: dict[str, Any], timetable: Timetable, *, now: datetime, horizon: timedelta) -> Plan:
    """Return what a schedule's row owes from its cursor on."""
    return plan(
        timetable,
        cursor=row["cursor"],
        now=now,
        horizon=horizon,
        deadline=deadline_of(row),
        late=now - stored_delay(row),
        catch_up=stored_catch_up(row),
    )


def deadline_of(row: dict[str, Any]) -> timedelta | None:
    """Return the starting deadline of a schedule's row."""
    seconds = row["starting_deadline_seconds"]
    return None if seconds is None else timedelta(seconds=seconds)


def new_runs(row: dict[str, Any], planned: Plan) -> list[NewRun]:
    """Return the rows of a plan."""
    ref = ObjectRef(row["namespace"], row["name"], row["uid"])
    common = {
        "ref": ref,
        "is_tick": True,
        "priority": row["priority"],
        "generation": row["generation"],
        "delay": stored_delay(row),
    }
    pending = [NewRun(run_key=tick_key(tick), scheduled_time=tick, **common) for tick in planned.pending]
    lost = [
        NewRun(
            run_key=tick_key(item.tick),
            scheduled_time=item.tick,
            state=item.state,
            reason=item.reason,
            message=item.message,
            first_tick=item.first,
            ticks=item.ticks,
            **common,
        )
        for item in planned.lost
    ]
    return lost + pending


async def move_cursors(connection: AsyncConnection, db: Database, plans: Sequence[tuple[str, Plan]]) -> None:
    """Write the cursors; the caller holds the state rows."""
    await connection.execute(
        _MOVE,
        {
            "cluster": db.cluster,
            "uids": [uid for uid, _ in plans],
            "cursors": [planned.cursor for _, planned in plans],
            "next_ticks": [planned.next_tick for _, planned in plans],
        },
    )


async def insert_runs(connection: AsyncConnection, db: Database, news: Sequence[NewRun], *, since: datetime) -> int:
    """Insert runs with their first attempts; known ones stay. Return how many were new or reopened.

    Ticks after `since` that an edit or a suspension had taken away are planned again.
    """
    if not news:
        return 0
    by_id = {run_id(db.cluster, new.ref.uid, new.run_key): new for new in news}
    ids = list(by_id)
    inserted = {
        row.id
        for row in await connection.execute(
            _RUNS,
            {
                "cluster": db.cluster,
                "ids": ids,
                "uids": [new.ref.uid for new in by_id.values()],
                "keys": [new.run_key for new in by_id.values()],
                "ticks": [new.scheduled_time for new in by_id.values()],
                "states": [new.state.as_run_state.value for new in by_id.values()],
                "reasons": [new.reason for new in by_id.values()],
                "messages": [new.message for new in by_id.values()],
                "first_ticks": [new.first_tick for new in by_id.values()],
                "counts": [new.ticks for new in by_id.values()],
            },
        )
    }
    fresh = {key: new for key, new in by_id.items() if key in inserted}
    await _insert_attempts(connection, db, fresh)
    reopened = await _reopen(connection, {key: new for key, new in by_id.items() if key not in inserted}, since)
    planned = [key for key, new in fresh.items() if new.state is AttemptState.PLANNED] + reopened
    await chronicle(connection, db, [_planned(by_id[key], key) for key in planned], report=False)
    judged = [_judged(new, key) for key, new in fresh.items() if new.state is not AttemptState.PLANNED]
    await end_logs(connection, db, judged)
    await chronicle(connection, db, judged)
    return len(inserted) + len(reopened)


async def _insert_attempts(connection: AsyncConnection, db: Database, fresh: dict[Any, NewRun]) -> None:
    if not fresh:
        return
    await connection.execute(
        _ATTEMPTS,
        {
            "cluster": db.cluster,
            "ids": list(fresh),
            "uids": [new.ref.uid for new in fresh.values()],
            "states": [new.state.value for new in fresh.values()],
            "is_tick": [new.is_tick for new in fresh.values()],
            "ticks": [new.scheduled_time for new in fresh.values()],
            "priorities": [new.priority for new in fresh.values()],
            "generations": [new.generation for new in fresh.values()],
            "reasons": [new.reason for new in fresh.values()],
            "messages": [new.message for new in fresh.values()],
            "delays": [new.delay for new in fresh.values()],
        },
    )


async def _reopen(connection: AsyncConnection, known: dict[Any, NewRun], since: datetime) -> list[Any]:
    """Plan again, at a higher stage, ticks after `since` that an earlier edit or suspension had taken away."""
    wanted = {key: new for key, new in known.items() if new.state is AttemptState.PLANNED and new.is_tick}
    if not wanted:
        return []
    parameters = {
        "ids": list(wanted),
        "generations": [new.generation for new in wanted.values()],
        "priorities": [new.priority for new in wanted.values()],
        "delays": [new.delay for new in wanted.values()],
        "since": since,
    }
    ids = [row.run_id for row in await connection.execute(_REOPEN, parameters)]
    if ids:
        await connection.execute(_REOPEN_RUNS, {"ids": ids})
        await unlog(connection, ids)
    return ids


def _planned(new: NewRun, key: Any) -> Entry:
    reason = Reason.PLANNED if new.is_tick else Reason.TRIGGERED
    message = f"planned for {new.scheduled_time:%FT%TZ}" if new.is_tick else f"asked for by {new.run_key}"
    return Entry(AttemptKey(key, 1), new.ref, reason, message, AttemptState.PLANNED)


def _judged(new: NewRun, key: Any) -> Entry:
    return Entry(AttemptKey(key, 1), new.ref, new.reason or Reason.OUTAGE, new.message, new.state, ticks=new.ticks)
