"""Which ticks are owed, and which are lost.

A replica plans ticks a little ahead of their time, so normally every tick becomes a pending run. After an outage there
may be a backlog: then only the latest tick is still run, as CronJob does, and each of the others is recorded as missed,
with its reason. A long outage is recorded as one range, so that nothing floods.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from ticklock.domain.reasons import Reason

GRACE = timedelta(seconds=15)
"""How late a tick may be and still run beside a newer one: long enough for the claims of a dead replica to run out."""

MISSED_ROWS = 100
"""How many missed ticks of one schedule are recorded one by one; more become one row that tells the range."""


class Ticking(Protocol):
    """The part of a timetable that planning needs."""

    def ticks(self, *, after: datetime, until: datetime) -> Iterable[datetime]:
        """Yield the ticks of (after, until], oldest first."""

    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        """Return the newest tick of (after, until]."""

    def next(self, after: datetime) -> datetime | None:
        """Return the first tick after `after`."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A tick that will not run, or a range of them ending with it."""

    tick: datetime
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look at a timetable gave."""

    pending: tuple[datetime, ...]
    lost: tuple[Lost, ...]
    cursor: datetime
    next_tick: datetime | None


def plan(
    timetable: Ticking,
    *,
    cursor: datetime,
    now: datetime,
    horizon: timedelta,
    deadline: timedelta | None,
    late: datetime | None = None,
) -> Plan:
    """Decide every tick of (cursor, now + horizon]. The new cursor never lies before the old one.

    `late` is the newest tick that is due now; it lies before now where jitter delays the launches.
    """
    late = now if late is None else late
    until = max(cursor, now + horizon)
    recent = max(cursor, late - GRACE)
    pending = tuple(timetable.ticks(after=recent, until=until))
    newest = timetable.latest(after=cursor, until=recent) if recent > cursor else None
    lost: tuple[Lost, ...] = ()
    if newest is not None:
        keep = not any(tick <= late for tick in pending) and not _expired(newest, now, deadline)
        if keep:
            pending = (newest, *pending)
        lost = _lost(timetable, cursor=cursor, newest=newest, kept=keep, now=now, deadline=deadline)
    return Plan(pending, lost, cursor=until, next_tick=timetable.next(until))


def _lost(
    timetable: Ticking, *, cursor: datetime, newest: datetime, kept: bool, now: datetime, deadline: timedelta | None
) -> tuple[Lost, ...]:
    """Name the ticks of (cursor, newest] that do not run; `kept` says that the newest one does."""
    found = list(islice(timetable.ticks(after=cursor, until=newest), MISSED_ROWS + 2))
    doomed = [tick for tick in found if not (kept and tick == newest)]
    if len(doomed) <= MISSED_ROWS:
        return tuple(judge_late(tick, now, deadline) for tick in doomed)
    last = timetable.latest(after=cursor, until=newest - timedelta(seconds=1)) if kept else newest
    last = doomed[-1] if last is None else last
    return (Lost(last, Reason.OUTAGE, f"all ticks from {doomed[0]:%FT%TZ} to {last:%FT%TZ} fell into an outage"),)


def judge_late(tick: datetime, now: datetime, deadline: timedelta | None) -> Lost:
    """Name the reason why a late tick does not run."""
    late = int((now - tick).total_seconds())
    if _expired(tick, now, deadline):
        return Lost(tick, Reason.DEADLINE_EXCEEDED, f"{late} s late: startingDeadlineSeconds is {_seconds(deadline)}")
    return Lost(tick, Reason.OUTAGE, f"{late} s late, and a later tick was due: only the latest one runs")


def _expired(tick: datetime, now: datetime, deadline: timedelta | None) -> bool:
    return deadline is not None and now > tick + deadline


def _seconds(deadline: timedelta | None) -> int:
    return int(deadline.total_seconds()) if deadline is not None else 0
