"""A path of states, told in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from tests.model.state import Op, State

_NAMES = "ABCDEFG"


def story(path: Sequence[State], steps: Callable[[State], Iterable[tuple[str, State]]]) -> list[str]:
    """Return a sentence for each step. Replicas get letters; one that has nothing in hand may take a letter anew."""
    busy: dict[str, Op] = {}
    told = []
    for before, after in pairwise(path):
        sentence = next(text for text, state in steps(before) if state == after)
        actor = _actor(busy, before, after)
        told.append(_capital(sentence.replace("%", f"replica {actor}")))
    return told


def _actor(busy: dict[str, Op], before: State, after: State) -> str:
    """Find out who acts: whoever had in hand what is gone now; else somebody who is free."""
    gone, new = list(before.doing), list(after.doing)
    for op in before.doing:
        if op in new:
            new.remove(op)
            gone.remove(op)
    actor = next((name for name, op in busy.items() if op in gone), None)
    actor = actor or next(name for name in _NAMES if name not in busy)
    busy.pop(actor, None)
    if new:
        busy[actor] = new[0]
    return actor


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def numbered(told: Sequence[str], end: str) -> str:
    """Return the story as numbered lines, with what it comes to."""
    lines = [f"{i:3}. {sentence}." for i, sentence in enumerate(told, 1)]
    return "\n".join([*lines, f"  => {end}."])
