"""The cluster was set back: how the ledger notices, for all replicas and for those that come after them.

Two versions are kept, and neither may fall. That of full lists is the cluster's own. That of the Lease is older than
that, but an object keeps its version where a restore lets the cluster's revisions jump ahead.
"""

from __future__ import annotations

from ticklock.ports import LeaseMark
from ticklock.store.session import Database, sql
from ticklock.store.terms import fence

SET_BACK = "the API server was set back"

_RESOURCE_VERSION = sql("""
UPDATE clusters
SET highest_resource_version = greatest(highest_resource_version, :version),
    quarantine_reason = CASE WHEN :version < highest_resource_version THEN :set_back ELSE quarantine_reason END,
    set_back_at = CASE WHEN :version < highest_resource_version THEN clock_timestamp() ELSE set_back_at END
WHERE cluster = :cluster
RETURNING quarantine_reason
""")

_MARK = sql("""
SELECT lease_uid AS uid, lease_version AS version FROM clusters WHERE cluster = :cluster AND lease_uid IS NOT NULL
""")

_FALL = """
UPDATE clusters SET quarantine_reason = :set_back, set_back_at = clock_timestamp(),
       lease_uid = :uid, lease_version = :version
WHERE cluster = :cluster
"""

_SEEN_FALL = sql(_FALL)

_UNSEEN_FALL = sql(f"{_FALL} AND lease_uid = :noted_uid AND lease_version = :noted_version")


async def note_resource_version(db: Database, epoch: int, version: int) -> bool:
    """Remember the highest resourceVersion of the cluster; a fall means that it was set back: quarantine."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        parameters = {"cluster": db.cluster, "version": version, "set_back": SET_BACK}
        reason: str | None = (await connection.execute(_RESOURCE_VERSION, parameters)).scalar_one_or_none()
        return reason is None


async def lease_mark(db: Database) -> LeaseMark | None:
    """Return where the Lease stood by the last heartbeat of a leader; None before the first."""
    async with db.transaction() as connection:
        row = (await connection.execute(_MARK, {"cluster": db.cluster})).one_or_none()
        return None if row is None else LeaseMark(row.uid, row.version)


async def note_fall(db: Database, epoch: int, found: LeaseMark) -> None:
    """Begin a quarantine: this leader saw the Lease fall to what it is now."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        await connection.execute(_SEEN_FALL, _fallen_to(db, found))


async def set_back(db: Database, noted: LeaseMark, found: LeaseMark) -> None:
    """Begin a quarantine: the Lease is older than was noted. Of several replicas that find it, one is first."""
    async with db.transaction() as connection:
        former = {"noted_uid": noted.uid, "noted_version": noted.version}
        await connection.execute(_UNSEEN_FALL, {**_fallen_to(db, found), **former})


def _fallen_to(db: Database, found: LeaseMark) -> dict[str, object]:
    return {"cluster": db.cluster, "set_back": SET_BACK, "uid": found.uid, "version": found.version}
