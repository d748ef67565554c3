"""What a fault is, and the list of all of them.

A fault is a generator with one `yield`. Up to it the thing is broken; what it yields says how, for the history; what
follows heals it and returns when the thing answers again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground
    from tests.chaos.history import Target

Details = Mapping[str, Any]
Doing = Callable[["Ground", Random], Iterator[Details]]


class Need(Enum):
    """What a ground must be prepared for, beyond what every ground has."""

    REPLICA_CLOCK = "replicas with a clock of their own"
    DATABASE_CLOCK = "a database with a clock of its own"
    SMALL_DISK = "a database on a small disk"
    ETCDUTL = "the program that sets etcd back"


class NotPossibleError(Exception):
    """This fault cannot be made on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `hold` is how long it lasts, in seconds, at least and at most."""

    name: str
    target: Target
    hold: tuple[float, float]
    doing: Doing
    needs: frozenset[Need]
    for_cronjob: bool
    """Whether it can be thrown at the CronJob controller too."""
    details: Details = field(default_factory=dict)
    """What is so each time, and must be known before it begins."""

    @contextmanager
    def strike(self, ground: Ground, dice: Random) -> Iterator[Details]:
        """Break it on entry, heal it on every way out."""
        doing = self.doing(ground, dice)
        said = next(doing)
        try:
            yield said
        finally:
            next(doing, None)

    @property
    def sentence(self) -> str:
        """What it does, in one line."""
        return (self.doing.__doc__ or "").strip().partition("\n")[0]


FAULTS: dict[str, Kind] = {}


def fault(
    target: Target, *needs: Need, hold: tuple[float, float], for_cronjob: bool = False, **details: Any
) -> Callable[[Doing], Doing]:
    """Enter a generator into the list, under its name with dashes."""

    def enter(doing: Doing) -> Doing:
        name = doing.__name__.replace("_", "-")
        FAULTS[name] = Kind(name, target, hold, doing, frozenset(needs), for_cronjob, details)
        return doing

    return enter
