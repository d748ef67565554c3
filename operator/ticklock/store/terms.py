"""Heartbeats, terms and the installation's pulse."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.errors import Superseded
from ticklock.ports import LeaseMark, Pulse
from ticklock.store.session import INCARNATION, Database, sql

_CLUSTER = sql("INSERT INTO clusters (cluster) VALUES (:cluster) ON CONFLICT (cluster) DO NOTHING")

_HEARTBEAT = sql("""
WITH beat AS (
  INSERT INTO replicas (cluster, id, pod, leader, clock_step, clock_release)
  VALUES (:cluster, :replica, :pod, :leading, :step, :release)
  ON CONFLICT (cluster, id) DO UPDATE
  SET heartbeat = clock_timestamp(), leader = excluded.leader, clock_step = excluded.clock_step,
      clock_release = excluded.clock_release
)
UPDATE clusters
SET highest_time = greatest(highest_time, CAST(:believed AS timestamptz)),
    lease_uid = coalesce(CAST(:lease_uid AS text), lease_uid),
    lease_version = CASE WHEN lease_uid <> CAST(:lease_uid AS text) THEN CAST(:lease_version AS bigint)
                         ELSE greatest(lease_version, CAST(:lease_version AS bigint)) END
WHERE cluster = :cluster
""")
"""Only a time that is believed may raise the highest one gone by: others go by that.

The version of a Lease rises only: a leader of before a restore may write late.
"""

_RENEW = sql("UPDATE terms SET renewed_at = clock_timestamp() WHERE cluster = :cluster AND holder = :replica")

NEW_LEDGER = "the ledger is new and was not yet compared with the cluster"

QUARANTINED = f"""
CASE WHEN c.quarantine_reason IS NOT NULL THEN c.quarantine_reason
     WHEN c.incarnation IS NULL THEN '{NEW_LEDGER}'
     WHEN c.incarnation IS DISTINCT FROM {INCARNATION} THEN 'the database has restarted or was replaced' END
"""
"""Why the gate is closed for fear of lost commits, by the row `c` of `clusters`; NULL: it is not."""

_PULSE = sql(f"""
SELECT clock_timestamp() AS now, c.highest_time, c.clock_release, {QUARANTINED} AS quarantined,
       t.pod AS leader, coalesce(t.epoch, 0) AS epoch,
       coalesce(extract(epoch FROM clock_timestamp() - t.renewed_at), 86400)::float AS leaderless,
       q.planned, q.due, q.overdue, q.next_due
FROM clusters c LEFT JOIN terms t ON t.cluster = c.cluster,
LATERAL (
  SELECT count(*) AS planned, count(*) FILTER (WHERE due_at <= clock_timestamp()) AS due,
         coalesce(extract(epoch FROM clock_timestamp() - min(due_at) FILTER (WHERE due_at <= clock_timestamp())), 0)
           ::float AS overdue,
         extract(epoch FROM min(due_at) FILTER (WHERE due_at > clock_timestamp()) - clock_timestamp())
           ::float AS next_due
  FROM attempts a WHERE a.cluster = c.cluster AND a.state = 'planned'
) q
WHERE c.cluster = :cluster
""")  # noqa: S608 - constants of the store

_LOCK_TERM = sql("SELECT epoch FROM terms WHERE cluster = :cluster FOR UPDATE")

_OPEN_TERM = sql("""
INSERT INTO terms (cluster, epoch, holder, pod) VALUES (:cluster, 1, :replica, :pod)
ON CONFLICT (cluster) DO UPDATE SET epoch = terms.epoch + 1, holder = excluded.holder, pod = excluded.pod,
       started_at = clock_timestamp()
RETURNING epoch
""")

_FENCE = sql("SELECT epoch, holder FROM terms WHERE cluster = :cluster FOR KEY SHARE")

_GIVE_BACK = sql("""
UPDATE attempts a SET claimed_by = NULL, claimed_until = CASE state WHEN 'bound' THEN clock_timestamp() END
FROM (
  SELECT run_id, n FROM attempts
  WHERE cluster = :cluster AND claimed_by = :replica AND state IN ('planned', 'bound') FOR UPDATE SKIP LOCKED
) x
WHERE a.run_id = x.run_id AND a.n = x.n
""")

_GIVE_BACK_PODS = sql("""
UPDATE pods SET claimed_until = clock_timestamp()
WHERE cluster = :cluster AND claimed_by = :replica AND role = 'chosen' AND admitted_at IS NULL
""")

_LEAVE = sql("DELETE FROM replicas WHERE cluster = :cluster AND id = :replica")

_PULSE_SECONDS = 5.0
"""A heartbeat that takes longer says that nothing can be launched, in time for those who look."""

_DEAD_AFTER = timedelta(seconds=60)

_BURY = sql("DELETE FROM replicas WHERE cluster = :cluster AND heartbeat < clock_timestamp() - CAST(:age AS interval)")


async def pulse(db: Database, *, leading: bool, lease: LeaseMark | None = None) -> Pulse:
    """Write this replica's heartbeat, and where the Lease stands if it is told; read the installation's state."""
    common = {"cluster": db.cluster, "replica": db.replica, "pod": db.pod}
    async with db.transaction(seconds=_PULSE_SECONDS) as connection:
        await connection.execute(_CLUSTER, common)
        if leading:
            await connection.execute(_RENEW, common)
        asked = db.monotonic()
        row = (await connection.execute(_PULSE, common)).one()
        db.observe(asked, row.now, row.highest_time)
        db.vouched(row.clock_release)
        doubtful = db.watch.alarmed
        clock = {
            "step": db.watch.step.total_seconds() if doubtful else None,
            "believed": None if doubtful else row.now,
            "release": row.clock_release,
        }
        mark = {"lease_uid": lease and lease.uid, "lease_version": lease and lease.version}
        await connection.execute(_HEARTBEAT, {**common, "leading": leading, **clock, **mark})
    return Pulse(
        db_now=row.now,
        quarantined=row.quarantined or db.doubt,
        leader=row.leader,
        epoch=row.epoch,
        leaderless_seconds=row.leaderless,
        planned=row.planned,
        due=row.due,
        overdue_seconds=row.overdue,
        next_due_in=row.next_due,
    )


async def open_term(db: Database) -> int:
    """Begin a term: from now on no write of an older epoch passes the fence.

    It counts as led only from the first heartbeat that says so: until the leader has stored every object as it stands,
    edits of the time without a leader are not in the rows.
    """
    common = {"cluster": db.cluster, "replica": db.replica, "pod": db.pod}
    async with db.transaction() as connection:
        await connection.execute(_LOCK_TERM, common)
        return int((await connection.execute(_OPEN_TERM, common)).scalar_one())


async def fence(connection: AsyncConnection, db: Database, epoch: int) -> None:
    """Raise Superseded where another term has begun; hold the term open until this transaction ends.

    The holder counts too: a database that lost commits may give the same epoch out a second time.
    """
    term = (await connection.execute(_FENCE, {"cluster": db.cluster})).one_or_none()
    if term is None or (term.epoch, term.holder) != (epoch, db.replica):
        raise Superseded(f"the term {epoch} is over; the current one is {term.epoch if term else 'none'}")


async def give_back(db: Database) -> None:
    """Give every claim back and take the heartbeat away; a claim on a locked row runs out by itself."""
    async with db.transaction() as connection:
        await connection.execute(_GIVE_BACK, {"cluster": db.cluster, "replica": db.replica})
        await connection.execute(_GIVE_BACK_PODS, {"cluster": db.cluster, "replica": db.replica})
        await connection.execute(_LEAVE, {"cluster": db.cluster, "replica": db.replica})


async def bury_dead(connection: AsyncConnection, db: Database) -> None:
    """Remove the heartbeats of replicas that stopped long ago."""
    await connection.execute(_BURY, {"cluster": db.cluster, "age": _DEAD_AFTER})
