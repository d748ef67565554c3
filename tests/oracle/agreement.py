"""The product's timetable beside the oracle: where do they differ?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from tests.oracle.drawing import Asked, draw_asked, text_of
from tests.oracle.year import MINUTE, Year
from ticklock.domain.times import Ambiguous, Nonexistent, Times
from ticklock.domain.timetable import Timetable

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Pacific/Apia",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "Africa/Cairo",
    "America/Havana",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Asia/Tokyo",
    "America/Caracas",
    "America/Nuuk",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Norfolk",
    "UTC",
]
YEARS = (1975, 2099)
_HALF = 120
"""Minutes before and after the middle of a part."""
_SECOND = timedelta(seconds=1)
_MANY = 1_000
"""Where an expression ticks more often in a year, only parts of the year are compared, clock changes always."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where timetable and oracle disagree."""

    expression: str
    zone: str
    begin: datetime
    end: datetime
    expected: list[datetime]
    found: list[datetime]

    def __str__(self) -> str:
        missing, surplus = set(self.expected) - set(self.found), set(self.found) - set(self.expected)
        told = [f"{name} {sorted(ticks)[:3]}" for name, ticks in (("lacks", missing), ("adds", surplus)) if ticks]
        return f"{self.expression!r} in {self.zone}: {'; '.join(told) or 'another order'}"


def differences(year: Year, chance: Random, expressions: int) -> Iterator[Difference]:
    """Compare so many random expressions in a year."""
    for _ in range(expressions):
        asked = draw_asked(chance)
        timetable = timetable_of(asked, year.zone)
        for first, last in _parts(year, chance, whole=year.count(asked.fields) <= _MANY):
            expected = year.ticks(asked, first, last)
            begin, end = (year.begin + minute * MINUTE for minute in (first, last))
            found = list(timetable.ticks(after=begin - _SECOND, until=end - _SECOND))
            latest = timetable.latest(after=begin - _SECOND, until=end - _SECOND)
            if found != expected or latest != (expected[-1] if expected else None):
                yield Difference(str(asked), year.zone, begin, end, expected, found)


def timetable_of(asked: Asked, zone: str) -> Timetable:
    """Return the product's timetable of the same."""
    times = Times(
        exclude=(text_of(asked.exclude),) if asked.exclude else (),
        nonexistent=Nonexistent(asked.nonexistent),
        ambiguous=Ambiguous(asked.ambiguous),
    )
    anchor = datetime(1970, 1, 1, tzinfo=UTC)
    return Timetable.of((text_of(asked.fields),), time_zone=zone, anchor=anchor, times=times)


def _parts(year: Year, chance: Random, *, whole: bool) -> list[tuple[int, int]]:
    """Return which parts of the year to compare, in minutes."""
    if whole:
        return [(0, year.minutes)]
    middles = [*year.changes, chance.randrange(year.minutes)]
    return [(max(middle - _HALF, 0), min(middle + _HALF, year.minutes)) for middle in middles]


def years(chance: Random, count: int) -> Iterator[Year]:
    """Walk through the years of so many zones, each zone's turn before any comes twice."""
    zones: list[str] = []
    for _ in range(count):
        zones = zones or chance.sample(ZONES, len(ZONES))
        yield Year.walk(zones.pop(), chance.randint(*YEARS))
