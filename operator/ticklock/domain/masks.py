"""The seconds of a day as bits of one number: what an expression names, what an interval hits, what is taken away.

With them a whole day is judged at once, so that a search that finds nothing costs a few microseconds for each day, and
no mixture of expression and exclusion can make it longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

DAY = 86_400
FULL = (1 << DAY) - 1


@lru_cache(maxsize=4096)
def clock_mask(seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]) -> int:
    """Return the seconds of a day whose second, minute and hour are among these."""
    minute = _sum(seconds, 1)
    return _sum(hours, 3600) * (_sum(minutes, 60) * minute)


@lru_cache(maxsize=4096)
def stripes(phase: int, distance: int) -> int:
    """Return the seconds of a day at this distance from one another, beginning with the phase."""
    mask, width = 1, distance
    while width < DAY:
        mask |= mask << width
        width *= 2
    return (mask << phase) & FULL


def seconds_of(mask: int, first: int, last: int, *, backwards: bool) -> Iterator[int]:
    """Yield the seconds of a mask in [first, last), in the order asked for."""
    first, last = max(first, 0), min(max(last, 0), DAY)
    rest = (mask & ((1 << last) - 1)) >> first << first
    while rest:
        at = rest.bit_length() - 1 if backwards else (rest & -rest).bit_length() - 1
        yield at
        rest ^= 1 << at


def _sum(values: Sequence[int], unit: int) -> int:
    return sum(1 << value * unit for value in values)
