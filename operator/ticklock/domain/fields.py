"""One field of a cron expression: `*/5`, `mon-fri`, `1,15`, `5L`, `H/10`.

The grammar is that of robfig/cron v3's `ParseStandard`, which CronJob uses: a list of numbers, names, ranges and steps,
`?` for `*`, and `N/step` for "from N to the end". Ours beyond it: Sunday may also be 7; `L` is the last day of the
month, `5L` its last Friday, `1#2` its second Monday; `H` is drawn from the schedule's name. Refused though robfig takes
it: a field of nothing but commas, which would never tick, and `*-5`, which it reads as a plain star.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ticklock.domain.spread import spread
from ticklock.domain.timetable_error import TimetableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = MappingProxyType({name: number for number, name in enumerate(_MONTH_NAMES, start=1)})
_WEEKDAYS = MappingProxyType({name: number for number, name in enumerate(_WEEKDAY_NAMES)})

_STARS = frozenset({"*", "?"})
_NUMBER = re.compile(r"\+?[0-9]+")
_HASH = re.compile(r"H(?:\((?P<low>[0-9]+)-(?P<high>[0-9]+)\))?(?P<slash>/(?P<step>.*))?", re.IGNORECASE)
_NTH = re.compile(r"(?P<day>[0-9A-Z]+)#(?P<nth>[1-5])", re.IGNORECASE)
_LAST = re.compile(r"(?P<day>[0-9A-Z]+)L", re.IGNORECASE)
_EXTENSION = re.compile(r"(?:[0-9]+|[A-Z]{3})?L(?:-[0-9]+)?|[0-9]*L?W|[0-9A-Z]+#.*|H.*", re.IGNORECASE)
LAST = -1
"""In the place of a count: the last one of the month."""
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
    lasts: bool = False
    """Whether `L` stands for the last one of the month."""
    counts: bool = False
    """Whether `5L` and `1#2` name one day of the month: the last Friday, the second Monday."""
    spread_to: int | None = None
    """Up to where `H` alone is drawn, if not up to `most`."""

    def error(self, problem: str, mend: str) -> TimetableError:
        """Return the error that names this field."""
        return TimetableError(f"{self.name}: {problem}", mend)


SECOND = FieldRule("second", 0, 59, "seconds go from 0 to 59")
MINUTE = FieldRule("minute", 0, 59, "minutes go from 0 to 59")
HOUR = FieldRule("hour", 0, 23, "hours go from 0 to 23")
DAY = FieldRule("day of month", 1, 31, "days of month go from 1 to 31", lasts=True, spread_to=28)
MONTH = FieldRule("month", 1, 12, "months go from 1 to 12, or jan to dec", _MONTHS)
WEEKDAY = FieldRule(
    "day of week",
    0,
    6,
    "days of week go from 0 to 6, or sun to sat; Sunday may also be 7",
    _WEEKDAYS,
    wraps=True,
    counts=True,
)


class Field(NamedTuple):
    """The meaning of one field."""

    values: tuple[int, ...]
    """Ascending."""
    free: bool
    """Whether it holds a bare star, which does not count as a restriction of the day (`*/1` is one, `*/2` is not)."""
    starred: bool
    """Whether it holds any star, with or without a step; `H/10` is `*/10`, moved."""
    last: bool = False
    """Whether it holds `L`, the last day of the month."""
    nth: frozenset[tuple[int, int]] = frozenset()
    """Weekdays, each with its count within the month: (1, 2) is the second Monday; LAST for the last one."""


class _Part(NamedTuple):
    """The meaning of one item of a field's list."""

    values: range
    star: bool = False
    step: int = 1
    last: bool = False
    nth: tuple[tuple[int, int], ...] = ()


def parse_field(rule: FieldRule, text: str, seed: str | None = None) -> Field:
    """Return the meaning of one field; raises TimetableError. Empty items of a list are ignored, as robfig does.

    `seed` is what `H` is drawn from; without it, `H` is refused.
    """
    parts = [_parse_item(rule, item, seed) for item in text.split(",") if item]
    if not parts:
        raise rule.error(f"{text!r} holds nothing", "write * for any")
    cycle = rule.most + 1 if rule.wraps else rule.most + 2
    values = {value % cycle for part in parts for value in part.values}
    return Field(
        tuple(sorted(values)),
        free=any(part.star and part.step == 1 for part in parts),
        starred=any(part.star for part in parts),
        last=any(part.last for part in parts),
        nth=frozenset(day for part in parts for day in part.nth),
    )


def _parse_item(rule: FieldRule, item: str, seed: str | None) -> _Part:
    if found := _HASH.fullmatch(item):
        return _parse_hash(rule, item, found, seed)
    if rule.lasts and item in {"L", "l"}:
        return _Part(range(0), last=True)
    if rule.counts and (found := _NTH.fullmatch(item) or _LAST.fullmatch(item)):
        day = _parse_value(rule, found["day"], item) % (rule.most + 1)
        return _Part(range(0), nth=((day, int(found.groupdict().get("nth") or LAST)),))
    return _parse_plain(rule, item)


def _parse_hash(rule: FieldRule, item: str, found: re.Match[str], seed: str | None) -> _Part:
    """Return what `H`, `H(8-18)`, `H/10` or `H(0-29)/10` stands for in the schedule that the seed names."""
    if seed is None:
        raise rule.error(f"{item!r} is drawn from the schedule's name", "say whose schedule it is: --of NAMESPACE/NAME")
    ranged = found["low"] is not None
    step = _parse_step(rule, found["step"], item) if found["slash"] else None
    low, high = rule.least, rule.most
    if ranged:
        low, high = (_parse_value(rule, found[end], item) for end in ("low", "high"))
    elif step is None and rule.spread_to is not None:
        high = rule.spread_to
    if high < low or high > rule.most:
        raise rule.error(f"range {low}-{high} in {item!r} runs backwards", "write the smaller end first")
    span = high - low + 1
    if step is None:
        at = low + spread(seed, rule.name, span)
        return _Part(range(at, at + 1))
    first = low + spread(seed, rule.name, min(step, span))
    return _Part(range(first, high + 1, step), star=not ranged, step=step)


def _parse_plain(rule: FieldRule, item: str) -> _Part:
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
        return _mend_of_extension(rule, text)
    short = text[:3].lower()
    return f"write {short}: names have three letters" if short in rule.names else rule.extent


def _mend_of_extension(rule: FieldRule, text: str) -> str:
    """Say which of the further items there are in this field, for somebody who knows them from another cron."""
    if rule.counts and text.upper() == "L":
        return "write 5L or friL for the last Friday of the month; L alone stands in the day of month"
    if rule.counts:
        return "write 1#2 or mon#2 for the second Monday (1 to 5), 5L or friL for the last Friday"
    if rule.lasts:
        return "write L for the last day of the month; W is not accepted, # and 5L stand in the day of week"
    return f"{rule.extent}, with lists, ranges, steps and H"


def _in_item(text: str, item: str) -> str:
    """Quote the bad part, with what stands around it where that helps to find it."""
    bad = text if _NUMBER.fullmatch(text) else repr(text)
    return bad if text == item else f"{bad} in {item!r}"
