"""From what a spec says of time to its timetable."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from ticklock.domain.model import Declared, Rule
from ticklock.domain.spread import seed_of
from ticklock.domain.timetable import Timetable


@lru_cache(maxsize=20_000)
def timetable_of(expression: str, time_zone: str | None, anchor: datetime, seed: str) -> Timetable:
    """Return the timetable of a schedule; parsing is pure, so it is done once for each. Raises TimetableError."""
    return Timetable.parse(expression, time_zone=time_zone, anchor=anchor, seed=seed)


def declared_timetable(item: Declared, rule: Rule) -> Timetable:
    """Return the timetable of an object whose spec is read. Raises TimetableError."""
    return timetable_of(rule.expression, rule.time_zone, item.created_at, seed_of(item.ref.namespace, item.ref.name))
