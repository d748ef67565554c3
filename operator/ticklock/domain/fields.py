"""One field of a cron expression: `*/5`, `mon-fri`, `1,15`.

The grammar is that of robfig/cron v3's `ParseStandard`, which CronJob uses: a list of numbers, names, ranges and steps,
`?` for `*`, and `N/step` for "from N to the end". Ours beyond it: Sunday may also be 7. Refused though robfig takes it:
a field of nothing but commas, which would never tick, and `*-5`, which it reads as a plain star.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ticklock.domain.timetable_error import TimetableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = MappingProxyType({name: number for number, name in enumerate(_MONTH_NAMES, start=1)})
_WEEKDAYS = MappingProxyType({name: number for number, name in enumerate(_WEEKDAY_NAMES)})

_STARS = frozenset({"*", "?"})
_NUMBER = re.compile(r"\+?[0-9]+")
_EXTENSION = re.compile(r"(?:[0-9]*|[A-Z]{3})L|[0-9]*(?:LW|W|H)|[0-9A-Z]+#[0-9]*|H\(.*", re.IGNORECASE)
_GREATEST_STEP = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What one field of an expression may hold."""

    name: str
    """As messages call it: `day of month`."""
    least: int
    most: int
    extent: str
    """The sentence that tells a person what is allowed."""
    names: Mapping[str, int] = field(default_factory=dict)
    wraps: bool = False
    """Whether `most + 1` is another name for `least`: Sunday."""

    def error(self, problem: str, mend: str) -> TimetableError:
        """Return the error that names this field."""
        return TimetableError(f"{self.name}: {problem}", mend)


SECOND = FieldRule("second", 0, 59, "seconds go from 0 to 59")
MINUTE = FieldRule("minute", 0, 59, "minutes go from 0 to 59")
HOUR = FieldRule("hour", 0, 23, "hours go from 0 to 23")
DAY = FieldRule("day of month", 1, 31, "days of month go from 1 to 31")
MONTH = FieldRule("month", 1, 12, "months go from 1 to 12, or jan to dec", _MONTHS)
WEEKDAY = FieldRule(
    "day of week", 0, 6, "days of week go from 0 to 6, or sun to sat; Sunday may also be 7", _WEEKDAYS, wraps=True
)


class Field(NamedTuple):
    """The meaning of one field."""

    values: tuple[int, ...]
    """Ascending."""
    free: bool
    """Whether it holds a bare star, which does not count as a restriction of the day (`*/1` is one, `*/2` is not)."""
    starred: bool
    """Whether it holds any star, with or without a step."""


class _Part(NamedTuple):
    """The meaning of one item of a field's list."""

    values: range
    star: bool
    step: int


def parse_field(rule: FieldRule, text: str) -> Field:
    """Return the meaning of one field; raises TimetableError. Empty items of a list are ignored, as robfig does."""
    parts = [_parse_item(rule, item) for item in text.split(",") if item]
    if not parts:
        raise rule.error(f"{text!r} holds nothing", "write * for any")
    cycle = rule.most + 1 if rule.wraps else rule.most + 2
    values = {value % cycle for part in parts for value in part.values}
    return Field(
        tuple(sorted(values)),
        free=any(part.star and part.step == 1 for part in parts),
        starred=any(part.star for part in parts),
    )


def _parse_item(rule: FieldRule, item: str) -> _Part:
    base, slash, step_text = item.partition("/")
    step = _parse_step(rule, step_text, item) if slash else 1
    if base in _STARS:
        return _Part(range(rule.least, rule.most + 1, step), star=True, step=step)
    low, hyphen, high = base.partition("-")
    first = _parse_value(rule, low, item)
    if hyphen:
        last = _parse_end(rule, high, item)
        if last < first:
            raise _reversed_range(rule, item, first, last)
    else:
        last = _end_of_step(rule, first, item) if slash else first
    return _Part(range(first, last + 1, step), star=False, step=step)


def _parse_end(rule: FieldRule, high: str, item: str) -> int:
    if "-" in high:
        raise rule.error(f"{item!r} has too many hyphens", "write a range as first-last, such as 1-5")
    return _parse_value(rule, high, item)


def _end_of_step(rule: FieldRule, first: int, item: str) -> int:
    """Return where `N/step` ends: with the field."""
    if first > rule.most:
        raise rule.error(f"{item!r} begins with the second name of {rule.least}", f"write {rule.least}/… instead")
    return rule.most


def _parse_step(rule: FieldRule, text: str, item: str) -> int:
    if "/" in text:
        raise rule.error(f"{item!r} has too many slashes", "write a step as */5, 3/5 or 10-30/5")
    if not _NUMBER.fullmatch(text) or int(text) > _GREATEST_STEP:
        raise rule.error(f"{text!r} in {item!r} is no step", "a step is a whole number of at least 1, such as */5")
    if int(text) == 0:
        raise rule.error(f"step 0 in {item!r}", "a step must be at least 1")
    return int(text)


def _parse_value(rule: FieldRule, text: str, item: str) -> int:
    name = rule.names.get(text.lower()) if text.isascii() else None
    if name is not None:
        return name
    if not _NUMBER.fullmatch(text):
        raise _no_value(rule, text, item)
    value = int(text)
    if not rule.least <= value <= rule.most + rule.wraps:
        raise rule.error(f"{_in_item(text, item)} is out of range", rule.extent)
    return value


def _reversed_range(rule: FieldRule, item: str, first: int, last: int) -> TimetableError:
    bounds, slash, _ = item.partition("/")
    if slash:
        return rule.error(f"range {bounds} runs backwards", "write the smaller end first, or list the values")
    low, _, high = bounds.partition("-")
    tail = f"{low}-{rule.most}" if first < rule.most else low
    head = f"{rule.least}-{high}" if last > rule.least else high
    return rule.error(f"range {bounds} runs backwards", f"write {tail},{head}")


def _no_value(rule: FieldRule, text: str, item: str) -> TimetableError:
    """Return the error that fits best what somebody may have meant."""
    if not text:
        problem = "is negative or lacks the first number" if item.startswith("-") else "lacks a number"
        return rule.error(f"{item!r} {problem}", rule.extent)
    if text in _STARS:
        return rule.error(f"{item!r} mixes a star and a range", "write * alone, */5 for a step, 1-5 for a range")
    return rule.error(f"{_in_item(text, item)} {_guess(rule, text)}", _mend(rule, text))


def _guess(rule: FieldRule, text: str) -> str:
    """Say what a word is that is no value here."""
    lowered = text.lower()
    if lowered in _MONTHS:
        return "is a month"
    if lowered in _WEEKDAYS:
        return "is a day of week"
    if _EXTENSION.fullmatch(text):
        return "is not supported"
    return "is not known" if rule.names else "is not a number"


def _mend(rule: FieldRule, text: str) -> str:
    if _EXTENSION.fullmatch(text):
        return f"{rule.extent}, with lists, ranges and steps; L, W, # and H are not accepted"
    short = text[:3].lower()
    return f"write {short}: names have three letters" if short in rule.names else rule.extent


def _in_item(text: str, item: str) -> str:
    """Quote the bad part, with what stands around it where that helps to find it."""
    bad = text if _NUMBER.fullmatch(text) else repr(text)
    return bad if text == item else f"{bad} in {item!r}"
