"""Breadth-first search of all states, and of those from which there is no way home. Knows nothing of the protocol.

Promise: every state that can be reached is visited, once; a path that is returned is a shortest one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
Steps = Callable[[S], Iterable[tuple[str, S]]]


@dataclass(frozen=True, slots=True)
class Space(Generic[S]):
    """What is searched."""

    start: S
    by_itself: Steps[S]
    by_fault: Steps[S]
    broken: Callable[[S], str | None]
    clean: Callable[[S], bool]


@dataclass(frozen=True, slots=True)
class Found(Generic[S]):
    """What a search has shown."""

    states: int
    transitions: int
    clean: int
    broken: str | None = None
    """The invariant that breaks, with a sentence."""
    path: Sequence[S] = ()
    """The shortest way to where it breaks."""


@dataclass(slots=True)
class _Graph(Generic[S]):
    states: list[S] = field(default_factory=list)
    index: dict[S, int] = field(default_factory=dict)
    parent: array[int] = field(default_factory=lambda: array("l"))
    sources: array[int] = field(default_factory=lambda: array("l"))
    targets: array[int] = field(default_factory=lambda: array("l"))

    def path(self, place: int) -> list[S]:
        way = []
        while place >= 0:
            way.append(self.states[place])
            place = self.parent[place]
        return way[::-1]


NO_WAY_HOME = "L1: from here no way leads to a finished, clean state"


def search(space: Space[S], *, most: int | None = None) -> Found[S]:
    """Visit every state; stop at the first that breaks an invariant. Then look for states without a way home."""
    graph = _Graph[S]()
    transitions, place = 0, 0
    _add(graph, space.start, -1)
    if (sentence := space.broken(space.start)) is not None:
        return Found(1, 0, 0, sentence, [space.start])
    while place < len(graph.states):
        state = graph.states[place]
        for home, steps in ((True, space.by_itself), (False, space.by_fault)):
            for _, after in steps(state):
                transitions += 1
                known = graph.index.get(after)
                if known is None:
                    known = _add(graph, after, place)
                    if (sentence := space.broken(after)) is not None:
                        return Found(len(graph.states), transitions, 0, sentence, graph.path(known))
                if home and known != place:
                    graph.sources.append(place)
                    graph.targets.append(known)
        place += 1
        if most is not None and place > most:
            raise MemoryError(f"more than {most} states: this is no longer a quick search")
    return _homeless(space, graph, transitions)


def _add(graph: _Graph[S], state: S, parent: int) -> int:
    place = len(graph.states)
    graph.index[state] = place
    graph.states.append(state)
    graph.parent.append(parent)
    return place


def _homeless(space: Space[S], graph: _Graph[S], transitions: int) -> Found[S]:
    """Go backwards from the clean states, over steps that need no fault; what is not met has no way home."""
    count = len(graph.states)
    first = array("l", bytes(8 * (count + 1)))
    for target in graph.targets:
        first[target + 1] += 1
    for i in range(count):
        first[i + 1] += first[i]
    into, cursor = array("l", bytes(8 * len(graph.sources))), array("l", first)
    for source, target in zip(graph.sources, graph.targets, strict=True):
        into[cursor[target]] = source
        cursor[target] += 1
    home = bytearray(count)
    queue = [i for i, state in enumerate(graph.states) if space.clean(state)]
    cleans = len(queue)
    for i in queue:
        home[i] = 1
    while queue:
        target = queue.pop()
        for source in into[first[target] : first[target + 1]]:
            if not home[source]:
                home[source] = 1
                queue.append(source)
    lost = home.find(0)
    if lost < 0:
        return Found(count, transitions, cleans)
    return Found(count, transitions, cleans, NO_WAY_HOME, graph.path(lost))
