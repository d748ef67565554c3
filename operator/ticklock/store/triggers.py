"""Triggers: one run for each new value of the annotation.

A value counts once as long as its run is kept, and for as long as it is the last one, for ever.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptState, Declared, trigger_key
from ticklock.domain.reasons import Reason
from ticklock.store.chronicle import Announcement, announce
from ticklock.store.newruns import NewRun
from ticklock.store.pending import room
from ticklock.store.planning import insert_runs
from ticklock.store.rowlocks import hint
from ticklock.store.session import Database, sql

LONGEST = 128
"""Characters of a trigger's value."""

_REMEMBER = sql("UPDATE schedule_state SET last_trigger = :value WHERE cluster = :cluster AND uid = :uid")


async def take_trigger(
    connection: AsyncConnection, db: Database, item: Declared, *, last: str | None, now: datetime
) -> None:
    """Insert the run of a new trigger value; a refused value is used up as well, and told."""
    value = item.trigger
    if value is None or trigger_mark(value) == last:
        return
    mark = trigger_mark(value)
    await connection.execute(_REMEMBER, {"cluster": db.cluster, "uid": item.ref.uid, "value": mark})
    if mark == item.last_trigger:
        await insert_runs(connection, db, [_lost(item, value, now)], since=now)
        return
    objection = _objection(item, value)
    if objection is None and (full := (await room(connection, db, [item.ref.namespace])).objection(item.ref.namespace)):
        objection = f"annotation ticklock.dev/trigger: {full}; then use a new value"
    if objection is not None:
        await announce(
            connection, db, [Announcement(item.ref, "Warning", Reason.TRIGGER_REFUSED, "Trigger", objection)]
        )
        return
    run = NewRun(
        ref=item.ref,
        run_key=trigger_key(value),
        scheduled_time=now,
        is_tick=False,
        priority=int(item.rule.priority) if item.rule else 1,
        generation=item.generation,
    )
    await insert_runs(connection, db, [run], since=now)
    await hint(connection, "stage")


def _lost(item: Declared, value: str, now: datetime) -> NewRun:
    """Return the run of a trigger of which the status bears witness, and the ledger knows nothing: it may have run."""
    return NewRun(
        ref=item.ref,
        run_key=trigger_key(value),
        scheduled_time=now,
        is_tick=False,
        priority=int(item.rule.priority) if item.rule else 1,
        generation=item.generation,
        state=AttemptState.UNKNOWN,
        reason=Reason.LEDGER_LOST,
        message="the database lost commits; the status of the object says that this trigger was taken before",
    )


def trigger_mark(value: str) -> str:
    """Return what is remembered of a trigger's value, in the ledger and the status: itself, unless it is too long."""
    if len(value) <= LONGEST:
        return value
    return f"{value[:32]}... sha256:{sha256(value.encode(errors='replace')).hexdigest()[:16]}"


def _objection(item: Declared, value: str) -> str | None:
    if len(value) > LONGEST:
        return f"annotation ticklock.dev/trigger: {len(value)} characters are too many; use at most {LONGEST}"
    if item.problem is not None:
        return (
            f"annotation ticklock.dev/trigger: the spec cannot be run ({item.problem.message}); "
            "mend it, then use a new value"
        )
    return None
