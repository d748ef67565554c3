"""What a person may ask of the gate, and do to it. Nobody needs to be a replica for that, or the leader."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.errors import Refused
from ticklock.domain.model import ClusterId
from ticklock.domain.reasons import Reason
from ticklock.ports import Closure, GateStatus, Person
from ticklock.store.closures import DOUBTING, close, doubt, open_again
from ticklock.store.quarantine import open_gate
from ticklock.store.session import INCARNATION, Database, sql
from ticklock.store.terms import QUARANTINED

_SHOWN = 5
"""How many of the closures that are over are shown."""

_STATUS = sql(f"""
SELECT c.cluster, clock_timestamp() AS now, {QUARANTINED} AS cause, d.pods, d.step, {INCARNATION} AS running,
       c.incarnation, t.pod AS leader, extract(epoch FROM clock_timestamp() - t.renewed_at)::float AS leaderless,
       q.planned, q.due, q.overdue
FROM clusters c LEFT JOIN terms t ON t.cluster = c.cluster, {DOUBTING},
LATERAL (
  SELECT count(*) AS planned, count(*) FILTER (WHERE due_at <= clock_timestamp()) AS due,
         coalesce(extract(epoch FROM clock_timestamp() - min(due_at) FILTER (WHERE due_at <= clock_timestamp())), 0)
           ::float AS overdue
  FROM attempts a WHERE a.cluster = c.cluster AND a.state = 'planned'
) q
ORDER BY c.cluster
""")  # noqa: S608 - constants of the store

_CLOSURES = sql("""
SELECT * FROM closures WHERE cluster = :cluster ORDER BY opened_at IS NULL DESC, closed_at DESC, id DESC LIMIT :limit
""")

_HOLD = sql("SELECT id FROM closures WHERE cluster = :cluster AND opened_at IS NULL ORDER BY id FOR UPDATE")

_STATE = sql(f"""
SELECT {QUARANTINED} AS cause, c.quarantine_reason, d.pods, d.step,
       EXISTS (SELECT FROM closures x WHERE x.cluster = c.cluster AND x.reason = 'ClockStep' AND x.opened_at IS NULL)
         AS doubted
FROM clusters c, {DOUBTING} WHERE c.cluster = :cluster
""")  # noqa: S608 - constants of the store

_VOUCH = sql("""
UPDATE clusters SET clock_release = clock_release + 1, highest_time = clock_timestamp() WHERE cluster = :cluster
""")
"""The one case in which the highest time goes back: a person says that what was gone by was wrong."""


async def look(db: Database) -> list[GateStatus]:
    """Return the gate of each cluster that uses the database."""
    async with db.transaction() as connection:
        rows = (await connection.execute(_STATUS)).all()
        return [_status(row, await _closures(connection, row.cluster)) for row in rows]


async def _closures(connection: AsyncConnection, cluster: UUID) -> list[Closure]:
    rows = await connection.execute(_CLOSURES, {"cluster": cluster, "limit": len(Reason) + _SHOWN})
    found = [_closure(row) for row in rows]
    standing = [one for one in found if one.opened_at is None]
    return standing + [one for one in found if one.opened_at is not None][:_SHOWN]


def _closure(row: Any) -> Closure:
    return Closure(
        reason=Reason(row.reason),
        cause=row.cause,
        incarnation=row.incarnation,
        closed_at=row.closed_at,
        opened_at=row.opened_at,
        opened_how=Reason(row.opened_how) if row.opened_how else None,
        person=Person(row.opened_by, row.responsibility or "") if row.opened_by else None,
        settled=row.settled,
        unstaging=row.unstaging,
    )


def _status(row: Any, closures: list[Closure]) -> GateStatus:
    causes = {Reason.QUARANTINE: row.cause, Reason.CLOCK_STEP: doubt(row)}
    return GateStatus(
        cluster=ClusterId(row.cluster),
        now=row.now,
        causes={reason: cause for reason, cause in causes.items() if cause is not None},
        incarnation=row.running,
        reconciled=row.incarnation,
        closures=closures,
        planned=row.planned,
        due=row.due,
        overdue_seconds=row.overdue,
        leader=row.leader,
        leaderless_seconds=row.leaderless,
    )


async def release(db: Database, person: Person) -> list[Reason]:
    """Open the gate on a person's word; return what it was closed for. Refused where there is no such cluster.

    What was lost stays lost: rows are believed as they stand, and what they call planned is launched. The same
    transaction writes who it was and why.
    """
    async with db.transaction() as connection:
        which = {"cluster": db.cluster}
        await connection.execute(_HOLD, which)
        state = (await connection.execute(_STATE, which)).one_or_none()
        if state is None:
            raise Refused(f"the database knows no cluster {db.cluster}")
        released = []
        if state.cause is not None:
            await close(connection, db, Reason.QUARANTINE, state.cause)
            await open_gate(connection, db, state.quarantine_reason)
            await open_again(connection, db, Reason.QUARANTINE, how=Reason.RELEASED, person=person)
            released.append(Reason.QUARANTINE)
        if (cause := doubt(state)) is not None or state.doubted:
            await close(connection, db, Reason.CLOCK_STEP, cause or "")
            await connection.execute(_VOUCH, which)
            await open_again(connection, db, Reason.CLOCK_STEP, how=Reason.RELEASED, person=person)
            released.append(Reason.CLOCK_STEP)
        return released
