"""What the objects' statuses bear witness of, taken into a ledger that may have lost it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.backlog import MISSED_ROWS
from ticklock.domain.model import AttemptState, Declared, tick_key, trigger_key
from ticklock.domain.reasons import Reason
from ticklock.store.planning import NewRun, insert_runs, timetable_of
from ticklock.store.session import Database, sql

LOST = "the database lost commits; the status of the object says that this run was handled before"

STRIDE = 1_000_000
"""More records than a loss can take away: what was in the making for one of them must not pass for a later one."""

_STATES = sql("""
SELECT st.uid, st.cursor, st.ledger_seq, s.generation, s.priority FROM schedule_state st
JOIN schedules s ON s.cluster = st.cluster AND s.uid = st.uid WHERE st.cluster = :cluster
""")

_WITNESS = sql("""
UPDATE schedule_state
SET cursor = greatest(cursor, CAST(:witness AS timestamptz)), last_launched_tick = greatest(last_launched_tick,
    :witness),
    ledger_seq = greatest(ledger_seq, :ledger_seq) + :stride, witnessed_seq = :ledger_seq,
    last_trigger = coalesce(:last_trigger, last_trigger), report_seq = report_seq + 1
WHERE cluster = :cluster AND uid = :uid
""")

_SUSPECT = sql("""
UPDATE attempts SET suspect = true
WHERE cluster = :cluster AND schedule_uid = :uid AND state IN ('planned', 'bound', 'launched') AND is_tick
  AND scheduled_time <= CAST(:witness AS timestamptz)
""")


async def catch_up(
    connection: AsyncConnection, db: Database, objects: Sequence[Declared], now: datetime
) -> frozenset[str]:
    """Write what the witnesses say beyond the ledger: ticks without a row, triggers, numbers.

    The numbers come before anything is recorded: a record below the number that the status shows would count as
    witnessed. Nor is a number used again that a status still to be written may carry. Returns the UIDs of the objects
    whose records the ledger has lost.
    """
    states = {row.uid: row for row in await connection.execute(_STATES, {"cluster": db.cluster})}
    behind = set()
    for item in objects:
        state = states.get(item.ref.uid)
        if state is None:
            continue
        if item.ledger_seq > state.ledger_seq:
            behind.add(item.ref.uid)
        await insert_runs(connection, db, _lost_runs(item, state), now=now)
        parameters = {"cluster": db.cluster, "uid": item.ref.uid, "witness": item.witness}
        numbers = {"ledger_seq": item.ledger_seq, "stride": STRIDE, "last_trigger": item.last_trigger}
        await connection.execute(_WITNESS, {**parameters, **numbers})
        if item.witness is not None:
            await connection.execute(_SUSPECT, parameters)
    return frozenset(behind)


def _lost_runs(item: Declared, state: Any) -> list[NewRun]:
    common: dict[str, Any] = {
        "ref": item.ref,
        "priority": state.priority,
        "generation": state.generation,
        "state": AttemptState.UNKNOWN,
        "reason": Reason.LEDGER_LOST,
    }
    runs = [
        NewRun(run_key=tick_key(tick), scheduled_time=tick, is_tick=True, message=message, **common)
        for tick, message in _ticks_below_witness(item, state.cursor)
    ]
    if item.last_trigger and item.ledger_seq > state.ledger_seq:
        key = trigger_key(item.last_trigger)
        runs.append(NewRun(run_key=key, scheduled_time=state.cursor, is_tick=False, message=LOST, **common))
    return runs


def _ticks_below_witness(item: Declared, cursor: datetime) -> list[tuple[datetime, str]]:
    """Return each tick of (cursor, witness]; where there are too many, the last of them with the range."""
    if item.rule is None or item.witness is None or item.witness <= cursor:
        return []
    timetable = timetable_of(item.rule.expression, item.rule.time_zone, item.created_at)
    ticks = list(islice(timetable.ticks(after=cursor, until=item.witness), MISSED_ROWS + 1))
    if len(ticks) <= MISSED_ROWS:
        return [(tick, LOST) for tick in ticks]
    last = timetable.latest(after=cursor, until=item.witness) or ticks[-1]
    return [(last, f"{LOST}: all ticks from {ticks[0]:%FT%TZ} to {last:%FT%TZ}")]
