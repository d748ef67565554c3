"""Timetables: when a schedule ticks.

Expressions mean what CronJob makes of them; on the nights of a clock change a fixed local time runs once (see
`recurrence`). Pure: the same arguments give the same ticks, in every replica with the same time zone database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ticklock.domain.expression import Interval, parse_expression
from ticklock.domain.recurrence import Cron, Every
from ticklock.domain.timetable_error import TimetableError, UnknownTimeZone
from ticklock.domain.zones import LATEST, check_zone, epoch_of, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

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
    """A recurrence: expression and zone, and for `@every` the anchor it counts from.

    Two timetables are equal if they mean the same: `@daily` equals `0 0 * * *` in the same zone.
    """

    expression: str = field(compare=False)
    """As it was given."""
    time_zone: str = field(compare=False)
    """The IANA name; UTC where none was given."""
    recurrence: Cron | Every

    @classmethod
    def parse(
        cls, expression: str, *, time_zone: str | None = None, anchor: datetime, seed: str | None = None
    ) -> Timetable:
        """Return the timetable that an expression describes.

        `anchor` (aware) is where `@every` counts from, rounded down to the second; it ticks first one interval later.
        `seed` names the schedule (`seed_of`), for `H`.
        Raises TimetableError, or its subclass UnknownTimeZone, each with the problem and the mend.
        """
        zone = DEFAULT_TIME_ZONE if time_zone is None else check_zone(time_zone)
        meaning = parse_expression(expression, seed)
        if isinstance(meaning, Interval):
            return cls(expression, zone, Every(meaning.seconds, epoch_of(anchor)))
        return cls(expression, zone, Cron(meaning, zone))

    @property
    def kind(self) -> Kind:
        """What the timetable follows."""
        return Kind.CRON if isinstance(self.recurrence, Cron) else Kind.EVERY

    def ticks(self, *, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield each tick in the half-open (after, until] once, oldest first, in UTC, lazily.

        Cutting the interval anywhere gives the same ticks.
        """
        for epoch in self.recurrence.epochs(epoch_of(after) + 1, epoch_of(until) + 1):
            yield moment_of(epoch)

    def next(self, after: datetime) -> datetime | None:
        """Return the first tick strictly after a moment; None if there is none within 50 years (31 February)."""
        first = epoch_of(after) + 1
        epoch = next(self.recurrence.epochs(first, min(first + _HORIZON, LATEST)), None)
        return None if epoch is None else moment_of(epoch)

    def latest(self, *, after: datetime, until: datetime) -> datetime | None:
        """Return the newest tick in (after, until], searched from its end; None if there is none."""
        epoch = next(self.recurrence.epochs(epoch_of(after) + 1, epoch_of(until) + 1, backwards=True), None)
        return None if epoch is None else moment_of(epoch)
