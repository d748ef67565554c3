"""When a schedule ticks, by the simplest means: look at every second and ask whether it fits.

No code of the product is used here, on purpose: what judges its ticks must not share its mistakes. The rules are those
that the docs promise: robfig's grammar, days joined by *or* unless one field holds a bare star, and on the night of a
clock change a fixed local time once, at the first moment that shows it or a later one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: at for at, name in enumerate(_MONTH_NAMES, start=1)}
_WEEKDAYS = {name: at for at, name in enumerate(_WEEKDAY_NAMES)}
_EXTENTS: tuple[tuple[int, int, Mapping[str, int]], ...] = (
    (0, 59, {}),
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 7, _WEEKDAYS),
)
_WEEKDAY = 5
_UNITS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "μs": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECOND = timedelta(seconds=1)
_MINUTE = 60
_SIGHT_BACK = 26 * 3600
"""How far back a wall clock may have shown a later time than now: no change of a zone is greater than a day."""


class NotUnderstoodError(ValueError):
    """An expression or zone that means nothing; such a schedule never ticks."""


def ticks(expression: str, zone: str | None, *, anchor: int, first: int, last: int) -> list[int]:
    """Return the ticks in the closed [first, last], in seconds since 1970. `@every` counts from `anchor`.

    Raises NotUnderstoodError.
    """
    where = _zone(zone)
    if expression.startswith("@every "):
        step = _interval(expression.removeprefix("@every "))
        return [moment for moment in range(first, last + 1) if moment > anchor and (moment - anchor) % step == 0]
    fields = _fields(_WORDS.get(expression, expression))
    fit = _named(fields, where, first, last) if fields.fixed else _following(fields, where, first, last)
    return list(fit)


@dataclass(frozen=True, slots=True)
class _Fields:
    values: tuple[frozenset[int], ...]
    """Second, minute, hour, day of month, month, day of week."""
    either_day: bool
    fixed: bool
    """Neither minute nor hour holds a star: local times by name."""

    def fit(self, wall: datetime) -> bool:
        second, minute, hour, days, months, weekdays = self.values
        if wall.second not in second or wall.minute not in minute or wall.hour not in hour or wall.month not in months:
            return False
        day, weekday = wall.day in days, wall.isoweekday() % 7 in weekdays
        return (day or weekday) if self.either_day else (day and weekday)


def _following(fields: _Fields, zone: ZoneInfo, first: int, last: int) -> Iterator[int]:
    """Every second at which the wall clock fits."""
    return (moment for moment in range(first, last + 1) if fields.fit(_wall(moment, zone)))


def _named(fields: _Fields, zone: ZoneInfo, first: int, last: int) -> Iterator[int]:
    """Every second at which the wall clock reaches, or jumps over, a time that fits and that it never showed before."""
    ends_of_minutes = range((first - _SIGHT_BACK) // _MINUTE * _MINUTE - 1, first, _MINUTE)
    latest = max(_wall(moment, zone) for moment in (*ends_of_minutes, first - 1))
    for moment in range(first, last + 1):
        wall = _wall(moment, zone)
        reached = False
        while latest < wall:
            latest += _SECOND
            reached = reached or fields.fit(latest)
        if reached:
            yield moment


def _wall(moment: int, zone: ZoneInfo) -> datetime:
    """What the wall clock of a zone shows, without saying where it hangs."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo("UTC" if name is None else name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise NotUnderstoodError(f"zone {name!r}") from unknown


def _interval(text: str) -> int:
    parts = _DURATION.findall(text.removeprefix("+"))
    if not parts or "".join(number + unit for number, unit in parts) != text.removeprefix("+"):
        raise NotUnderstoodError(f"duration {text!r}")
    seconds = sum(Decimal(number) * Decimal(_UNITS[unit]) for number, unit in parts)
    if seconds <= 0:
        raise NotUnderstoodError(f"duration {text!r} does not move forward")
    return max(int(seconds), 1)


@lru_cache(maxsize=1024)
def _fields(expression: str) -> _Fields:
    texts = expression.split()
    if len(texts) == len(_EXTENTS) - 1:
        texts = ["0", *texts]
    if len(texts) != len(_EXTENTS) or "=" in expression or expression.lstrip().startswith("@"):
        raise NotUnderstoodError(f"expression {expression!r}")
    values = [_values(text, extent) for text, extent in zip(texts, _EXTENTS, strict=True)]
    values[_WEEKDAY] = frozenset(day % 7 for day in values[_WEEKDAY])
    _, minute, hour, day, _, weekday = texts
    either = not (_bare_star(day) or _bare_star(weekday))
    return _Fields(tuple(values), either, fixed=not any(star in minute + hour for star in "*?"))


def _bare_star(text: str) -> bool:
    """Whether a field is no restriction: `*`, or a star with the step one."""
    return any(re.fullmatch(r"[*?](/\+?0*1)?", item) for item in text.split(","))


def _values(text: str, extent: tuple[int, int, Mapping[str, int]]) -> frozenset[int]:
    items = [item for item in text.split(",") if item]
    if not items:
        raise NotUnderstoodError(f"field {text!r}")
    return frozenset(value for item in items for value in _item(item, *extent))


def _item(item: str, least: int, most: int, names: Mapping[str, int]) -> range:
    base, slash, step_text = item.partition("/")
    step = _number(step_text, {}) if slash else 1
    low, hyphen, high = base.partition("-")
    # Sunday's second name does not lengthen a star, nor what a step runs to.
    end = least + 6 if names is _WEEKDAYS else most
    if base in {"*", "?"}:
        first, last = least, end
    else:
        first = _number(low, names)
        last = _number(high, names) if hyphen else end if slash else first
    if step < 1 or not least <= first <= last <= most:
        raise NotUnderstoodError(f"item {item!r}")
    return range(first, last + 1, step)


def _number(text: str, names: Mapping[str, int]) -> int:
    named = names.get(text.lower()) if text.isascii() else None
    if named is not None:
        return named
    if not re.fullmatch(r"\+?[0-9]+", text):
        raise NotUnderstoodError(f"number {text!r}")
    return int(text)
