"""Local times that are taken away from a timetable.

An exclusion is an expression; what it names is a local time, not a tick. Five fields name whole minutes, six name
seconds: `* * 25 12 *` takes away all of Christmas, whatever the schedule. It is the nominal time that counts: of a
schedule at 02:30 that a clock change would move to 03:00, an exclusion of 02:30 leaves nothing, one of 03:00 takes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ticklock.domain.expression import Interval, parse_expression
from ticklock.domain.masks import DAY, FULL, clock_mask, seconds_of, stripes
from ticklock.domain.timetable_error import TimetableError
from ticklock.domain.zones import spells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ticklock.domain.pattern import Pattern
    from ticklock.domain.recurrence import Every

_SIX = 6
_ALL_SECONDS = tuple(range(60))


@dataclass(frozen=True, slots=True)
class Exclusion:
    """The local times that any of these patterns names."""

    patterns: tuple[Pattern, ...]

    @classmethod
    def parse(cls, expressions: Sequence[str], seed: str | None) -> Exclusion:
        """Return what the expressions take away. Raises TimetableError, which names the expression."""
        return cls(tuple(_parse(expression, seed) for expression in expressions))

    def mask(self, day: int) -> int:
        """Return the seconds of a local day (counted from 1970-01-01) that are taken away."""
        return _union(tuple(pattern for pattern in self.patterns if pattern.has_day(day)))


def _parse(expression: str, seed: str | None) -> Pattern:
    meaning = parse_expression(expression, seed)
    if isinstance(meaning, Interval):
        raise TimetableError(f"expression: {expression!r} names no local time", "write fields, such as * * 25 12 *")
    return meaning if len(expression.split()) == _SIX else replace(meaning, seconds=_ALL_SECONDS)


@lru_cache(maxsize=1024)
def _union(patterns: tuple[Pattern, ...]) -> int:
    mask = 0
    for pattern in patterns:
        mask |= clock_mask(pattern.seconds, pattern.minutes, pattern.hours)
    return mask


@dataclass(frozen=True, slots=True)
class Remaining:
    """What an exclusion leaves of a pattern."""

    pattern: Pattern
    exclusion: Exclusion

    @property
    def possible(self) -> bool:
        """Whether the calendar has such a day; what an exclusion leaves of it, only a search can tell."""
        return self.pattern.possible

    @property
    def real_time(self) -> bool:
        """As of the pattern."""
        return self.pattern.real_time

    def walls(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the wall seconds in the half-open [first, last) that remain."""
        if first >= last or not self.possible:
            return
        named = clock_mask(self.pattern.seconds, self.pattern.minutes, self.pattern.hours)
        for day in self.pattern.days_between(first // DAY, (last - 1) // DAY, backwards=backwards):
            left = named & ~self.exclusion.mask(day)
            for second in seconds_of(left, first - day * DAY, last - day * DAY, backwards=backwards):
                yield day * DAY + second


@dataclass(frozen=True, slots=True)
class RemainingEvery:
    """What an exclusion leaves of an interval, by the clock of a zone."""

    every: Every
    zone: str
    exclusion: Exclusion

    @property
    def possible(self) -> bool:
        """Always, as far as one can tell without a search."""
        return True

    def epochs(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the ticks in [first, last) that remain."""
        first = max(first, self.every.first)
        for spell in spells(self.zone, first, last, backwards=backwards):
            low, high = max(first, spell.begin) + spell.offset, min(last, spell.end) + spell.offset
            days = range(low // DAY, (high - 1) // DAY + 1)
            for day in days[::-1] if backwards else days:
                start = day * DAY
                phase = (self.every.anchor - (start - spell.offset)) % self.every.seconds
                left = stripes(phase, self.every.seconds) & ~self.exclusion.mask(day) & FULL
                for second in seconds_of(left, low - start, high - start, backwards=backwards):
                    yield start + second - spell.offset
