"""Durations as Go writes them: `90m`, `1h30m10s`, `1.5h`.

Source of the rules: the documentation of Go's `time.ParseDuration`, which CronJob's parser uses for `@every`.
"""

from __future__ import annotations

import re

from ticklock.domain.timetable_error import TimetableError

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>[^0-9.]*)")
_LONGEST = 2**63 - 1
_MEND = "write a duration such as 90s, 90m or 1h30m10s"


def parse_go_duration(text: str) -> int:
    """Return the duration in nanoseconds; negative where it begins with a minus sign.

    Raises TimetableError where Go would refuse the text, and where it is longer than Go can count (292 years).
    """
    sign, unsigned = (text[:1], text[1:]) if text[:1] in {"+", "-"} else ("", text)
    if unsigned == "0":
        return 0
    if not unsigned:
        raise TimetableError(f"duration: {text!r} is empty", _MEND)
    total = sum(_part(match, text) for match in _parts(unsigned))
    if total > _LONGEST:
        raise TimetableError(f"duration: {text!r} is too long", "a duration may be 2562047h (292 years) at most")
    return -total if sign == "-" else total


def _parts(unsigned: str) -> list[re.Match[str]]:
    """Cut `1h30m` into `1h` and `30m`; the pattern matches any text, so that nothing is left over."""
    return [match for match in _PART.finditer(unsigned) if match.group()]


def _part(match: re.Match[str], text: str) -> int:
    """Return the nanoseconds of one number with its unit."""
    whole, fraction, unit = match["whole"], match["fraction"] or "", match["unit"]
    if not whole and not fraction:
        raise TimetableError(f"duration: {match.group()!r} in {text!r} has no number", _MEND)
    if not unit:
        raise TimetableError(f"duration: {match.group()!r} in {text!r} has no unit", "put h, m, s or ms behind it")
    if unit not in _UNITS:
        raise TimetableError(f"duration: {unit!r} in {text!r} is no unit", "the units are h, m, s, ms, us and ns")
    scale = _UNITS[unit]
    nanoseconds = int(whole or "0") * scale
    if fraction:
        # in floating point, as Go does it, so that both truncate alike
        nanoseconds += int(float(fraction) * (scale / float(10 ** len(fraction))))
    return nanoseconds
