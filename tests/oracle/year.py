"""One year of one zone, second by second: what its wall clock shows, and which expressions that fits.

Knows no offsets, spells or searches, and nothing of the product: it walks through real time and reads the clock of the
standard library. To hold a year in memory it keeps minutes, as bits of one long number for each value of each field;
that the sixty seconds of a minute share its wall minute is checked for every minute as it walks.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from tests.oracle.drawing import Asked, Drawn

MINUTE = timedelta(minutes=1)
_LAST_SECOND = timedelta(seconds=59)
_LOOK_AROUND = 4 * 1440
"""Minutes before and after the year: no clock change reaches further."""
_RANGES = {"minute": range(60), "hour": range(24), "day": range(1, 32), "month": range(1, 13), "weekday": range(7)}


@dataclass(frozen=True, slots=True)
class Year:
    """The minutes of a year as bits: bit i is the minute that begins at `begin + i`."""

    zone: str
    begin: datetime
    minutes: int
    masks: dict[str, dict[int, int]]
    """For each field the minutes at which it shows a value."""
    nth: dict[int, int]
    """The minutes of the first, second … seventh days, counted in weeks; -1: of the last seven days."""
    last_day: int
    fresh: int
    """The minutes whose wall minute was neither shown nor passed before."""
    final: int
    """The minutes whose wall minute is not shown again, and none before it."""
    gaps: tuple[tuple[int, tuple[datetime, ...]], ...]
    """Minutes before which the clock left wall minutes out, with these."""
    changes: tuple[int, ...]
    """Minutes at which the wall clock does not go on by one minute."""

    @classmethod
    def walk(cls, zone: str, year: int) -> Year:
        """Read the clock of a zone for a year of UTC."""
        begin = datetime(year, 1, 1, tzinfo=UTC)
        count = (datetime(year + 1, 1, 1, tzinfo=UTC) - begin) // MINUTE
        shown = _walls(zone, begin, -_LOOK_AROUND, count + _LOOK_AROUND)
        before, walls, after = shown[:_LOOK_AROUND], shown[_LOOK_AROUND:-_LOOK_AROUND], shown[-_LOOK_AROUND:]
        fresh, gaps = _news(max(before), walls)
        return cls(
            zone=zone,
            begin=begin,
            minutes=count,
            masks={name: _by_value(walls, name) for name in _RANGES},
            nth=_by_week(walls),
            last_day=_bits(bytes(wall.day == _length(wall) for wall in walls), 1),
            fresh=fresh,
            final=_finals(walls, min(after)),
            gaps=tuple(gaps),
            changes=tuple(at for at in range(1, count) if walls[at] - walls[at - 1] != MINUTE),
        )

    def count(self, fields: tuple[Drawn, ...]) -> int:
        """Return about how many ticks the year has."""
        return self._fitting(fields).bit_count() * len(fields[0].values)

    def ticks(self, asked: Asked, first: int, last: int) -> list[datetime]:
        """Return the ticks of the minutes in [first, last), by the promise.

        With a star in minute or hour: whenever the wall clock fits. Without: at the first moment at which it shows a
        time that fits, or a later one; or as `dst` says.
        """
        second, minute, hour, *_ = asked.fields
        fitting = self._fitting(asked.fields)
        if asked.exclude is not None:
            fitting &= ~self._fitting(asked.exclude)
        shifted: set[int] = set()
        if not (minute.star or hour.star):
            fitting &= {"First": self.fresh, "Last": self.final, "Both": -1}[asked.ambiguous]
            if asked.nonexistent == "Shift":
                shifted = {at for at, left_out in self.gaps if any(_remains(asked, wall) for wall in left_out)}
        part = (fitting >> first) & ((1 << (last - first)) - 1)
        found = {self._moment(first + at, at_second) for at in _set_bits(part) for at_second in second.values}
        return sorted(found | {self._moment(at, 0) for at in shifted if first <= at < last})

    def _moment(self, minute: int, second: int) -> datetime:
        return self.begin + minute * MINUTE + timedelta(seconds=second)

    def _fitting(self, fields: tuple[Drawn, ...]) -> int:
        """Return the minutes at which the wall clock fits, the seconds aside."""
        _, minute, hour, day, month, weekday = fields
        by_day = self._any("day", day) | (self.last_day if day.last else 0)
        by_weekday = self._any("weekday", weekday)
        for number, count in weekday.nth:
            by_weekday |= self.masks["weekday"][number] & self.nth[count]
        either = not day.bare_star and not weekday.bare_star
        days = by_day | by_weekday if either else by_day & by_weekday
        return self._any("minute", minute) & self._any("hour", hour) & self._any("month", month) & days

    def _any(self, name: str, drawn: Drawn) -> int:
        mask = 0
        for value in drawn.values:
            mask |= self.masks[name][value]
        return mask


def _remains(asked: Asked, wall: datetime) -> bool:
    return _fits(asked.fields, wall) and not (asked.exclude is not None and _fits(asked.exclude, wall))


def _fits(fields: tuple[Drawn, ...], wall: datetime) -> bool:
    """Judge one wall minute by itself: for those that no clock showed."""
    _, minute, hour, day, month, weekday = fields
    number, week = wall.isoweekday() % 7, (wall.day - 1) // 7 + 1
    by_day = wall.day in day.values or (day.last and wall.day == _length(wall))
    counted = {(number, week)} | ({(number, -1)} if wall.day > _length(wall) - 7 else set())
    by_weekday = number in weekday.values or bool(counted & weekday.nth)
    either = not day.bare_star and not weekday.bare_star
    days = by_day or by_weekday if either else by_day and by_weekday
    return wall.minute in minute.values and wall.hour in hour.values and wall.month in month.values and days


def _walls(zone: str, begin: datetime, first: int, last: int) -> list[datetime]:
    """Return what the clock shows in each minute; fails where the sixty seconds of one do not share it."""
    clock = ZoneInfo(zone)
    moments = [begin + number * MINUTE for number in range(first, last)]
    walls = [moment.astimezone(clock).replace(tzinfo=None) for moment in moments]
    assert not any(wall.second for wall in walls), (
        f"{zone} in {begin.year}: the minutes of its clock are not those of UTC"
    )
    for moment, wall, after in zip(moments, walls, walls[1:], strict=False):
        # where it goes on by a minute, it has shown the seconds between
        if after - wall != MINUTE:
            end = (moment + _LAST_SECOND).astimezone(clock).replace(tzinfo=None)
            assert end - wall == _LAST_SECOND, f"{zone} changes within the minute of {moment}"
    return walls


def _news(reached: datetime, walls: list[datetime]) -> tuple[int, list[tuple[int, tuple[datetime, ...]]]]:
    fresh, gaps = bytearray(len(walls)), []
    for at, wall in enumerate(walls):
        fresh[at] = wall > reached
        if wall > reached + MINUTE:
            gaps.append((at, tuple(reached + number * MINUTE for number in range(1, (wall - reached) // MINUTE))))
        reached = max(reached, wall)
    return _bits(bytes(fresh), 1), gaps


def _finals(walls: list[datetime], to_come: datetime) -> int:
    final = bytearray(len(walls))
    for at in range(len(walls) - 1, -1, -1):
        final[at] = walls[at] < to_come
        to_come = min(to_come, walls[at])
    return _bits(bytes(final), 1)


def _by_value(walls: list[datetime], name: str) -> dict[int, int]:
    shown = bytes(wall.isoweekday() % 7 if name == "weekday" else getattr(wall, name) for wall in walls)
    return {value: _bits(shown, value) for value in _RANGES[name]}


def _by_week(walls: list[datetime]) -> dict[int, int]:
    weeks = bytes((wall.day - 1) // 7 + 1 for wall in walls)
    last = bytes(wall.day > _length(wall) - 7 for wall in walls)
    return {-1: _bits(last, 1)} | {week: _bits(weeks, week) for week in range(1, 6)}


def _length(wall: datetime) -> int:
    return monthrange(wall.year, wall.month)[1]


def _bits(shown: bytes, value: int) -> int:
    """Return the number whose bit i says whether byte i has the value."""
    digits = bytearray(b"0" * 256)
    digits[value] = ord("1")
    return int(shown[::-1].translate(bytes(digits)), 2)


def _set_bits(mask: int) -> list[int]:
    """Return which bits are set, ascending."""
    found = (
        chunk_bits(number, chunk)
        for number, chunk in enumerate(mask.to_bytes((mask.bit_length() + 7) // 8, "little"))
        if chunk
    )
    return list(chain.from_iterable(found))


def chunk_bits(number: int, chunk: int) -> list[int]:
    """Return the places of one byte's bits."""
    return [number * 8 + bit for bit in range(8) if chunk >> bit & 1]
