"""From what a spec says of time to its timetable."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from ticklock.domain.model import Declared, Rule
from ticklock.domain.spread import seed_of
from ticklock.domain.times import Times
from ticklock.domain.timetable import Timetable


@lru_cache(maxsize=20_000)
def timetable_of(
    expression: str | None, times: Times, *, time_zone: str | None, anchor: datetime, seed: str
) -> Timetable:
    """Return the timetable of a schedule; parsing is pure, so it is done once for each. Raises TimetableError.

    Where nothing says when, it has no ticks: such a schedule runs on demand only.
    """
    expressions = times.schedules if expression is None else (expression,)
    return Timetable.of(expressions, time_zone=time_zone, anchor=anchor, seed=seed, times=times)


def declared_timetable(item: Declared, rule: Rule) -> Timetable:
    """Return the timetable of an object whose spec is read. Raises TimetableError."""
    seed = seed_of(item.ref.namespace, item.ref.name)
    return timetable_of(rule.expression, rule.times, time_zone=rule.time_zone, anchor=item.created_at, seed=seed)


def declared_delay(item: Declared) -> timedelta:
    """Return how long after its tick a run of an object is due."""
    seed = seed_of(item.ref.namespace, item.ref.name)
    return timedelta(0) if item.rule is None else item.rule.times.delay(seed)
