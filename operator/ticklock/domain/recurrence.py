"""The ticks of a timetable as seconds since 1970: where an expression meets a zone.

On a calm day the two are one and the same. On the night of a clock change they are not, and the promise is this.

* Where minute and hour hold no star, the expression names **fixed local times**. Unless told otherwise, each runs once,
  at the first moment at which the local clock shows that time *or a later one*. So 02:30 in a night that jumps from
  02:00 to 03:00 runs at 03:00, the first moment after the gap, and 02:30 in a night that has it twice runs the first
  time. What meets in one moment is one tick.
* With a star in the minute or the hour (`*/15 * * * *`, `0 */2 * * *`, `* 2 * * *`) the expression follows **real
  time**: it ticks whenever the local clock shows a time that fits. Skipped times do not run, repeated ones run twice.

What `dst` says is about fixed times alone: one that does not exist may be skipped, and of one that exists twice the
last one may run, or both.

All of this makes ticks a property of the moment alone, never of where somebody began to count, so planning in any
chunks gives the same ticks. The division is that of Debian's cron; CronJob always follows real time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ticklock.domain.times import Ambiguous, Nonexistent
from ticklock.domain.zones import spells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ticklock.domain.zones import Spell


class Recurrence(Protocol):
    """Something that recurs."""

    @property
    def possible(self) -> bool:
        """Whether there is any tick at all."""

    def epochs(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the ticks in the half-open [first, last), oldest first, or newest first when backwards.

        Each only once, and lazily: asking for the first costs no more when the range is long.
        """


class Face(Protocol):
    """Moments on the face of a clock: a pattern, or what an exclusion leaves of one."""

    @property
    def possible(self) -> bool:
        """Whether the calendar has such a day."""

    @property
    def real_time(self) -> bool:
        """Whether it recurs through the night of a clock change."""

    def walls(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the wall seconds in the half-open [first, last), in the order asked for."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many seconds, counted from the anchor; the first tick is one interval after it."""

    seconds: int
    anchor: int

    @property
    def possible(self) -> bool:
        """Always."""
        return True

    @property
    def first(self) -> int:
        """The first tick of all."""
        return self.anchor + self.seconds

    def epochs(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the ticks in [first, last)."""
        low = max(-((self.anchor - first) // self.seconds), 1)
        high = -((self.anchor - last) // self.seconds)
        counts = range(low, high)
        for count in counts[::-1] if backwards else counts:
            yield self.anchor + count * self.seconds


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression of fields in a zone."""

    pattern: Face
    zone: str
    nonexistent: Nonexistent = Nonexistent.SHIFT
    ambiguous: Ambiguous = Ambiguous.FIRST

    @property
    def possible(self) -> bool:
        """Whether the calendar has such a day."""
        return self.pattern.possible

    def epochs(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the ticks in [first, last)."""
        if not self.possible:
            return
        ticks_of = self._following if self.pattern.real_time else self._fixed
        for spell in spells(self.zone, first, last, backwards=backwards):
            yield from ticks_of(spell, max(first, spell.begin), min(last, spell.end), backwards=backwards)

    def _following(self, spell: Spell, first: int, last: int, *, backwards: bool) -> Iterator[int]:
        """Yield each moment of the spell at which the wall clock fits."""
        for wall in self.pattern.walls(first + spell.offset, last + spell.offset, backwards=backwards):
            yield wall - spell.offset

    def _fixed(self, spell: Spell, first: int, last: int, *, backwards: bool) -> Iterator[int]:
        """Yield the moments of the spell at which the wall clock reaches a time that fits."""
        shifted = first == spell.begin and self.nonexistent is Nonexistent.SHIFT and self._skipped_any(spell)
        low, high = first + spell.offset + shifted, last + spell.offset
        match self.ambiguous:
            case Ambiguous.FIRST:
                low = max(low, spell.reached)
            case Ambiguous.LAST:
                high = min(high, spell.returned)
            case Ambiguous.BOTH:
                pass
        if shifted and not backwards:
            yield spell.begin
        for wall in self.pattern.walls(low, high, backwards=backwards):
            yield wall - spell.offset
        if shifted and backwards:
            yield spell.begin

    def _skipped_any(self, spell: Spell) -> bool:
        return any(True for _ in self.skipped(spell))

    def skipped(self, spell: Spell) -> Iterator[int]:
        """Yield the wall seconds that fit but that the change at the spell's begin left out."""
        return self.pattern.walls(spell.reached, spell.opening)
