"""What is asked about ticks that may have been missed, where a spec says what is to be made up for.

Schedules whose spec says nothing of it cost no query: for them the newest due tick is all that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.backlog import GRACE
from ticklock.domain.catch_up import CatchUpPolicy
from ticklock.domain.model import ConcurrencyPolicy
from ticklock.store.planning import stored_catch_up
from ticklock.store.session import Database, sql

_FREE_SINCE = sql("""
SELECT u.uid, max(ended.finished_at) AS free_since
FROM unnest(CAST(:uids AS text[])) AS u(uid)
CROSS JOIN LATERAL (
  SELECT a.finished_at FROM runs r
  JOIN attempts a ON a.run_id = r.id AND a.job_uid IS NOT NULL AND a.finished_at IS NOT NULL
  WHERE r.cluster = :cluster AND r.schedule_uid = u.uid
  ORDER BY r.scheduled_time DESC LIMIT 10
) ended
GROUP BY u.uid
""")
"""One run follows another, nearly in the order of their times."""

_OLDEST = sql("""
SELECT schedule_uid, min(scheduled_time) AS tick FROM attempts
WHERE cluster = :cluster AND schedule_uid = ANY(CAST(:uids AS text[])) AND state IN ('planned', 'bound', 'launched')
  AND state = 'planned' AND is_tick AND due_at <= :now
GROUP BY schedule_uid
""")
"""The states are named twice so that the index of open attempts is met."""

_NEWER = sql("""
SELECT x.run_id, x.n, m.newer
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:uids AS text[]), CAST(:ticks AS timestamptz[]),
            CAST(:limits AS int[])) AS x(run_id, n, uid, tick, most)
CROSS JOIN LATERAL (
  SELECT count(*) AS newer FROM (
    SELECT 1 FROM runs r JOIN attempts a ON a.run_id = r.id
    WHERE r.cluster = :cluster AND r.schedule_uid = x.uid AND r.scheduled_time > x.tick AND r.scheduled_time <= :now
      AND a.is_tick AND CASE WHEN a.bound_at IS NULL THEN a.state = 'planned' AND a.due_at < :missed
                             ELSE a.bound_at > a.due_at + CAST(:grace AS interval) END
    LIMIT x.most) found
) m
""")
"""Those that were made up for already count too: the order in which they are decided does not matter."""


@dataclass(frozen=True, slots=True)
class MissedFacts:
    """What policy wants to know of missed ticks: nothing where no spec asks for it."""

    free_since: Mapping[str, datetime] = field(default_factory=dict)
    """When the last run of a schedule ended, by its UID."""
    oldest: Mapping[str, datetime] = field(default_factory=dict)
    """The oldest due tick of a schedule that is not bound, by its UID."""
    newer: Mapping[tuple[UUID, int], int] = field(default_factory=dict)
    """How many newer missed ticks run or are to run, up to the limit, by attempt."""


async def missed_facts(
    connection: AsyncConnection, db: Database, rows: Sequence[dict[str, Any]], *, now: datetime
) -> MissedFacts:
    """Gather them for candidates."""
    asking = [row for row in rows if row["is_tick"] and (row["times"] or {}).get("catchUp")]
    if not asking:
        return MissedFacts()
    missed = [row for row in asking if now - row["due_at"] > GRACE]
    waiting = sorted({row["schedule_uid"] for row in missed if row["concurrency"] != ConcurrencyPolicy.ALLOW})
    each = [row for row in asking if stored_catch_up(row).policy is CatchUpPolicy.ALL]
    ordered = sorted({row["schedule_uid"] for row in each if row["concurrency"] == ConcurrencyPolicy.FORBID})
    return MissedFacts(
        await _moments(connection, _FREE_SINCE, waiting, db),
        await _moments(connection, _OLDEST, ordered, db, now=now),
        await _newer(connection, db, [row for row in each if now - row["due_at"] > GRACE], now),
    )


async def _moments(
    connection: AsyncConnection, statement: Any, uids: Sequence[str], db: Database, **parameters: object
) -> dict[str, datetime]:
    if not uids:
        return {}
    rows = await connection.execute(statement, {"cluster": db.cluster, "uids": uids, **parameters})
    return {uid: moment for uid, moment in rows if moment is not None}


async def _newer(
    connection: AsyncConnection, db: Database, missed: Sequence[dict[str, Any]], now: datetime
) -> dict[tuple[UUID, int], int]:
    if not missed:
        return {}
    parameters = {
        "cluster": db.cluster,
        "now": now,
        "missed": now - GRACE,
        "grace": GRACE,
        "run_ids": [row["run_id"] for row in missed],
        "ns": [row["n"] for row in missed],
        "uids": [row["schedule_uid"] for row in missed],
        "ticks": [row["scheduled_time"] for row in missed],
        "limits": [stored_catch_up(row).limit for row in missed],
    }
    return {(row.run_id, row.n): row.newer for row in await connection.execute(_NEWER, parameters)}
