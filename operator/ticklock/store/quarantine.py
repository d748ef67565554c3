"""Quarantine: what to believe when the database may have lost commits, or the cluster was set back.

Every decision checks the incarnation of the database; a new one closes the gate until one replica has compared the
ledger with the cluster. Jobs are listed before ScheduledJobs, because a witness is written before a Job is released:
a run that is missing from the first list has its witness in the second.

Rules, in the order in which they are applied: an unsuspended Job is a launched run, whatever its row says; one that has
ended is recorded, before a later attempt of its run is looked at. A suspended Job that its row is not bound to is taken
away and its attempt planned anew at a higher stage. Whatever else stands at or below the witness was handled before: it
becomes Unknown and is never launched again. So does what was due of an object that is gone: nothing bears witness of it
any more. A bound or launched attempt without a Job is Unknown too. Last, edits that were lost are stored: what an
object says now is in force before the gate opens, or a suspended schedule would tick on until it is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.errors import Transient
from ticklock.domain.model import Declared, ObjectRef
from ticklock.domain.reasons import Reason
from ticklock.failpoints import failpoint
from ticklock.ports import JobView, Leftover
from ticklock.store.closures import add_settled, close, open_again
from ticklock.store.comparison import lose_bound, lose_planned, unstage_unbound
from ticklock.store.deletion import bury
from ticklock.store.rebuilding import believable, ensure_owners, in_order, rebuild_all
from ticklock.store.rowlocks import lock_specs
from ticklock.store.schedules import namesakes, store_lost_edits
from ticklock.store.session import INCARNATION, Database, sql
from ticklock.store.setbacks import SET_BACK
from ticklock.store.specs import store_new
from ticklock.store.terms import QUARANTINED, fence
from ticklock.store.witnesses import Witnesses, catch_up

log = structlog.get_logger(__name__)

_SECONDS = 600.0
"""How long one comparison may take: it is one transaction over everything there is."""

_STATE = sql(f"""
SELECT {QUARANTINED} AS cause, quarantine_reason, clock_timestamp() AS now,
       {INCARNATION} || '/' || coalesce(set_back_at::text, '') AS life
FROM clusters c WHERE cluster = :cluster
""")  # noqa: S608 - constants of the store

_OPEN = sql(f"""
UPDATE clusters SET incarnation = {INCARNATION}, quarantine_reason = NULL,
       highest_resource_version = CASE WHEN quarantine_reason IS NULL THEN highest_resource_version ELSE 0 END
WHERE cluster = :cluster AND quarantine_reason IS NOT DISTINCT FROM CAST(:reason AS text)
""")  # noqa: S608 - constants of the store

_READ_ALL_AGAIN = sql("UPDATE schedules SET generation = 0 WHERE cluster = :cluster AND deleted_at IS NULL")
"""Generations count from an older number again: whatever the objects say now is newer."""

_LIVE = sql("SELECT uid, namespace, name FROM schedules WHERE cluster = :cluster AND deleted_at IS NULL ORDER BY uid")

_SCHEDULES = sql("""
SELECT uid, deleted_at IS NOT NULL AND generation = 0 AS owner_unknown FROM schedules WHERE cluster = :cluster
""")


async def begin_to_reconcile(db: Database, epoch: int) -> str:
    """Name the life that the database leads now. What is listed after this knows of everything that it has lost."""
    async with db.transaction() as connection:
        await fence(connection, db, epoch)
        return str((await connection.execute(_STATE, {"cluster": db.cluster})).one().life)


async def reconcile_incarnation(
    db: Database, epoch: int, jobs: Sequence[JobView], objects: Sequence[Declared], *, life: str | None = None
) -> list[Leftover]:
    """Apply the rules; return the suspended Jobs that must be un-staged before the gate opens.

    The caller un-stages them and calls again with what stands then. An empty answer means: the gate is open. `life` is
    what was asked for before the lists; Transient where the database leads another one by now.
    """
    async with db.transaction(seconds=_SECONDS) as connection:
        await fence(connection, db, epoch)
        state = (await connection.execute(_STATE, {"cluster": db.cluster})).one()
        if state.cause is None:
            return []
        if life is not None and life != state.life:
            raise Transient("commits may have been lost since the cluster was listed: it is listed again")
        await close(connection, db, Reason.QUARANTINE, state.cause)
        ours = in_order(job for job in jobs if believable(db, job))
        await _lock_all(connection, db, ours, objects=objects, now=state.now)
        set_back = state.quarantine_reason == SET_BACK
        settled, leftovers = await _settle(connection, db, ours, objects=objects, now=state.now, set_back=set_back)
        await add_settled(connection, db, settled, unstaging=len(leftovers))
        if not leftovers:
            await open_gate(connection, db, state.quarantine_reason)
            await open_again(connection, db, Reason.QUARANTINE, how=Reason.RECONCILED)
            log.warning("quarantine is over", jobs=len(jobs), objects=len(objects))
        await failpoint("before-quarantine-commit")
        return leftovers


async def _missing(connection: AsyncConnection, db: Database, objects: Mapping[str, Declared]) -> list[ObjectRef]:
    """Return the schedules whose objects are gone: nobody may start anything of theirs once the gate is open."""
    rows = await connection.execute(_LIVE, {"cluster": db.cluster})
    return [ObjectRef(row.namespace, row.name, row.uid) for row in rows if row.uid not in objects]


async def _settle(
    connection: AsyncConnection,
    db: Database,
    ours: Sequence[JobView],
    *,
    objects: Sequence[Declared],
    now: datetime,
    set_back: bool,
) -> tuple[Counter[str], list[Leftover]]:
    """Apply the rules; return how many attempts came out as what, and the Jobs that must go first."""
    settled: Counter[str] = Counter()
    lost = await catch_up(connection, db, objects, now)
    by_uid: dict[str, Declared] = {item.ref.uid: item for item in objects}
    settled.update(await rebuild_all(connection, db, ours, Witnesses(by_uid, lost.behind)))
    leftovers, settled["planned"] = await unstage_unbound(connection, db, ours, by_uid, set_back=set_back)
    settled["unknown"] = lost.runs + await lose_planned(connection, db, by_uid, behind=lost.behind, now=now)
    for ref in await _missing(connection, db, by_uid):
        await bury(connection, db, ref)
    if not leftovers:
        settled["unknown"] += await lose_bound(connection, db, ours, by_uid)
        leftovers = await store_lost_edits(connection, db, objects, now)
    return settled, leftovers


async def open_gate(connection: AsyncConnection, db: Database, reason: str | None) -> None:
    """Open the gate, unless it was closed for another reason meanwhile."""
    if reason == SET_BACK:
        await connection.execute(_READ_ALL_AGAIN, {"cluster": db.cluster})
    await connection.execute(_OPEN, {"cluster": db.cluster, "reason": reason})


async def _lock_all(
    connection: AsyncConnection, db: Database, jobs: Sequence[JobView], *, objects: Sequence[Declared], now: datetime
) -> None:
    """Store the objects and owners that the ledger does not know, then hold every schedule: nobody records now."""
    rows = list(await connection.execute(_SCHEDULES, {"cluster": db.cluster}))
    known = {row.uid for row in rows if not row.owner_unknown}
    news = [item for item in objects if item.ref.uid not in known and not item.deleting]
    dead = await namesakes(connection, db, news)
    await lock_specs(connection, db, [row.uid for row in rows])
    for ref in dead:
        await bury(connection, db, ref)
    await store_new(connection, db, news, now)
    standing = known | {item.ref.uid for item in news}
    await ensure_owners(connection, db, [job for job in jobs if job.owner_uid not in standing])
