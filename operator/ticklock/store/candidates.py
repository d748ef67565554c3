"""The planned attempts a replica looks at, with the facts that policy decides on.

The locks are taken as they are found, state row before attempt; what is locked is skipped (see `rowlocks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.clock import STEP
from ticklock.domain.model import AttemptKey, AttemptState, ConcurrencyPolicy, ObjectRef
from ticklock.domain.policy import Decision, Defer, Go, Situation, decide
from ticklock.ports import Blocker
from ticklock.store.missed import MissedFacts, missed_facts
from ticklock.store.planning import deadline_of, stored_catch_up
from ticklock.store.session import Database, sql
from ticklock.store.turns import Turns, turns

_COLUMNS = """
a.run_id, a.n, a.schedule_uid, a.is_tick, a.scheduled_time, a.due_at, a.stage, a.claim_token, a.name_suffix,
a.staged_uid, a.job_name, a.deferrals, s.namespace, s.name, s.generation, s.suspend, s.deleted_at, s.concurrency,
s.starting_deadline_seconds, s.times, s.time_zone, s.queue_name, s.launch_policy, st.last_launched_tick,
a.backfill
"""

_FROM = """
FROM attempts a
JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
JOIN schedule_state st ON st.cluster = a.cluster AND st.uid = a.schedule_uid
"""

_FREE = """
a.cluster = :cluster AND a.state = 'planned'
AND (a.not_before IS NULL OR a.not_before <= clock_timestamp())
AND (a.claimed_until IS NULL OR a.claimed_until <= clock_timestamp())
"""

DUE = "a.due_at <= least(clock_timestamp(), CAST(:latest AS timestamptz))"
"""Also a clock that steps after the gate has read it makes nothing due."""

_LOCKED = """
ORDER BY a.priority, a.due_at LIMIT :limit
FOR SHARE OF s SKIP LOCKED FOR NO KEY UPDATE OF st SKIP LOCKED FOR UPDATE OF a SKIP LOCKED
"""

TO_STAGE = sql(
    f"SELECT {_COLUMNS}, r.run_key, s.job_template {_FROM} JOIN runs r ON r.id = a.run_id "
    f"WHERE {_FREE} AND a.staged_uid IS NULL AND a.due_at <= clock_timestamp() + CAST(:ahead AS interval) {_LOCKED}"
)

TO_BIND = sql(f"SELECT {_COLUMNS} {_FROM} WHERE {_FREE} AND a.staged_uid IS NOT NULL AND {DUE} {_LOCKED}")

_NEWEST_DUE = sql(f"""
SELECT schedule_uid, max(scheduled_time) FROM attempts a
WHERE cluster = :cluster AND schedule_uid = ANY(CAST(:uids AS text[])) AND state IN ('planned', 'bound', 'launched')
  AND is_tick AND {DUE}
GROUP BY schedule_uid
""")  # noqa: S608 - a constant of this module

_HOLDERS = sql("""
SELECT l.namespace, l.job_name AS lock_name, a.run_id, a.n, a.state, a.job_name, a.job_uid, a.schedule_uid
FROM queue_locks l JOIN attempts a ON a.run_id = l.run_id AND a.n = l.n
WHERE l.cluster = :cluster
  AND (l.namespace, l.job_name) IN (SELECT * FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])))
""")
"""By name alone: a run keeps its lock in the queue in which it began, whatever queue its schedule has moved to."""

_ACTIVE = sql("""
SELECT DISTINCT ON (schedule_uid) schedule_uid, run_id, n, state, job_name, job_uid
FROM attempts
WHERE cluster = :cluster AND schedule_uid = ANY(CAST(:uids AS text[])) AND state IN ('bound', 'launched')
ORDER BY schedule_uid, scheduled_time, run_id
""")
"""Runs without a lock are in the way too: begun under Allow, or rebuilt after the ledger lost them."""

LockName = tuple[str, str, str]
"""Namespace, queue, ScheduledJob name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A locked attempt and what is decided of it."""

    row: dict[str, Any]
    key: AttemptKey
    ref: ObjectRef
    policy: ConcurrencyPolicy
    lock: LockName | None
    blocker: Blocker | None
    decision: Decision


async def candidates(
    connection: AsyncConnection, db: Database, statement: TextClause, *, now: datetime, **parameters: object
) -> list[Candidate]:
    """Lock what is free, gather the facts, decide. The locks last until the transaction ends."""
    latest = now + STEP
    result = await connection.execute(statement, {"cluster": db.cluster, "latest": latest, **parameters})
    rows = [dict(row) for row in result.mappings()]
    if not rows:
        return []
    newest = await _newest_due(connection, db, rows, latest)
    blockers = await _blockers(connection, db, rows)
    missed = await missed_facts(connection, db, rows, now=now)
    queue = await turns(connection, rows)
    return [_candidate(row, now, newest=newest, blockers=blockers, missed=missed, turns=queue) for row in rows]


async def _newest_due(
    connection: AsyncConnection, db: Database, rows: Sequence[dict[str, Any]], latest: datetime
) -> dict[str, datetime]:
    uids = sorted({row["schedule_uid"] for row in rows})
    result = await connection.execute(_NEWEST_DUE, {"cluster": db.cluster, "uids": uids, "latest": latest})
    newest: dict[str, datetime] = {row[0]: row[1] for row in result}
    for row in rows:
        launched = row["last_launched_tick"]
        if launched is not None:
            newest[row["schedule_uid"]] = max(launched, newest.get(row["schedule_uid"], launched))
    return newest


async def _blockers(connection: AsyncConnection, db: Database, rows: Sequence[dict[str, Any]]) -> dict[str, Blocker]:
    """Return who is in the way of these rows' schedules, by schedule UID; the holder of the lock first."""
    wanting = {row["schedule_uid"]: row for row in rows if lock_of(row) is not None}
    if not wanting:
        return {}
    uids = sorted(wanting)
    active = await connection.execute(_ACTIVE, {"cluster": db.cluster, "uids": uids})
    found = {row["schedule_uid"]: _blocker(dict(row), wanting[row["schedule_uid"]]) for row in active.mappings()}
    parameters = {
        "cluster": db.cluster,
        "namespaces": [wanting[uid]["namespace"] for uid in uids],
        "names": [wanting[uid]["name"] for uid in uids],
    }
    held = await connection.execute(_HOLDERS, parameters)
    holders = {(row["namespace"], row["lock_name"]): dict(row) for row in held.mappings()}
    for uid, row in wanting.items():
        holder = holders.get((row["namespace"], row["name"]))
        if holder is not None:
            found[uid] = _blocker(holder, row)
    return found


def _blocker(holder: dict[str, Any], row: dict[str, Any]) -> Blocker:
    return Blocker(
        key=AttemptKey(holder["run_id"], holder["n"]),
        ref=ObjectRef(row["namespace"], row["name"], holder["schedule_uid"]),
        job_name=holder["job_name"],
        job_uid=holder["job_uid"],
        state=AttemptState(holder["state"]),
        replace=row["concurrency"] == ConcurrencyPolicy.REPLACE,
    )


def lock_of(row: dict[str, Any]) -> LockName | None:
    """Return the lock that the schedule's policy takes; Allow takes none."""
    if row["concurrency"] == ConcurrencyPolicy.ALLOW:
        return None
    return (row["namespace"], row["queue_name"], row["name"])


def _candidate(
    row: dict[str, Any],
    now: datetime,
    *,
    newest: dict[str, datetime],
    blockers: dict[str, Blocker],
    missed: MissedFacts,
    turns: Turns,
) -> Candidate:
    policy = ConcurrencyPolicy(row["concurrency"])
    blocker = blockers.get(row["schedule_uid"])
    if blocker is not None and row["backfill"] is not None:
        blocker = replace(blocker, replace=False)  # What is past waits for others, and stops nobody.
    situation = Situation(
        tick=row["scheduled_time"],
        due_at=row["due_at"],
        now=now,
        is_tick=row["is_tick"],
        deleted=row["deleted_at"] is not None,
        suspended=row["suspend"],
        deadline=deadline_of(row),
        policy=policy,
        newest_due=newest.get(row["schedule_uid"]),
        blocked_by=str(blocker.key.run_id) if blocker is not None else None,
        catch_up=stored_catch_up(row),
        free_since=missed.free_since.get(row["schedule_uid"]),
        newer_missed=missed.newer.get((row["run_id"], row["n"]), 0),
        oldest_due=missed.oldest.get(row["schedule_uid"]),
        **turns.of(row["backfill"]),
    )
    decision = decide(situation)
    if isinstance(decision, Go):
        turns.taken(row["backfill"])
    ref = ObjectRef(row["namespace"], row["name"], row["schedule_uid"])
    key = AttemptKey(row["run_id"], row["n"])
    return Candidate(row, key, ref, policy, lock_of(row), blocker, decision)


def deferred(found: Sequence[Candidate]) -> list[Blocker]:
    """Return what is in the way of those candidates that have to wait."""
    return [item.blocker for item in found if item.blocker is not None and isinstance(item.decision, Defer)]
