"""Time zones as stretches of a constant offset.

The standard library tells the offset at a moment, not when it changes. The changes are found by looking every two days
and halving in between. That finds each one because no zone of the IANA database ever changed its offset twice within
three days (the shortest distance is 95 hours: Freetown, September 1939).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from ticklock.domain.timetable_error import UnknownTimeZone

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = int((datetime(2, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
LATEST = int((datetime(9999, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
"""Outside these there is no tick: local dates would leave the range of the standard library."""

_SECOND = timedelta(seconds=1)
_STRIDE = 2 * 86_400
_LOOK_AROUND = 3 * 86_400
_MEND = "use a name of the IANA time zone database, such as Europe/Berlin or UTC"
_LONGEST_NAME = 64
_MACHINE_DEPENDENT = frozenset({"local", "localtime", "posixrules", "factory"})


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time in which a zone keeps one offset. Moments are whole seconds since 1970, UTC."""

    begin: int
    end: int
    """Exclusive."""
    offset: int
    """Seconds to add for the wall clock."""
    reached: int
    """The first wall second that the clock had not yet shown, nor passed, before `begin`.

    Above `begin + offset` where the clock was set back, below it where it was set forward.
    """
    returned: int
    """The least wall second that the clock will show once the spell is over.

    Below `end + offset` where the clock is set back at its end.
    """

    @property
    def opening(self) -> int:
        """The wall second with which the spell begins."""
        return self.begin + self.offset


def check_zone(name: str) -> str:
    """Return the name if it is a time zone; raises UnknownTimeZone. `Local` and its like are refused."""
    if not name:
        raise UnknownTimeZone("time zone: the name is empty", f"leave it out for UTC, or {_MEND}")
    if len(name) > _LONGEST_NAME:
        raise UnknownTimeZone(f"time zone: {len(name)} characters are no name", _MEND)
    if name.lower() in _MACHINE_DEPENDENT or name.startswith("right/"):
        raise UnknownTimeZone(f"time zone: {name!r} is not the same on every machine", _MEND)
    try:
        _load(name)
    except (KeyError, ValueError, OSError):
        raise UnknownTimeZone(f"time zone: {name!r} is not known", _nearest(name)) from None
    return name


def epoch_of(moment: datetime) -> int:
    """Return the whole seconds since 1970, rounded down. The moment must know its offset."""
    if moment.tzinfo is None:
        raise TypeError(f"{moment!r} has no offset; all times here are aware")
    return (moment - EPOCH) // _SECOND


def moment_of(epoch: int) -> datetime:
    """Return the moment in UTC."""
    return EPOCH + timedelta(seconds=epoch)


def spells(zone: str, first: int, last: int, *, backwards: bool = False) -> Iterator[Spell]:
    """Yield the spells that meet the half-open [first, last), in the order asked for, together without a gap.

    A spell also ends with each year, so that what is worked out can be kept.
    """
    first, last = max(first, EARLIEST), min(last, LATEST)
    if first >= last:
        return
    years = range(moment_of(first).year, moment_of(last - 1).year + 1)
    for year in years[::-1] if backwards else years:
        found = _spells_of_year(zone, year)
        for spell in found[::-1] if backwards else found:
            if spell.begin < last and first < spell.end:
                yield spell


@lru_cache(maxsize=4096)
def _spells_of_year(zone: str, year: int) -> tuple[Spell, ...]:
    begin, end = (epoch_of(datetime(y, 1, 1, tzinfo=UTC)) for y in (year, year + 1))
    low, high = begin - _LOOK_AROUND, end + _LOOK_AROUND
    moments = [low, *_changes(_load(zone), low, high), high]
    stretches = [(start, stop, _offset(_load(zone), start)) for start, stop in pairwise(moments)]
    found = []
    for start, stop, offset in stretches:
        if start < end and begin < stop:
            first, last = max(start, begin), min(stop, end)
            # of the stretches before and after, and of this one where the year cuts it
            reached = max((other[1] + other[2] for other in stretches if other[1] <= start), default=first + offset)
            returned = min((other[0] + other[2] for other in stretches if other[0] >= stop), default=last + offset)
            reached = reached if start == first else max(reached, first + offset)
            returned = returned if stop == last else min(returned, last + offset)
            found.append(Spell(first, last, offset, reached, returned))
    return tuple(found)


def _changes(zone: ZoneInfo, first: int, last: int) -> Iterator[int]:
    """Yield the moments in (first, last) at which the offset becomes another."""
    for low in range(first, last, _STRIDE):
        high = min(low + _STRIDE, last - 1)
        before = _offset(zone, low)
        if _offset(zone, high) != before:
            yield _halve(zone, low, high, before)


def _halve(zone: ZoneInfo, low: int, high: int, before: int) -> int:
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: ZoneInfo, epoch: int) -> int:
    offset = moment_of(epoch).astimezone(zone).utcoffset()
    assert offset is not None, "a ZoneInfo always knows its offset"  # noqa: S101 - tells the type checker
    return offset // _SECOND


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=256)
def _nearest(name: str) -> str:
    wanted = name.strip().lower().replace(" ", "_")
    known = {zone.lower(): zone for zone in sorted(available_timezones())}
    cities = {zone.rpartition("/")[2]: zone for zone in known}
    close = [cities[wanted]] if wanted in cities else get_close_matches(wanted, known, n=1, cutoff=0.8)
    return f"did you mean {known[close[0]]}?" if close else _MEND
