"""A spec becomes a row: what is the same for new and edited objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.errors import Refused
from ticklock.domain.model import Declared, Rule
from ticklock.domain.reasons import Reason
from ticklock.domain.timetable import TimetableError
from ticklock.domain.timing import declared_timetable
from ticklock.store.chronicle import Announcement, announce
from ticklock.store.session import Database, sql

T = TypeVar("T")

FRESH = timedelta(seconds=60)
"""An object stored within this time of its creation owes the ticks since its creation; an older one owes none.

Unless its spec says what is to be made up for."""

_UPSERT = sql("""
INSERT INTO schedules (cluster, uid, namespace, name, generation, created_at, effective_at, expression, time_zone,
                       suspend, concurrency, starting_deadline_seconds, keep_successful, keep_failed, queue_name,
                       priority, job_template, problem_reason, problem_message, launch_policy, times,
                       paused_at)
VALUES (:cluster, :uid, :namespace, :name, :generation, :created_at, :now, :expression, :time_zone, :suspend,
        :concurrency, :starting_deadline_seconds, :keep_successful, :keep_failed, :queue_name, :priority,
        CAST(:job_template AS jsonb), :problem_reason, :problem_message, :launch_policy,
        CAST(:times AS jsonb), CASE WHEN :paused THEN :now END)
ON CONFLICT (cluster, uid) DO UPDATE SET
  created_at = excluded.created_at, generation = excluded.generation, effective_at = excluded.effective_at,
  expression = excluded.expression, time_zone = excluded.time_zone, suspend = excluded.suspend,
  concurrency = excluded.concurrency, starting_deadline_seconds = excluded.starting_deadline_seconds,
  keep_successful = excluded.keep_successful, keep_failed = excluded.keep_failed,
  queue_name = excluded.queue_name, priority = excluded.priority,
  job_template = excluded.job_template, problem_reason = excluded.problem_reason,
  problem_message = excluded.problem_message, launch_policy = excluded.launch_policy, times = excluded.times,
  namespace = excluded.namespace, name = excluded.name, deleted_at = NULL,
  paused_at = CASE WHEN :paused AND (schedules.suspend OR schedules.problem_reason IS NOT NULL)
                   THEN coalesce(schedules.paused_at, excluded.paused_at) ELSE excluded.paused_at END
""")
"""A pause that goes on began when it began. One noted in a row that is not paused is of an older release's edit."""

_AT_ONCE = (
    "jobTemplate.spec.completions is 0: Kubernetes completes such a Job as soon as it is made, ahead of its tick and "
    "without any pod; leave it out, or set 1, if something is to run"
)

_NEW_STATE = sql("""
INSERT INTO schedule_state (cluster, uid, cursor, next_tick, ledger_seq, witnessed_seq, last_launched_tick,
    last_trigger, doubted_through)
VALUES (:cluster, :uid, :cursor, :next_tick, :ledger_seq, :ledger_seq, :witness, :last_trigger, :doubted_through)
ON CONFLICT (cluster, uid) DO UPDATE
SET cursor = excluded.cursor, next_tick = excluded.next_tick, witnessed_seq = excluded.witnessed_seq,
    ledger_seq = greatest(schedule_state.ledger_seq, excluded.ledger_seq),
    last_launched_tick = greatest(schedule_state.last_launched_tick, excluded.last_launched_tick),
    last_trigger = excluded.last_trigger,
    doubted_through = greatest(schedule_state.doubted_through, excluded.doubted_through)
""")
"""A state is there already where a Job of the object was found before the object: what the Job told is kept."""


async def store_new(connection: AsyncConnection, db: Database, items: Sequence[Declared], now: datetime) -> None:
    """Store new objects: the first tick of each lies after its creation, and after what its status bears witness of."""
    if not items:
        return
    states = [named(item, lambda it: _new_state(db, it, now)) for item in items]
    await upsert(connection, db, items, now)
    await connection.execute(_NEW_STATE, states)
    await tell_problems(connection, db, items)


def named(item: Declared, compute: Callable[[Declared], T]) -> T:
    """Compute something of an object's spec; Refused names the object where that fails."""
    try:
        return compute(item)
    except (TimetableError, ArithmeticError, ValueError, TypeError) as error:
        raise Refused(f"{item.ref.namespace}/{item.ref.name} cannot be stored: {error}") from error


def _new_state(db: Database, item: Declared, now: datetime) -> dict[str, object]:
    since_creation = item.makes_up_for_pauses or now - item.created_at <= FRESH
    start = item.created_at if since_creation else now
    cursor = max(start, item.witness) if item.witness else start
    return {
        "cluster": db.cluster,
        "uid": item.ref.uid,
        "cursor": cursor,
        "next_tick": next_tick(item, cursor),
        "ledger_seq": item.ledger_seq,
        "witness": item.witness,
        "last_trigger": item.last_trigger,
        # New to this ledger, and it has a past: nobody can say which of its ticks ran.
        "doubted_through": now if item.ledger_seq or item.witness else None,
    }


async def upsert(connection: AsyncConnection, db: Database, items: Sequence[Declared], now: datetime) -> None:
    """Write the rows of specs. From this moment on, by the database's clock, they count."""
    await connection.execute(_UPSERT, [named(item, lambda it: _columns(db, it, now)) for item in items])


def _columns(db: Database, item: Declared, now: datetime) -> dict[str, object]:
    return {
        "cluster": db.cluster,
        "uid": item.ref.uid,
        "namespace": item.ref.namespace,
        "name": item.ref.name,
        "generation": item.generation,
        "created_at": item.created_at,
        "now": now,
        "paused": item.paused,
        **_rule_columns(item.rule),
        "job_template": None if item.rule is None else orjson.dumps(item.rule.job_template).decode(),
        "problem_reason": item.problem.reason.value if item.problem else None,
        "problem_message": item.problem.message if item.problem else None,
    }


def _rule_columns(rule: Rule | None) -> dict[str, object]:
    if rule is None:
        return {
            "expression": None,
            "time_zone": None,
            "suspend": False,
            "concurrency": "Allow",
            "starting_deadline_seconds": None,
            "keep_successful": 3,
            "keep_failed": 1,
            "queue_name": "default",
            "priority": 1,
            "launch_policy": "Job",
            "times": None,
        }
    deadline, times = rule.starting_deadline, rule.times.stored()
    return {
        "expression": rule.expression,
        "time_zone": rule.time_zone,
        "suspend": rule.suspend,
        "concurrency": rule.concurrency.value,
        "starting_deadline_seconds": None if deadline is None else int(deadline.total_seconds()),
        "keep_successful": rule.keep_successful,
        "keep_failed": rule.keep_failed,
        "queue_name": rule.queue,
        "priority": int(rule.priority),
        "launch_policy": rule.launch_policy.value,
        "times": None if times is None else orjson.dumps(times).decode(),
    }


def next_tick(item: Declared, after: datetime) -> datetime | None:
    """Return the first tick of an object after a moment; None where its spec gives none."""
    rule = item.rule
    if rule is None or rule.suspend:
        return None
    return declared_timetable(item, rule).next(after)


async def tell_problems(connection: AsyncConnection, db: Database, items: Sequence[Declared]) -> None:
    """Queue the Events that say why specs cannot be followed, or do what hardly anybody wants."""
    news = [
        Announcement(item.ref, "Warning", item.problem.reason, "Parse", item.problem.message)
        for item in items
        if item.problem is not None
    ]
    news += [
        Announcement(item.ref, "Warning", Reason.COMPLETES_AT_ONCE, "Parse", _AT_ONCE)
        for item in items
        if item.rule is not None and _completes_at_once(item.rule)
    ]
    await announce(connection, db, news)


def _completes_at_once(rule: Rule) -> bool:
    spec = rule.job_template.get("spec")
    return isinstance(spec, Mapping) and (spec.get("completions"), type(spec.get("completions"))) == (0, int)
