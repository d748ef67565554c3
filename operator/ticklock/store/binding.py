"""The bind: which Job is the attempt. The one decision that safety rests on.

Promise: an attempt is bound once, to one Job UID, by compare-and-set on (planned, unbound, stage), at or after its
tick by the database's clock, in an incarnation of the database that was reconciled. Not promised: that whoever bound
it launches it; a claim that runs out lets another replica do that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.clock import STEP
from ticklock.domain.model import AttemptKey, AttemptState, JobUid, ObjectRef
from ticklock.domain.policy import Defer, Go
from ticklock.domain.reasons import Reason
from ticklock.failpoints import failpoint
from ticklock.ports import BindOutcome, Bound
from ticklock.store.candidates import DUE, TO_BIND, Candidate, LockName, candidates, deferred
from ticklock.store.chronicle import Entry, begin_logs, chronicle
from ticklock.store.planning import deadline_of
from ticklock.store.session import Database, sql
from ticklock.store.staging import apply_objections, ask_to_stop

log = structlog.get_logger(__name__)

LEADERLESS_AFTER = timedelta(seconds=2)
"""After so long without a leader the objects themselves are read before a launch: nobody stores their edits."""

_BIND = sql(f"""
UPDATE attempts a
SET state = 'bound', job_uid = a.staged_uid, bound_at = clock_timestamp(), reason = 'Bound', message = '',
    logged_at = coalesce(a.logged_at, clock_timestamp()), claim_token = nextval('claim_tokens'), claimed_by = :replica,
    claimed_until = clock_timestamp() + CAST(:ttl AS interval)
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:stages AS int[])) AS b(run_id, n, stage)
WHERE a.cluster = :cluster AND a.run_id = b.run_id AND a.n = b.n AND a.state = 'planned' AND a.job_uid IS NULL
  AND a.staged_uid IS NOT NULL AND a.stage = b.stage AND {DUE}
RETURNING a.run_id, a.n, a.job_uid, a.job_name, a.claim_token
""")  # noqa: S608 - a constant of the store

_TAKE_LOCK = sql("""
INSERT INTO queue_locks (cluster, namespace, queue_name, job_name, run_id, n, token, expires)
VALUES (:cluster, :namespace, :queue, :name, :run_id, :n, :token, clock_timestamp() + interval '300 seconds')
ON CONFLICT (cluster, namespace, queue_name, job_name) DO NOTHING
""")

_LEADERLESS = sql("""
SELECT coalesce((SELECT clock_timestamp() - renewed_at FROM terms WHERE cluster = :cluster), interval '1 day')
""")

_STRANDED = sql("""
WITH stranded AS MATERIALIZED (
  SELECT a.run_id, a.n FROM attempts a
  WHERE a.cluster = :cluster AND a.state = 'bound' AND a.claimed_until <= clock_timestamp()
  ORDER BY a.claimed_until LIMIT :limit
  FOR UPDATE OF a SKIP LOCKED
)
UPDATE attempts a
SET claim_token = nextval('claim_tokens'), claimed_by = :replica,
    claimed_until = clock_timestamp() + CAST(:ttl AS interval)
FROM stranded x, schedules s
WHERE a.run_id = x.run_id AND a.n = x.n AND s.cluster = a.cluster AND s.uid = a.schedule_uid
RETURNING a.run_id, a.n, a.job_uid, a.job_name, a.claim_token, a.scheduled_time, a.due_at, a.schedule_uid,
          s.namespace, s.name,
          CASE WHEN a.is_tick THEN a.scheduled_time + s.starting_deadline_seconds * interval '1 second' END
            AS deadline_at
""")


async def bind(db: Database, *, ttl: timedelta, limit: int, verified: frozenset[str]) -> BindOutcome:
    """Decide a batch of due staged attempts."""
    async with db.decision() as (connection, now):
        found = await candidates(connection, db, TO_BIND, now=now, limit=limit)
        if not found:
            return BindOutcome((), (), (), 0)
        leaderless: timedelta = (await connection.execute(_LEADERLESS, {"cluster": db.cluster})).scalar_one()
        unverified = (
            [] if leaderless <= LEADERLESS_AFTER else [item.ref for item in found if item.ref.uid not in verified]
        )
        held_back = {ref.uid for ref in unverified}
        decided = [item for item in found if item.ref.uid not in held_back]
        going = await _with_locks(connection, db, [item for item in decided if isinstance(item.decision, Go)])
        if going:
            await failpoint("before-bind")
        bound = await _bind(connection, db, going, ttl=ttl, latest=now + STEP)
        leftovers = await apply_objections(connection, db, decided)
        blockers = deferred(decided)
        await ask_to_stop(connection, db, blockers)
        if bound:
            await failpoint("before-bind-commit")
    _tell_conflicts(decided)
    return BindOutcome(bound, leftovers, blockers, len(found), unverified)


async def _with_locks(connection: AsyncConnection, db: Database, going: Sequence[Candidate]) -> list[Candidate]:
    """Take the locks, by key; who does not get its lock waits for the next look."""
    free = [item for item in going if item.lock is None]
    wanting = sorted(
        (item for item in going if item.lock is not None), key=lambda item: (item.lock, item.row["due_at"])
    )
    taken: set[LockName] = set()
    for item in wanting:
        if item.lock not in taken and await _take_lock(connection, db, item):
            taken.add(item.lock)  # type: ignore[arg-type]  # filtered above
            free.append(item)
    return free


async def _take_lock(connection: AsyncConnection, db: Database, item: Candidate) -> bool:
    namespace, queue, name = item.lock or ("", "", "")
    result = await connection.execute(
        _TAKE_LOCK,
        {
            "cluster": db.cluster,
            "namespace": namespace,
            "queue": queue,
            "name": name,
            "run_id": item.key.run_id,
            "n": item.key.n,
            "token": item.row["claim_token"],
        },
    )
    if result.rowcount == 1:
        log.info("lock acquired", queue=queue, namespace=namespace, job=name, run=str(item.key.run_id))
    return result.rowcount == 1


async def _bind(
    connection: AsyncConnection, db: Database, going: Sequence[Candidate], *, ttl: timedelta, latest: datetime
) -> list[Bound]:
    if not going:
        return []
    parameters = {
        "cluster": db.cluster,
        "replica": db.replica,
        "ttl": ttl,
        "latest": latest,
        "run_ids": [item.key.run_id for item in going],
        "ns": [item.key.n for item in going],
        "stages": [item.row["stage"] for item in going],
    }
    won = {(row.run_id, row.n): row for row in await connection.execute(_BIND, parameters)}
    pairs = [(item, won[item.key.run_id, item.key.n]) for item in going if (item.key.run_id, item.key.n) in won]
    await begin_logs(connection, db, [(item.key, item.ref.name) for item, _ in pairs])
    entries = [
        Entry(item.key, item.ref, Reason.BOUND, f"Job {row.job_name} is this run", AttemptState.BOUND)
        for item, row in pairs
    ]
    await chronicle(connection, db, entries, report=False)
    return [
        Bound(
            item.key,
            item.ref,
            row.job_name,
            JobUid(row.job_uid),
            item.row["scheduled_time"],
            _deadline_at(item.row),
            row.claim_token,
            stranded=False,
            delay=item.row["due_at"] - item.row["scheduled_time"],
        )
        for item, row in pairs
    ]


def _deadline_at(row: dict[str, Any]) -> datetime | None:
    deadline = deadline_of(row)
    return row["scheduled_time"] + deadline if deadline is not None and row["is_tick"] else None


def _tell_conflicts(decided: Sequence[Candidate]) -> None:
    for item in decided:
        if item.blocker is not None and isinstance(item.decision, Defer) and item.row["deferrals"] == 0:
            namespace, queue, name = item.lock or ("", "", "")
            facts: dict[str, Any] = {"queue": queue, "namespace": namespace, "job": name, "run": str(item.key.run_id)}
            log.info("lock conflict", held_by=str(item.blocker.key.run_id), **facts)


async def claim_stranded(db: Database, *, ttl: timedelta, limit: int) -> list[Bound]:
    """Claim bound attempts whose claim ran out: their launch may or may not have happened, and is repeated."""
    async with db.decision() as (connection, _):
        parameters = {"cluster": db.cluster, "replica": db.replica, "ttl": ttl, "limit": limit}
        rows = (await connection.execute(_STRANDED, parameters)).all()
        if rows:
            await failpoint("before-rescue-commit")
        return [
            Bound(
                AttemptKey(row.run_id, row.n),
                ObjectRef(row.namespace, row.name, row.schedule_uid),
                row.job_name,
                JobUid(row.job_uid),
                row.scheduled_time,
                row.deadline_at,
                row.claim_token,
                stranded=True,
                delay=row.due_at - row.scheduled_time,
            )
            for row in rows
        ]
