"""Timetables: when a schedule ticks.

Expressions mean what CronJob makes of them; on the nights of a clock change a fixed local time runs once (see
`recurrence`). Pure: the same arguments give the same ticks, in every replica with the same time zone database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from ticklock.domain.exclusion import Exclusion, Remaining, RemainingEvery
from ticklock.domain.expression import Interval, parse_expression
from ticklock.domain.merging import Merged
from ticklock.domain.recurrence import Cron, Every
from ticklock.domain.times import NOTHING_MORE, Times
from ticklock.domain.timetable_error import TimetableError, UnknownTimeZone
from ticklock.domain.zones import EARLIEST, LATEST, check_zone, epoch_of, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ticklock.domain.recurrence import Recurrence

__all__ = ["DEFAULT_TIME_ZONE", "Kind", "Timetable", "TimetableError", "UnknownTimeZone"]

DEFAULT_TIME_ZONE = "UTC"
"""CronJob takes the zone of the controller manager instead, which nobody can see from the object."""

_HORIZON = 50 * 366 * 86_400


class Kind(Enum):
    """What a timetable follows."""

    CRON = "cron"
    """The calendar and the clock of its zone."""
    EVERY = "every"
    """A fixed distance in time; the zone has no influence."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A recurrence: expressions and zone, for intervals the anchor they count from, and what limits it.

    Two timetables are equal if they mean the same: `@daily` equals `0 0 * * *` in the same zone.
    """

    expression: str = field(compare=False)
    """As it was given."""
    time_zone: str = field(compare=False)
    """The IANA name; UTC where none was given."""
    recurrence: Recurrence

    @classmethod
    def parse(
        cls, expression: str, *, time_zone: str | None = None, anchor: datetime, seed: str | None = None
    ) -> Timetable:
        """Return the timetable that an expression describes.

        `anchor` (aware) is where `@every` counts from, rounded down to the second; it ticks first one interval later.
        `seed` names the schedule (`seed_of`), for `H`.
        Raises TimetableError, or its subclass UnknownTimeZone, each with the problem and the mend.
        """
        return cls.of((expression,), time_zone=time_zone, anchor=anchor, seed=seed)

    @classmethod
    def of(
        cls,
        expressions: tuple[str, ...],
        *,
        time_zone: str | None = None,
        anchor: datetime,
        seed: str | None = None,
        times: Times = NOTHING_MORE,
    ) -> Timetable:
        """Return the timetable of several expressions and of what else a spec says; of none it has no ticks.

        Raises TimetableError. Where `times.start_at` is given, intervals count from there, and it is a tick of theirs.
        """
        zone = DEFAULT_TIME_ZONE if time_zone is None else check_zone(time_zone)
        exclusion = Exclusion.parse(times.exclude, seed) if times.exclude else None
        meanings = [parse_expression(expression, seed) for expression in expressions]
        if times.every_seconds is not None:
            meanings.append(Interval(times.every_seconds))
        begin = EARLIEST if times.start_at is None else _rounded_up(times.start_at)
        end = LATEST if times.end_at is None else epoch_of(times.end_at) + 1
        parts: list[Recurrence] = []
        for meaning in meanings:
            if isinstance(meaning, Interval):
                origin = epoch_of(anchor) if times.start_at is None else begin - meaning.seconds
                every = Every(meaning.seconds, origin)
                parts.append(every if exclusion is None else RemainingEvery(every, zone, exclusion))
            else:
                face = meaning if exclusion is None else Remaining(meaning, exclusion)
                parts.append(Cron(face, zone, times.nonexistent, times.ambiguous))
        text = ", ".join(expressions) or (f"@every {times.every_seconds}s" if times.every_seconds else "")
        unlimited = (begin, end) == (EARLIEST, LATEST)
        return cls(text, zone, parts[0] if unlimited and len(parts) == 1 else Merged(tuple(parts), begin, end))

    @property
    def parts(self) -> tuple[Recurrence, ...]:
        """What it is merged from; one where nothing is merged."""
        return self.recurrence.parts if isinstance(self.recurrence, Merged) else (self.recurrence,)

    @property
    def kind(self) -> Kind:
        """What the timetable follows: the calendar where any part does."""
        return Kind.CRON if any(isinstance(part, Cron) for part in self.parts) else Kind.EVERY

    def ticks(self, *, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield each tick in the half-open (after, until] once, oldest first, in UTC, lazily.

        Cutting the interval anywhere gives the same ticks.
        """
        for epoch in self.recurrence.epochs(epoch_of(after) + 1, epoch_of(until) + 1):
            yield moment_of(epoch)

    def next(self, after: datetime) -> datetime | None:
        """Return the first tick strictly after a moment; None if there is none within 50 years (31 February)."""
        first = epoch_of(after) + 1
        if isinstance(self.recurrence, Merged):
            first = max(first, self.recurrence.begin)
        epoch = next(self.recurrence.epochs(first, min(first + _HORIZON, LATEST)), None)
        return None if epoch is None else moment_of(epoch)

    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        """Return the newest tick in (after, until], searched from its end; None if there is none."""
        return next(iter(self.newest(1, after=after, until=until)), None)

    def newest(self, count: int, *, after: datetime, until: datetime) -> list[datetime]:
        """Return the newest `count` ticks of (after, until], fewer where there are fewer, oldest first."""
        backwards = self.recurrence.epochs(epoch_of(after) + 1, epoch_of(until) + 1, backwards=True)
        return [moment_of(epoch) for epoch in islice(backwards, count)][::-1]

    def count(self, *, after: datetime, until: datetime, at_most: int) -> int:
        """Return how many ticks lie in (after, until], or `at_most` where there are more."""
        return sum(1 for _ in islice(self.recurrence.epochs(epoch_of(after) + 1, epoch_of(until) + 1), at_most))


def _rounded_up(moment: datetime) -> int:
    whole = epoch_of(moment)
    return whole if moment_of(whole) == moment else whole + 1
