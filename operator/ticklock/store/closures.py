"""The times in which the gate is closed: since when, why, and how each ended. For people: nothing is decided by it.

What closes the gate stands in `clusters` (another incarnation, a cluster that was set back) and in `replicas` (who does
not believe the clock). The leader keeps the book of it: each closure is one row, begins with one Event and ends with
one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.reasons import Reason
from ticklock.ports import Opened, Person
from ticklock.store.chronicle import Announcement, announce
from ticklock.store.rowlocks import lock_schedules
from ticklock.store.session import INCARNATION, Database, sql
from ticklock.store.terms import NEW_LEDGER, QUARANTINED, fence

log = structlog.get_logger(__name__)

_CLOSE = sql(f"""
INSERT INTO closures (cluster, reason, cause, incarnation) VALUES (:cluster, :reason, :cause, {INCARNATION})
ON CONFLICT (cluster, reason) WHERE opened_at IS NULL DO NOTHING
RETURNING id
""")  # noqa: S608 - constants of the store

_OPEN = sql("""
UPDATE closures SET opened_at = clock_timestamp(), opened_how = :how, opened_by = :by, responsibility = :why
WHERE cluster = :cluster AND reason = :reason AND opened_at IS NULL
RETURNING told, settled, extract(epoch FROM opened_at - closed_at)::float AS seconds
""")

_AUDIT = sql("""
INSERT INTO run_events (cluster, status, message, replica) VALUES (:cluster, :status, :message, :replica)
""")

DOUBTING = """
LATERAL (
  SELECT array_agg(r.pod ORDER BY r.pod) AS pods, (array_agg(r.clock_step ORDER BY abs(r.clock_step) DESC))[1] AS step
  FROM replicas r
  WHERE r.cluster = c.cluster AND r.clock_step IS NOT NULL AND r.clock_release = c.clock_release
    AND r.heartbeat BETWEEN clock_timestamp() - interval '10 seconds' AND clock_timestamp() + interval '10 seconds'
) d
"""
"""Who of the cluster `c` does not believe the clock, and the greatest step that they saw; a dead replica has no say."""

_SIGHT = sql(f"""
SELECT {QUARANTINED} AS cause, d.pods, d.step,
       ARRAY(SELECT reason FROM closures WHERE cluster = c.cluster AND opened_at IS NULL) AS closed
FROM clusters c, {DOUBTING}
WHERE c.cluster = :cluster
""")  # noqa: S608 - constants of the store

_TELL = sql("""
UPDATE closures SET told = true
WHERE cluster = :cluster AND opened_at IS NULL AND NOT told AND closed_at < clock_timestamp() - interval '10 seconds'
RETURNING id
""")
"""Most closures are over in seconds. Thousands of statuses are not written twice for those."""

_LIVE = sql("SELECT uid FROM schedules WHERE cluster = :cluster AND deleted_at IS NULL")

_SHOW = sql("""
UPDATE schedule_state SET report_seq = report_seq + 1, reported_at = least(reported_at, to_timestamp(0))
WHERE cluster = :cluster AND uid = ANY(CAST(:uids AS text[]))
""")

_COUNTED = sql("""
UPDATE closures SET counted = true WHERE cluster = :cluster AND opened_at IS NOT NULL AND NOT counted
RETURNING reason, opened_how, settled
""")

_SETTLED = sql("""
UPDATE closures SET settled = CAST(:settled AS jsonb), unstaging = :unstaging
WHERE cluster = :cluster AND reason = 'Quarantine' AND opened_at IS NULL
""")

_SO_FAR = sql("""
SELECT settled FROM closures WHERE cluster = :cluster AND reason = 'Quarantine' AND opened_at IS NULL FOR UPDATE
""")

_AHEAD_OF_TIME = sql("""
SELECT uid FROM schedule_state WHERE cluster = :cluster AND reported_at > clock_timestamp()
UNION
SELECT schedule_uid FROM attempts
WHERE cluster = :cluster AND state IN ('planned', 'bound')
  AND greatest(not_before, claimed_until) > clock_timestamp() + interval '60 seconds'
""")

_UNWIND = (
    sql("""
    UPDATE schedule_state SET reported_at = clock_timestamp()
    WHERE cluster = :cluster AND reported_at > clock_timestamp()
    """),
    sql("""
    UPDATE queue_locks SET expires = clock_timestamp() + interval '300 seconds'
    WHERE cluster = :cluster AND expires > clock_timestamp() + interval '300 seconds'
    """),
    sql("""
    UPDATE attempts SET not_before = NULL
    WHERE cluster = :cluster AND state = 'planned' AND not_before > clock_timestamp() + interval '60 seconds'
    """),
    sql("""
    UPDATE attempts SET claimed_until = clock_timestamp()
    WHERE cluster = :cluster AND state IN ('planned', 'bound')
      AND claimed_until > clock_timestamp() + interval '60 seconds'
    """),
)
"""What was to end soon, by a clock that was put back since, would end an hour late. Claims last a minute at most."""

GATE = "Gate"
"""What an Event about the installation says was done something to."""


async def close(connection: AsyncConnection, db: Database, reason: Reason, cause: str) -> bool:
    """Note that the gate is closed; False where that is known."""
    parameters = {"cluster": db.cluster, "reason": reason.value, "cause": cause}
    if (await connection.execute(_CLOSE, parameters)).first() is None:
        return False
    log.warning("gate is closed", reason=reason.value, cause=cause)
    await _tell(connection, db, reason, f"nothing is launched: {cause}", warning=cause != NEW_LEDGER)
    return True


async def open_again(
    connection: AsyncConnection, db: Database, reason: Reason, *, how: Reason, person: Person | None = None
) -> bool:
    """Note that the gate is no longer closed for this reason; False where it was not known to be."""
    by = {"by": person.by if person else None, "why": person.why if person else None}
    parameters = {"cluster": db.cluster, "reason": reason.value, "how": how.value, **by}
    row = (await connection.execute(_OPEN, parameters)).one_or_none()
    if row is None:
        return False
    seconds = max(row.seconds, 0.0)
    words = f"launches go on after {seconds:.1f} s of {reason.value}{_counts(row.settled)}"
    words += f"; opened by {person.by}: {person.why}" if person else ""
    log.warning("gate is open again", reason=reason.value, how=how.value, seconds=round(seconds, 3), **by)
    await _tell(connection, db, how, words, warning=person is not None)
    if reason is Reason.CLOCK_STEP:
        await _unwind(connection, db)
    if row.told:
        await _show(connection, db)
    return True


def _counts(settled: Mapping[str, int]) -> str:
    found = ", ".join(f"{outcome} {number}" for outcome, number in sorted(settled.items()) if number)
    return f"; attempts settled: {found}" if found else ""


async def _tell(connection: AsyncConnection, db: Database, reason: Reason, words: str, *, warning: bool) -> None:
    """Write the installation's own line of the audit trail, and one Event."""
    parameters = {"cluster": db.cluster, "status": reason.value, "message": words, "replica": db.replica}
    await connection.execute(_AUDIT, parameters)
    await announce(connection, db, [Announcement(None, "Warning" if warning else "Normal", reason, GATE, words)])


async def _show(connection: AsyncConnection, db: Database) -> None:
    """Have every status written again: its condition is no longer true."""
    uids = [uid for (uid,) in await connection.execute(_LIVE, {"cluster": db.cluster})]
    await lock_schedules(connection, db, uids)
    await connection.execute(_SHOW, {"cluster": db.cluster, "uids": uids})


async def _unwind(connection: AsyncConnection, db: Database) -> None:
    which = {"cluster": db.cluster}
    await lock_schedules(connection, db, [uid for (uid,) in await connection.execute(_AHEAD_OF_TIME, which)])
    for statement in _UNWIND:
        await connection.execute(statement, which)


async def tend(db: Database, epoch: int) -> Sequence[Opened]:
    """Bring the book in line with what stands; return the closures that are over and were not counted yet."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        sight = (await connection.execute(_SIGHT, {"cluster": db.cluster})).one_or_none()
        if sight is None:
            return []
        await _compare(connection, db, Reason.QUARANTINE, sight, cause=sight.cause)
        # Where we doubt and nobody seems to, the heartbeats that say so are of a time that the clock has left.
        stepped = doubt(sight)
        if stepped is not None or db.doubt is None:
            await _compare(connection, db, Reason.CLOCK_STEP, sight, cause=stepped)
        if (await connection.execute(_TELL, {"cluster": db.cluster})).all():
            await _show(connection, db)
        rows = await connection.execute(_COUNTED, {"cluster": db.cluster})
        return [Opened(Reason(row.reason), Reason(row.opened_how), row.settled) for row in rows]


def doubt(sight: Any) -> str | None:
    """Return in words why the clock is not believed; None where everybody believes it."""
    if not sight.pods:
        return None
    return f"the database's clock stepped by {sight.step:.1f} s, seen by {', '.join(sight.pods)}"


_HOW = {Reason.QUARANTINE: Reason.RECONCILED, Reason.CLOCK_STEP: Reason.CLOCK_SETTLED}


async def _compare(connection: AsyncConnection, db: Database, reason: Reason, sight: Any, *, cause: str | None) -> None:
    if cause is not None and reason not in sight.closed:
        await close(connection, db, reason, cause)
    elif cause is None and reason in sight.closed:
        await open_again(connection, db, reason, how=_HOW[reason])


async def add_settled(connection: AsyncConnection, db: Database, settled: Mapping[str, int], *, unstaging: int) -> None:
    """Add to what the quarantine has made of attempts so far, and note how many Jobs are still to be taken away."""
    row = (await connection.execute(_SO_FAR, {"cluster": db.cluster})).one_or_none()
    if row is not None:
        total = {one: row.settled.get(one, 0) + settled.get(one, 0) for one in {*row.settled, *settled}}
        parameters = {"cluster": db.cluster, "settled": orjson.dumps(total).decode(), "unstaging": unstaging}
        await connection.execute(_SETTLED, parameters)
