"""Several recurrences as one, within a window of time."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import merge
from typing import TYPE_CHECKING

from ticklock.domain.zones import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ticklock.domain.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class Merged:
    """The ticks of all parts within [begin, end); equal ones are one tick. Of no parts it has none."""

    parts: tuple[Recurrence, ...]
    begin: int = EARLIEST
    end: int = LATEST

    @property
    def possible(self) -> bool:
        """Whether any part may tick at all."""
        return any(part.possible for part in self.parts)

    def epochs(self, first: int, last: int, *, backwards: bool = False) -> Iterator[int]:
        """Yield the ticks in [first, last), each once."""
        first, last = max(first, self.begin), min(last, self.end)
        if first >= last:
            return
        before: int | None = None
        for epoch in merge(*(part.epochs(first, last, backwards=backwards) for part in self.parts), reverse=backwards):
            if epoch != before:
                yield epoch
            before = epoch
