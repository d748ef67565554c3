"""Cron expressions: from text to what repeats.

Five fields, the macros and `@every <duration>` mean what CronJob's parser makes of them (robfig/cron v3,
`ParseStandard`), compared exactly: macros in small letters, nothing around them. Ours beyond it: six fields, of which
the first is the second, and the items `L`, `5L`, `1#2` and `H` (see `fields`). Refused though robfig takes it: a `TZ=`
prefix (CronJob refuses it too) and an interval that is zero or negative (robfig makes it one second).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from ticklock.domain.duration import parse_go_duration
from ticklock.domain.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, parse_field
from ticklock.domain.pattern import Pattern
from ticklock.domain.timetable_error import TimetableError

LONGEST = 256
"""Characters of the longest expression accepted."""

_MACROS = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)
_RULES = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
_EVERY = "@every "
_SECOND_IN_NS = 1_000_000_000
_FIELDS = "write 5 fields (minute, hour, day of month, month, day of week), or 6 with leading seconds"


@dataclass(frozen=True, slots=True)
class Interval:
    """A distance in time, from `@every`."""

    seconds: int


def parse_expression(text: str, seed: str | None = None) -> Pattern | Interval:
    """Return the meaning of an expression; raises TimetableError, which names the field and the mend.

    `seed` names the schedule (`seed_of`); only `H` depends on it, and is refused without it.
    """
    drawn = "H" in text or "h" in text
    return _parse(text, seed if drawn else None)


@lru_cache(maxsize=4096)
def _parse(text: str, seed: str | None) -> Pattern | Interval:
    if len(text) > LONGEST:
        raise TimetableError(
            f"expression: {len(text)} characters are too many", f"an expression may have {LONGEST} at most"
        )
    prefix, equals, _ = text.strip().partition("=")
    if equals and prefix.upper() in {"TZ", "CRON_TZ"}:
        raise TimetableError(f"expression: {prefix}= is not accepted", "use timeZone")
    if text.lstrip().startswith("@"):
        return _parse_macro(text)
    return _parse_fields(text, seed)


def _parse_fields(text: str, seed: str | None = None) -> Pattern:
    parts = text.split()
    if len(parts) not in {5, 6}:
        raise TimetableError(f"expression: found {len(parts)} field{'s' * (len(parts) != 1)} in {text!r}", _FIELDS)
    texts = parts if len(parts) == len(_RULES) else ["0", *parts]
    second, minute, hour, day, month, weekday = (
        parse_field(rule, part, seed) for rule, part in zip(_RULES, texts, strict=True)
    )
    return Pattern(
        seconds=second.values,
        minutes=minute.values,
        hours=hour.values,
        days=frozenset(day.values),
        months=frozenset(month.values),
        weekdays=frozenset(weekday.values),
        last_day=day.last,
        nth=weekday.nth,
        either_day=not (day.free or weekday.free),
        real_time=minute.starred or hour.starred,
    )


def _parse_macro(text: str) -> Pattern | Interval:
    if text != text.strip():
        raise TimetableError(f"expression: spaces around {text.strip()!r}", "remove them")
    if text.startswith(_EVERY):
        return _parse_every(text)
    if text in _MACROS:
        return _parse_fields(_MACROS[text])
    raise TimetableError(f"expression: {text!r} is not known", _macro_mend(text))


def _macro_mend(text: str) -> str:
    if text.lower() in _MACROS:
        return f"write {text.lower()} in small letters"
    if text.lower().startswith("@every"):
        return "write @every, one space and a duration, such as @every 90m"
    return f"the macros are {', '.join(_MACROS)} and @every <duration>"


def _parse_every(text: str) -> Interval:
    """Return the interval in whole seconds, rounded down, at least one: as robfig has it."""
    nanoseconds = parse_go_duration(text.removeprefix(_EVERY))
    if nanoseconds <= 0:
        raise TimetableError(f"expression: {text!r} does not move forward", "the duration must be more than zero")
    return Interval(max(nanoseconds // _SECOND_IN_NS, 1))
