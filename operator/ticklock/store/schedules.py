"""Specs in the ledger: which objects say something new, and what is done about each.

A spec takes effect in the transaction that stores it. An older version of an object than the one stored says nothing:
lists and watches may deliver it late.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import Declared, ObjectRef
from ticklock.failpoints import failpoint
from ticklock.ports import Leftover
from ticklock.store.chronicle import mark_dirty
from ticklock.store.deletion import bury
from ticklock.store.edits import store_edit
from ticklock.store.rowlocks import hint, lock_specs
from ticklock.store.session import Database, sql
from ticklock.store.specs import store_new
from ticklock.store.terms import fence
from ticklock.store.triggers import take_trigger, trigger_mark

_KNOWN = sql("""
SELECT s.uid, s.namespace, s.name, s.generation, s.deleted_at, s.created_at, s.expression, s.time_zone, s.times,
       s.suspend, s.priority, s.starting_deadline_seconds, s.problem_reason, s.problem_message, st.last_trigger,
       greatest(st.cursor, st.pruned_through) AS cursor, st.pruned_through, s.paused_at,
       st.last_launched_tick
FROM schedules s JOIN schedule_state st ON st.cluster = s.cluster AND st.uid = s.uid
WHERE s.cluster = :cluster AND s.uid = ANY(CAST(:uids AS text[]))
  AND NOT (s.deleted_at IS NOT NULL AND s.generation = 0)
""")
"""Without the rows made for Jobs whose owner was not known: an object that turns up after all is stored as new."""

_NAMESAKES = sql("""
SELECT s.uid, s.namespace, s.name FROM schedules s
JOIN unnest(CAST(:namespaces AS text[]), CAST(:names AS text[]), CAST(:uids AS text[])) AS o(namespace, name, uid)
  ON s.namespace = o.namespace AND s.name = o.name AND s.uid <> o.uid
WHERE s.cluster = :cluster AND s.deleted_at IS NULL
""")

_OBJECTS = sql("SELECT namespace, name, uid FROM schedules WHERE cluster = :cluster AND deleted_at IS NULL")


async def known_objects(db: Database) -> list[ObjectRef]:
    """Return the schedules that are not tombstones."""
    async with db.transaction() as connection:
        rows = await connection.execute(_OBJECTS, {"cluster": db.cluster})
        return [ObjectRef(row.namespace, row.name, row.uid) for row in rows]


async def reconcile(
    db: Database, epoch: int, objects: Sequence[Declared], gone: Sequence[ObjectRef]
) -> tuple[int, list[Leftover]]:
    """Bring the rows in line with these objects; return how many changed, and the Jobs that are left over."""
    async with db.decision() as (connection, now):
        await fence(connection, db, epoch)
        known = await _known(connection, db, [item.ref.uid for item in objects] + [ref.uid for ref in gone])
        changed = [item for item in objects if _differs(item, known.get(item.ref.uid))]
        buried = [ref for ref in gone if ref.uid in known and known[ref.uid]["deleted_at"] is None]
        if not changed and not buried:
            return 0, []
        former = await namesakes(connection, db, [item for item in changed if _unborn(known.get(item.ref.uid))])
        dead = {ref.uid: ref for ref in (*buried, *former)}
        uids = {*(item.ref.uid for item in changed), *dead}
        await lock_specs(connection, db, uids)
        known = await _known(connection, db, sorted(uids))
        leftovers = [job for ref in dead.values() for job in await bury(connection, db, ref)]
        await store_new(connection, db, [item for item in changed if item.ref.uid not in known], now)
        for item in changed:
            leftovers += await _store(connection, db, item, row=known.get(item.ref.uid), now=now)
        await hint(connection, "plan")
        await failpoint("before-edit-commit")
        return len(changed) + len(dead), leftovers


async def store_lost_edits(
    connection: AsyncConnection, db: Database, objects: Sequence[Declared], now: datetime
) -> list[Leftover]:
    """Store the specs that the ledger does not have although it knows the objects; return the Jobs that are left over.

    For the quarantine, which holds every schedule: here an older generation counts too, as the cluster may have been
    set back. Triggers and deletions are not its concern, the reconciler reads them again.
    """
    known = await _known(connection, db, [item.ref.uid for item in objects])
    leftovers: list[Leftover] = []
    for item in objects:
        row = known.get(item.ref.uid)
        if row is None or row["deleted_at"] is not None or item.deleting or item.generation == row["generation"]:
            continue
        leftovers += await store_edit(connection, db, item, row=row, now=now)
        await mark_dirty(connection, db, [item.ref.uid])
    return leftovers


async def _known(connection: AsyncConnection, db: Database, uids: Sequence[str]) -> dict[str, dict[str, Any]]:
    result = await connection.execute(_KNOWN, {"cluster": db.cluster, "uids": list(uids)})
    return {row["uid"]: dict(row) for row in result.mappings()}


def _differs(item: Declared, row: dict[str, Any] | None) -> bool:
    """Tell whether an object says anything that its row does not; most events of a watch do not."""
    if row is None:
        return not item.deleting
    if row["deleted_at"] is not None:
        return False
    return (
        item.deleting
        or _edited(item, row)
        or (item.trigger is not None and trigger_mark(item.trigger) != row["last_trigger"])
    )


def _unborn(row: dict[str, Any] | None) -> bool:
    return row is None or row["deleted_at"] is not None


def _edited(item: Declared, row: dict[str, Any]) -> bool:
    """Tell whether the spec is newer than the stored one, or is now understood in another way."""
    if item.generation != row["generation"]:
        return bool(item.generation > row["generation"])
    problem = (item.problem.reason.value, item.problem.message) if item.problem else (None, None)
    return problem != (row["problem_reason"], row["problem_message"])


async def namesakes(connection: AsyncConnection, db: Database, news: Sequence[Declared]) -> list[ObjectRef]:
    """Return live rows of older objects under the names of new ones: those objects are gone."""
    if not news:
        return []
    parameters = {
        "cluster": db.cluster,
        "namespaces": [item.ref.namespace for item in news],
        "names": [item.ref.name for item in news],
        "uids": [item.ref.uid for item in news],
    }
    rows = await connection.execute(_NAMESAKES, parameters)
    return [ObjectRef(row.namespace, row.name, row.uid) for row in rows]


async def _store(
    connection: AsyncConnection, db: Database, item: Declared, *, row: dict[str, Any] | None, now: datetime
) -> list[Leftover]:
    """Store what an object says beyond its first spec: an edit, a trigger, its end."""
    if row is None:
        await take_trigger(connection, db, item, last=item.last_trigger, now=now)
        return []
    if item.deleting:
        return await bury(connection, db, item.ref)
    leftovers = await store_edit(connection, db, item, row=row, now=now) if _edited(item, row) else []
    await take_trigger(connection, db, item, last=row["last_trigger"], now=now)
    await mark_dirty(connection, db, [item.ref.uid])
    return leftovers
