"""What the objects' statuses bear witness of, taken into a ledger that may have lost it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.backlog import MISSED_ROWS
from ticklock.domain.model import AttemptState, Declared, tick_key, trigger_key
from ticklock.domain.reasons import Reason
from ticklock.domain.timing import declared_timetable
from ticklock.store.newruns import NewRun
from ticklock.store.planning import insert_runs
from ticklock.store.session import Database, sql

LOST = "the database lost commits; the status of the object says that this run was handled before"

STRIDE = 1_000_000
"""More records than a loss can take away: what was in the making for one of them must not pass for a later one."""

_MOST = 2**62
"""Whoever may write a status can write any number into it; it must not stop the quarantine of all others."""

_STATES = sql("""
SELECT st.uid, st.cursor, st.ledger_seq, st.last_trigger, s.generation, s.priority,
       CASE WHEN s.suspend OR s.problem_reason IS NOT NULL THEN s.paused_at END AS paused_at
FROM schedule_state st
JOIN schedules s ON s.cluster = st.cluster AND s.uid = st.uid WHERE st.cluster = :cluster
""")

_WITNESS = sql("""
UPDATE schedule_state st
SET cursor = greatest(st.cursor, w.witness), last_launched_tick = greatest(st.last_launched_tick, w.witness),
    ledger_seq = least(greatest(st.ledger_seq, w.seq), CAST(:most AS bigint)) + :stride, witnessed_seq = w.seq,
    last_trigger = coalesce(w.last_trigger, st.last_trigger), report_seq = st.report_seq + 1,
    doubted_through = CASE WHEN w.behind THEN greatest(st.doubted_through, :now) ELSE st.doubted_through END
FROM unnest(CAST(:uids AS text[]), CAST(:witnesses AS timestamptz[]), CAST(:seqs AS bigint[]),
            CAST(:last_triggers AS text[]), CAST(:behind AS boolean[]))
     AS w(uid, witness, seq, last_trigger, behind)
WHERE st.cluster = :cluster AND st.uid = w.uid
""")

_SUSPECT = sql("""
UPDATE attempts a SET suspect = true
FROM unnest(CAST(:uids AS text[]), CAST(:witnesses AS timestamptz[]), CAST(:behind AS boolean[]))
     AS w(uid, witness, behind)
WHERE a.cluster = :cluster AND a.schedule_uid = w.uid AND a.state IN ('planned', 'bound', 'launched')
  AND CASE WHEN a.is_tick THEN a.scheduled_time <= w.witness ELSE w.behind END
""")

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What the objects' statuses say, beside what the ledger says."""

    objects: Mapping[str, Declared]
    """The objects as listed, by UID."""
    behind: frozenset[str]
    """UIDs of those whose records the ledger has lost."""

    def cover(self, owner: str | None, scheduled: datetime | None, *, is_tick: bool) -> bool:
        """Tell whether a run may have been handled before, whatever the ledger says."""
        item = self.objects.get(owner or "")
        if item is None or not is_tick:
            return item is not None and owner in self.behind
        return witnessed(item, scheduled, is_tick=True)


@dataclass(frozen=True, slots=True)
class Lost:
    """What the ledger did not know any more."""

    behind: frozenset[str]
    runs: int
    """How many were written as Unknown."""


def witnessed(owner: Declared | None, scheduled: datetime | None, *, is_tick: bool) -> bool:
    """Tell whether a tick stands at or below the witness of its object."""
    if not is_tick or owner is None or owner.witness is None or scheduled is None:
        return False
    return scheduled <= owner.witness


async def catch_up(connection: AsyncConnection, db: Database, objects: Sequence[Declared], now: datetime) -> Lost:
    """Write what the witnesses say beyond the ledger: ticks without a row, triggers, numbers.

    The numbers come before anything is recorded: a record below the number that the status shows would count as
    witnessed. Nor is a number used again that a status still to be written may carry. What is open at or below a
    witness is marked: it may be recorded, but nothing may follow from its failure by itself: it may have already.
    """
    states = {row.uid: row for row in await connection.execute(_STATES, {"cluster": db.cluster})}
    known = [item for item in objects if item.ref.uid in states]
    behind = frozenset(item.ref.uid for item in known if item.ledger_seq > states[item.ref.uid].ledger_seq)
    runs = 0
    for start in range(0, len(known), _CHUNK):
        chunk = known[start : start + _CHUNK]
        lost = [run for item in chunk for run in _lost_runs(item, states[item.ref.uid])]
        runs += await insert_runs(connection, db, lost, since=now)
        parameters = {
            "cluster": db.cluster,
            "stride": STRIDE,
            "most": _MOST,
            "uids": [item.ref.uid for item in chunk],
            "witnesses": [item.witness for item in chunk],
            "seqs": [item.ledger_seq for item in chunk],
            "last_triggers": [item.last_trigger for item in chunk],
            "behind": [item.ref.uid in behind for item in chunk],
            "now": now,
        }
        await connection.execute(_WITNESS, parameters)
        await connection.execute(_SUSPECT, parameters)
    return Lost(behind, runs)


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
        for tick, message in _ticks_below_witness(item, _begin(item, state))
    ]
    if item.last_trigger and item.last_trigger != state.last_trigger:
        key = trigger_key(item.last_trigger)
        runs.append(NewRun(run_key=key, scheduled_time=state.cursor, is_tick=False, message=LOST, **common))
    return runs


def _begin(item: Declared, state: Any) -> datetime:
    """Return from where on the ledger may have lost ticks: its cursor, or a pause that was over and made up for."""
    cursor: datetime = state.cursor
    paused: datetime | None = state.paused_at if item.makes_up_for_pauses else None
    return cursor if paused is None else min(cursor, paused)


def _ticks_below_witness(item: Declared, cursor: datetime) -> list[tuple[datetime, str]]:
    """Return each tick of (cursor, witness]; where there are too many, the last of them with the range."""
    if item.rule is None or item.witness is None or item.witness <= cursor:
        return []
    timetable = declared_timetable(item, item.rule)
    ticks = list(islice(timetable.ticks(after=cursor, until=item.witness), MISSED_ROWS + 1))
    if len(ticks) <= MISSED_ROWS:
        return [(tick, LOST) for tick in ticks]
    last = timetable.latest(after=cursor, until=item.witness) or ticks[-1]
    return [(last, f"{LOST}: all ticks from {ticks[0]:%FT%TZ} to {last:%FT%TZ}")]
