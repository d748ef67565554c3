"""Which ticks are owed, and which are lost.

A replica plans ticks a little ahead of their time, so normally every tick becomes a pending run. After an outage there
may be a backlog: then `catchUp` says which ticks still run, by default only the latest one, as CronJob does; each of
the others is recorded as missed, with its reason. A long outage is recorded as one range, so that nothing floods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from ticklock.domain.catch_up import AFTER_OUTAGES, CatchUp, CatchUpPolicy
from ticklock.domain.model import AttemptState
from ticklock.domain.reasons import Reason

GRACE = timedelta(seconds=15)
"""How late a tick may be and still run beside a newer one: long enough for the claims of a dead replica to run out."""

MISSED_ROWS = 100
"""How many missed ticks of one schedule are recorded one by one; more become one row that tells the range."""

COUNTED = 10_000
"""How many ticks of a range are counted; a range of more says so. Counting that many takes a few milliseconds."""

_AN_INSTANT = timedelta(microseconds=1)
_ONE_SECOND = timedelta(seconds=1)


class Ticking(Protocol):
    """The part of a timetable that planning needs."""

    def ticks(self, *, after: datetime, until: datetime) -> Iterable[datetime]:
        """Yield the ticks of (after, until], oldest first."""

    def newest(self, count: int, *, after: datetime, until: datetime) -> Sequence[datetime]:
        """Return the newest `count` ticks of (after, until], oldest first."""

    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        """Return the newest tick of (after, until]."""

    def count(self, *, after: datetime, until: datetime, at_most: int) -> int:
        """Return how many ticks lie in (after, until], or `at_most` where there are more."""

    def next(self, after: datetime) -> datetime | None:
        """Return the first tick after `after`."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A tick that will not run, or a range of them ending with it."""

    tick: datetime
    reason: Reason
    message: str
    first: datetime | None = None
    """Where it is a range: its first tick."""
    ticks: int = 1
    """How many ticks it tells of; of a range longer than is counted, at least so many."""
    state: AttemptState = AttemptState.MISSED


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look at a timetable gave."""

    pending: tuple[datetime, ...]
    lost: tuple[Lost, ...]
    cursor: datetime
    next_tick: datetime | None


def plan(  # noqa: PLR0913 - each is a fact of its own, and most callers give few
    timetable: Ticking,
    *,
    cursor: datetime,
    now: datetime,
    horizon: timedelta,
    deadline: timedelta | None,
    late: datetime | None = None,
    catch_up: CatchUp = AFTER_OUTAGES,
    grace: timedelta = GRACE,
) -> Plan:
    """Decide every tick of (cursor, now + horizon]. The new cursor never lies before the old one.

    `late` is the newest tick that is due now; it lies before now where jitter delays the launches. Without `grace` also
    the ticks of the last seconds are missed ones: for a pause that somebody wanted.
    """
    late = now if late is None else late
    until = max(cursor, now + horizon)
    recent = max(cursor, late - grace)
    pending = tuple(timetable.ticks(after=recent, until=until))
    if recent <= cursor:
        return Plan(pending, (), cursor=until, next_tick=timetable.next(until))
    superseded = catch_up.policy is CatchUpPolicy.LATEST and any(tick <= late for tick in pending)
    oldest = max([cursor, *_bounds(now=now, late=late, deadline=deadline, catch_up=catch_up)])
    kept = tuple(timetable.newest(0 if superseded else catch_up.most, after=oldest, until=recent))
    judged = Judged(now, late, deadline, catch_up)
    lost = _lost(timetable, cursor=cursor, until=kept[0] - _ONE_SECOND if kept else recent, judged=judged)
    return Plan((*kept, *pending), lost, cursor=until, next_tick=timetable.next(until))


def _bounds(*, now: datetime, late: datetime, deadline: timedelta | None, catch_up: CatchUp) -> list[datetime]:
    """Return moments at or before which no tick is made up for."""
    bounds = [] if deadline is None else [now - deadline - _AN_INSTANT]
    return bounds if catch_up.window is None else [*bounds, late - catch_up.window - _AN_INSTANT]


@dataclass(frozen=True, slots=True)
class Judged:
    """What missed ticks are judged by."""

    now: datetime
    late: datetime
    deadline: timedelta | None
    catch_up: CatchUp


def _lost(timetable: Ticking, *, cursor: datetime, until: datetime, judged: Judged) -> tuple[Lost, ...]:
    """Name the ticks of (cursor, until], none of which runs."""
    found = list(islice(timetable.ticks(after=cursor, until=until), MISSED_ROWS + 1))
    if len(found) <= MISSED_ROWS:
        return tuple(_judge(tick, judged) for tick in found)
    last = timetable.latest(after=cursor, until=until) or found[-1]
    count = timetable.count(after=cursor, until=last, at_most=COUNTED + 1)
    counted = f"{count} of them" if count <= COUNTED else f"more than {COUNTED} of them"
    words = f"all ticks from {found[0]:%FT%TZ} to {last:%FT%TZ} fell into an outage: {counted}"
    return (Lost(last, Reason.OUTAGE, words, first=found[0], ticks=count),)


def _judge(tick: datetime, by: Judged) -> Lost:
    refused = refusal(tick, by.now, late_by=by.late - tick, deadline=by.deadline, catch_up=by.catch_up)
    if refused is not None:
        return refused
    if by.catch_up.policy is CatchUpPolicy.ALL:
        return beyond_limit(tick, by.now, by.catch_up)
    return judge_late(tick, by.now, by.deadline)


def refusal(
    tick: datetime, now: datetime, *, late_by: timedelta, deadline: timedelta | None, catch_up: CatchUp
) -> Lost | None:
    """Say why a missed tick does not run, whatever other ticks there are; None where it may.

    `late_by` is for how long it could have run; the deadline counts from the tick.
    """
    late = _seconds(now - tick)
    if _expired(tick, now, deadline):
        return judge_late(tick, now, deadline)
    if catch_up.policy is CatchUpPolicy.SKIP:
        return Lost(tick, Reason.OUTAGE, f"{late} s late, and missed ticks are not made up for: catchUp.policy is Skip")
    if catch_up.window is not None and late_by > catch_up.window:
        window = _seconds(catch_up.window)
        return Lost(tick, Reason.CATCH_UP_WINDOW, f"{late} s late: catchUp.windowSeconds is {window}")
    return None


def beyond_limit(tick: datetime, now: datetime, catch_up: CatchUp) -> Lost:
    """Name the reason why a missed tick does not run under All: enough newer ones do."""
    words = f"{_seconds(now - tick)} s late, and {catch_up.limit} newer missed ticks run: that is catchUp.limit"
    return Lost(tick, Reason.CATCH_UP_LIMIT, words)


def judge_late(tick: datetime, now: datetime, deadline: timedelta | None) -> Lost:
    """Name the reason why a late tick does not run."""
    late = _seconds(now - tick)
    if _expired(tick, now, deadline):
        return Lost(tick, Reason.DEADLINE_EXCEEDED, f"{late} s late: startingDeadlineSeconds is {_seconds(deadline)}")
    return Lost(tick, Reason.OUTAGE, f"{late} s late, and a later tick was due: only the latest one runs")


def _expired(tick: datetime, now: datetime, deadline: timedelta | None) -> bool:
    return deadline is not None and now > tick + deadline


def _seconds(span: timedelta | None) -> int:
    return 0 if span is None else int(span.total_seconds())


def after_pause(gap: Plan, reason: Reason) -> Plan:
    """Return what a pause that is over leaves: its ticks that do not run were not missed, somebody wanted it so."""
    lost = tuple(
        replace(
            item,
            reason=reason,
            message=f"{_of_range(item)} into a pause, and catchUp does not ask for more",
            state=AttemptState.SKIPPED,
        )
        for item in gap.lost
    )
    return replace(gap, lost=lost)


def _of_range(item: Lost) -> str:
    if item.first is None:
        return f"the tick {item.tick:%FT%TZ} fell"
    return f"all ticks from {item.first:%FT%TZ} to {item.tick:%FT%TZ} fell"
