"""The ticks that are due, enumerated by the simplest means: minute after minute, or one interval after another.

On purpose no code of the product is used here: what counts its runs must not share its mistakes. It understands what
the examples use (five fields of `*`, numbers, lists, ranges and steps; the `@` words; `@every`), and refuses the rest.
Not promised: the night on which a clock is put forward.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_UNITS = {"h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"(\*|(?P<low>\d+)(-(?P<high>\d+))?)(/(?P<step>\d+))?$")
_MINUTE = timedelta(minutes=1)


def ticks(expression: str, zone: str | None, *, after: datetime, until: datetime) -> list[datetime]:
    """Return the ticks in (after, until], in UTC. `@every` counts from `after`, in whole seconds.

    Raises ValueError for an expression that this module does not understand.
    """
    if expression.startswith("@every "):
        return list(_every(_seconds(expression.removeprefix("@every ")), after, until))
    fields = _Fields.parse(_WORDS.get(expression, expression))
    return [moment for moment in _minutes(after, until) if fields.fit(moment.astimezone(ZoneInfo(zone or "UTC")))]


def _every(seconds: int, after: datetime, until: datetime) -> Iterator[datetime]:
    moment = after.replace(microsecond=0) + timedelta(seconds=seconds)
    while moment <= until:
        yield moment.astimezone(UTC)
        moment += timedelta(seconds=seconds)


def _seconds(duration: str) -> int:
    found = re.findall(r"(\d+)([hms])", duration)
    if not found or "".join(number + unit for number, unit in found) != duration:
        raise ValueError(f"the demo cannot count @every {duration}: use whole hours, minutes and seconds, as in 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in found)


def _minutes(after: datetime, until: datetime) -> Iterator[datetime]:
    moment = after.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
    while moment <= until:
        yield moment
        moment += _MINUTE


@dataclass(frozen=True, slots=True)
class _Fields:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Day of month and of week are joined by `or`: neither is a star."""
    fixed: bool
    """A local time by name: in a night that has it twice it counts once."""

    @classmethod
    def parse(cls, expression: str) -> "_Fields":
        fields = expression.split()
        if len(fields) != len(_RANGES):
            raise ValueError(f"the demo cannot count {expression!r}: it takes five fields")
        minutes, hours, days, months, weekdays = (
            _numbers(field, low, high) for field, (low, high) in zip(fields, _RANGES, strict=True)
        )
        either = fields[2] not in "*?" and fields[4] not in "*?"
        fixed = "*" not in fields[0] + fields[1]
        return cls(minutes, hours, days, months, weekdays, either_day=either, fixed=fixed)

    def fit(self, local: datetime) -> bool:
        if local.minute not in self.minutes or local.hour not in self.hours or local.month not in self.months:
            return False
        if self.fixed and local.fold:
            return False
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return day or weekday if self.either_day else day and weekday


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.replace("?", "*").split(","):
        match = _PART.match(part)
        if match is None:
            raise ValueError(f"the demo cannot count {field!r}: use numbers, lists, ranges and steps")
        first = int(match["low"] or low)
        open_end = high if match["low"] is None or match["step"] else first
        found.update(range(first, int(match["high"] or open_end) + 1, int(match["step"] or 1)))
    return frozenset(found)
