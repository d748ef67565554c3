"""Searches of configurations, in at most two processes."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.model import invariants, protocol
from tests.model.search import Space, search
from tests.model.setup import Setup
from tests.model.state import State
from tests.model.story import story


@dataclass(frozen=True, slots=True)
class Result:
    """What the search of one configuration has shown."""

    setup: Setup
    states: int
    transitions: int
    clean: int
    seconds: float
    broken: str | None
    told: tuple[str, ...]
    """The shortest story of how it breaks."""

    @property
    def invariant(self) -> str | None:
        """The name of the invariant that breaks."""
        return self.broken.partition(":")[0] if self.broken else None


def space(w: Setup) -> Space[State]:
    """Return what is searched for a configuration."""
    return Space(
        w.start(),
        lambda s: protocol.by_itself(s, w),
        lambda s: protocol.by_fault(s, w),
        lambda s: invariants.broken(s, w),
        lambda s: invariants.clean(s, w),
    )


def searched(w: Setup, *, most: int | None = None) -> Result:
    """Search one configuration."""
    began = time.process_time()
    gc.disable()  # States hold no circles, and there are many.
    try:
        found = search(space(w), most=most)
    finally:
        gc.enable()
    told = story(found.path, lambda s: protocol.every(s, w)) if found.path else []
    seconds = time.process_time() - began
    return Result(w, found.states, found.transitions, found.clean, seconds, found.broken, tuple(told))


def searched_all(setups: Sequence[Setup], *, processes: int = 2) -> list[Result]:
    """Search several, side by side; the answers come in the order of the questions."""
    if processes == 1:
        return [searched(w) for w in setups]
    with ProcessPoolExecutor(processes, max_tasks_per_child=None) as pool:
        return list(pool.map(searched, setups))
