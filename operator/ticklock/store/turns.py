"""The turns of a backfill: of its runs no more are under way than it allows, whoever binds them.

Promise: the count is taken in the transaction that binds, under the state row of the schedule, so it holds across
replicas and restarts. Those whose turn has not come are due in a time that never comes, and cost nobody a look; when
there is room, the next ones are due at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.store.session import Database, sql

NOT_YET = datetime(9000, 1, 1, tzinfo=UTC)
"""When a run is due whose turn has not come."""

CALL = sql("""
WITH waiting AS MATERIALIZED (
  SELECT DISTINCT backfill FROM attempts
  WHERE cluster = :cluster AND backfill IS NOT NULL AND state IN ('planned', 'bound', 'launched')
    AND state = 'planned' AND due_at >= :not_yet
), room AS MATERIALIZED (
  SELECT b.id, greatest(b.max_parallel - (
    SELECT count(*) FROM attempts o
    WHERE o.backfill = b.id AND o.state IN ('planned', 'bound', 'launched') AND o.due_at < :not_yet), 0) AS places
  FROM waiting w JOIN backfills b ON b.id = w.backfill
), turn AS MATERIALIZED (
  SELECT x.run_id, x.n FROM room CROSS JOIN LATERAL (
    SELECT a.run_id, a.n FROM attempts a
    WHERE a.backfill = room.id AND a.state IN ('planned', 'bound', 'launched') AND a.state = 'planned'
      AND a.due_at >= :not_yet
    ORDER BY a.scheduled_time LIMIT room.places
    FOR UPDATE OF a SKIP LOCKED) x
)
UPDATE attempts a SET due_at = clock_timestamp() FROM turn t WHERE a.run_id = t.run_id AND a.n = t.n
""")
"""Two replicas may call more than there is room for: those find it out when they are to be bound."""

_UNDER_WAY = sql("""
SELECT b.id, b.max_parallel, count(a.run_id) AS under_way
FROM backfills b
LEFT JOIN attempts a ON a.backfill = b.id AND a.state IN ('planned', 'bound', 'launched')
  AND a.state IN ('bound', 'launched')
WHERE b.id = ANY(CAST(:ids AS bigint[]))
GROUP BY b.id
""")


@dataclass(slots=True)
class Turns:
    """How many runs of each backfill are under way, those counted in that are about to be let through."""

    most: dict[int, int]
    under_way: dict[int, int]

    def of(self, backfill: int | None) -> dict[str, Any]:
        """Return what a `Situation` says of it."""
        if backfill is None:
            return {}
        return {"under_way": self.under_way[backfill], "max_parallel": self.most[backfill]}

    def taken(self, backfill: int | None) -> None:
        """Count one that may go."""
        if backfill is not None:
            self.under_way[backfill] += 1


async def call(connection: AsyncConnection, db: Database) -> None:
    """Let those be due for which there is room, the oldest tick first."""
    await connection.execute(CALL, {"cluster": db.cluster, "not_yet": NOT_YET})


async def turns(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> Turns:
    """Count what is under way of the backfills of these rows, whose schedules' state rows the caller has locked."""
    ids = sorted({row["backfill"] for row in rows if row["backfill"] is not None})
    if not ids:
        return Turns({}, {})
    found = (await connection.execute(_UNDER_WAY, {"ids": ids})).all()
    return Turns({row.id: row.max_parallel for row in found}, {row.id: row.under_way for row in found})
