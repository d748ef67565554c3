"""Which faults a soak throws, and when: the same seed gives the same plan.

Two lanes run beside each other: one breaks machines and the links between them, one fault at a time, and in the other
people do what people do. So a person's edit may fall into a failover, and two machines never break for one reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.chaos.faults.fault import Kind
from tests.chaos.history import Target

CALM_SECONDS = 8.0
"""Nothing is broken before: the lag without faults is measured somewhere."""
_PAUSE = {"machines": (2.0, 5.0), "people": (1.0, 4.0)}


class Lane(StrEnum):
    """What goes on at the same time."""

    MACHINES = "machines"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that is planned. `after`: seconds from the heal of the one before it in its lane, or the beginning."""

    lane: Lane
    kind: Kind
    after: float
    hold: float
    dice: int
    """Seeds what the fault itself chooses: which replica, which Job."""

    def __str__(self) -> str:
        return f"{self.lane:9} +{self.after:4.1f} s  {self.kind.name} for {self.hold:.1f} s"


def plan(seed: int, seconds: float, kinds: Iterable[Kind]) -> tuple[Strike, ...]:
    """Return the strikes of a soak; those of one lane fill its seconds if each takes no longer than its hold."""
    known = sorted(kinds, key=lambda kind: kind.name)
    lanes = {lane: [kind for kind in known if lane_of(kind) is lane] for lane in Lane}
    return tuple(
        strike for lane, own in lanes.items() if own for strike in _lane(Random(f"{seed} {lane}"), lane, own, seconds)
    )


def lane_of(kind: Kind) -> Lane:
    """Return the lane in which a fault is thrown."""
    return Lane.PEOPLE if kind.target is Target.PEOPLE else Lane.MACHINES


def _lane(dice: Random, lane: Lane, kinds: Sequence[Kind], seconds: float) -> Iterator[Strike]:
    passed = 0.0
    for kind in _by_turns(dice, kinds):
        pause = dice.uniform(*_PAUSE[lane]) + (CALM_SECONDS if passed == 0 else 0)
        hold = dice.uniform(*kind.hold)
        passed += pause + hold
        if passed > seconds:
            return
        yield Strike(lane, kind, round(pause, 1), round(hold, 1), dice.getrandbits(32))


def _by_turns(dice: Random, kinds: Sequence[Kind]) -> Iterator[Kind]:
    """Yield them for ever in random order, none a second time before each has had its turn."""
    while True:
        yield from dice.sample(kinds, len(kinds))
