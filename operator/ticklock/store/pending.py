"""How many runs may wait: limits of an installation against specs and people that would fill its ledger.

Promise: what is refused is told: a tick by the verdict `Skipped`, `TooManyPending`, which a backfill may take back; a
trigger by an Event; a backfill by an error. Not promised: the exact number. Replicas that plan at once may each find
the last places free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.limits import Limits
from ticklock.domain.model import AttemptState
from ticklock.domain.reasons import Reason
from ticklock.store.newruns import NewRun
from ticklock.store.session import Database, sql
from ticklock.store.turns import NOT_YET

_TOTAL = sql("""
SELECT count(*) FROM attempts WHERE cluster = :cluster AND state = 'planned' AND due_at < CAST(:before AS timestamptz)
""")

_OF_NAMESPACES = sql("""
SELECT s.namespace, count(*) AS pending
FROM attempts a JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
WHERE a.cluster = :cluster AND a.state = 'planned' AND a.due_at < CAST(:before AS timestamptz)
  AND s.namespace = ANY(CAST(:namespaces AS text[]))
GROUP BY s.namespace
""")


@dataclass(slots=True)
class Room:
    """What may still be planned."""

    limits: Limits
    total: int
    of: Counter[str]
    """Pending runs by namespace; empty where the total is too small for any limit to matter."""

    def objection(self, namespace: str, more: int = 1) -> str | None:
        """Say why so many more may not wait, and how to mend it; None where they may."""
        if self.of[namespace] + more > self.limits.max_pending_in_namespace:
            return (
                f"{self.of[namespace]} runs of namespace {namespace} are pending and "
                f"{self.limits.max_pending_in_namespace} may be: let some end first, or raise "
                "max_pending_runs_per_namespace"
            )
        if self.total + more > self.limits.max_pending:
            return (
                f"{self.total} runs are pending and {self.limits.max_pending} may be: let some end first, or raise "
                "max_pending_runs"
            )
        return None

    def take(self, namespace: str) -> None:
        """Count one that is planned."""
        self.total += 1
        self.of[namespace] += 1


async def room(
    connection: AsyncConnection, db: Database, namespaces: Collection[str], *, more: int = 1, waiting: bool = False
) -> Room:
    """Count what is pending; `waiting`: with the runs of backfills whose turn has not come."""
    parameters = {"cluster": db.cluster, "before": "infinity" if waiting else NOT_YET}
    total: int = (await connection.execute(_TOTAL, parameters)).scalar_one()
    if total + more <= min(db.limits.max_pending, db.limits.max_pending_in_namespace):
        return Room(db.limits, total, Counter())
    rows = await connection.execute(_OF_NAMESPACES, {**parameters, "namespaces": sorted(namespaces)})
    return Room(db.limits, total, Counter({row.namespace: row.pending for row in rows}))


async def limited(connection: AsyncConnection, db: Database, news: Sequence[NewRun]) -> list[NewRun]:
    """Return these runs; those for which there is no room are skipped."""
    pending = [new for new in news if new.state is AttemptState.PLANNED]
    if not pending:
        return list(news)
    free = await room(connection, db, {new.ref.namespace for new in pending}, more=len(pending))
    return [_admitted(new, free) for new in news]


def _admitted(new: NewRun, free: Room) -> NewRun:
    if new.state is not AttemptState.PLANNED:
        return new
    objection = free.objection(new.ref.namespace)
    if objection is None:
        free.take(new.ref.namespace)
        return new
    return replace(new, state=AttemptState.SKIPPED, reason=Reason.TOO_MANY_PENDING, message=objection)
