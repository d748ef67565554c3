"""The moments that an expression names on the face of a clock, whatever the zone.

A *wall second* is a local date and time as a number: the seconds since 1970-01-01 00:00:00 on the wall clock. Whether
and when a wall clock shows it is not known here; see `recurrence`.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DAY = 86_400
_HOUR = 3_600
_MINUTE = 60
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY = 4
_LENGTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Pattern:
    """The fields of an expression: the values that each allows."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Whether a day needs to fit only one of day of month and day of week: neither field holds a bare star."""
    real_time: bool
    """Whether it recurs through the night of a clock change, instead of naming fixed local times: the minute or the
    hour holds a star (the rule of Debian's cron)."""
    last_day: bool = False
    """Whether the last day of each month fits, beside `days`."""
    nth: frozenset[tuple[int, int]] = frozenset()
    """Weekdays that fit by their count within the month, beside `weekdays`: (1, 2) is the second Monday, (5, -1) the
    last Friday."""

    @property
    def possible(self) -> bool:
        """Whether there is any such day: not so for 31 February."""
        least = min(self.days, default=0)
        return self.either_day or self.last_day or any(least <= _LENGTHS[month] for month in self.months)

    def walls(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the wall seconds in the half-open [first, last), oldest first, or newest first when backwards."""
        if first >= last or not self.possible:
            return
        for day in self.days_between(first // _DAY, (last - 1) // _DAY, backwards=backwards):
            start = day * _DAY
            for second in self._seconds_of_day(first - start, last - start, backwards=backwards):
                yield start + second

    def days_between(self, first: int, last: int, *, backwards: bool) -> Iterator[int]:
        """Yield the days that fit, counted from 1970-01-01, from `first` to `last` inclusive."""
        begin, end = (date.fromordinal(day + _EPOCH_ORDINAL) for day in (first, last))
        months = range(_month_index(begin), _month_index(end) + 1)
        for index in _ordered(months, backwards=backwards):
            year, month = divmod(index, _MONTHS_A_YEAR)
            if month + 1 in self.months:
                days = [day for day in self._days_of_month(year, month + 1) if first <= day <= last]
                yield from _ordered(days, backwards=backwards)

    def has_day(self, day: int) -> bool:
        """Whether a day fits, counted from 1970-01-01."""
        shown = date.fromordinal(day + _EPOCH_ORDINAL)
        length = monthrange(shown.year, shown.month)[1]
        return shown.month in self.months and self._fits(shown.day, (day + _EPOCH_WEEKDAY) % 7, length)

    def _days_of_month(self, year: int, month: int) -> list[int]:
        start = date(year, month, 1).toordinal() - _EPOCH_ORDINAL - 1
        length = monthrange(year, month)[1]
        return [
            start + day for day in range(1, length + 1) if self._fits(day, (start + day + _EPOCH_WEEKDAY) % 7, length)
        ]

    def _fits(self, day: int, weekday: int, length: int) -> bool:
        by_day = day in self.days or (self.last_day and day == length)
        by_weekday = weekday in self.weekdays or (bool(self.nth) and self._fits_nth(day, weekday, length))
        return (by_day or by_weekday) if self.either_day else (by_day and by_weekday)

    def _fits_nth(self, day: int, weekday: int, length: int) -> bool:
        return (weekday, (day - 1) // 7 + 1) in self.nth or (day > length - 7 and (weekday, -1) in self.nth)

    def _seconds_of_day(self, first: int, last: int, *, backwards: bool) -> Iterator[int]:
        """Yield the seconds after midnight in [first, last), without walking through hours that lie outside."""
        for hour in _ordered(self.hours, backwards=backwards):
            base = hour * _HOUR
            if base >= last or base + _HOUR <= first:
                continue
            for minute in _ordered(self.minutes, backwards=backwards):
                start = base + minute * _MINUTE
                if start >= last or start + _MINUTE <= first:
                    continue
                for second in _ordered(self.seconds, backwards=backwards):
                    if first <= start + second < last:
                        yield start + second


def _ordered(values: Sequence[int], *, backwards: bool) -> Sequence[int]:
    return values[::-1] if backwards else values


def _month_index(day: date) -> int:
    return day.year * _MONTHS_A_YEAR + day.month - 1
