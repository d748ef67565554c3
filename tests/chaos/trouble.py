"""The faults of a history: when they were, and how late they may make things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.history import Bounds, Entry, Fault, FaultPhase, History, Target
from tests.chaos.operations import NEVER

_OF_ONE_REPLICA = frozenset({Target.REPLICA, Target.API_LINK, Target.DATABASE_LINK})
"""Where the details name the replicas that are hit, the others go on."""
_REPLICAS = 2
"""How many there are unless the notes say otherwise."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault, from its begin to its heal."""

    name: str
    target: Target
    begin: float
    heal: float
    """Never, where it was not healed."""
    details: Mapping[str, Any]
    entries: tuple[Entry, ...]

    @property
    def replicas(self) -> frozenset[str]:
        """The replicas that it hits, where it hits some and spares others."""
        if self.target not in _OF_ONE_REPLICA:
            return frozenset()
        one, many = self.details.get("replica"), self.details.get("replicas")
        return frozenset(str(name) for name in (many if isinstance(many, list | tuple) else [one]) if name is not None)

    @property
    def lost_commits(self) -> bool:
        """It set the database back."""
        return self.details.get("lost_commits") is True

    @property
    def lost_objects(self) -> bool:
        """It set the cluster back."""
        return self.target is Target.ETCD and ("set-back" in self.name or self.details.get("lost_objects") is True)

    def excuses(self, reason: str) -> bool:
        """Whether the harness says that this reason follows from it."""
        return reason in self.details.get("excuses", ())


class Troubles:
    """All faults, by begin. What people do is none: their operations are judged, and excuse only what they ask for."""

    def __init__(self, history: History) -> None:
        self.bounds: Bounds = history.meta.bounds
        broken = (entry for entry in history.each(Fault) if entry.target is not Target.PEOPLE)
        self.all = tuple(sorted(troubles_of(broken), key=lambda one: one.begin))
        replicas = int(history.meta.notes.get("replicas", _REPLICAS))
        self._stopping = tuple(one for one in self.all if _stops(one, self.all, replicas))

    @property
    def last_heal(self) -> float | None:
        """When the last one was over; None without any."""
        return max((one.heal for one in self.all), default=None)

    def during(self, begin: float, end: float, *targets: Target) -> list[Trouble]:
        """The faults, of these targets if given, that may be felt between two moments."""
        tail = self.bounds.recovery
        felt = [one for one in self.all if one.begin <= end and one.heal + tail >= begin]
        return [one for one in felt if not targets or one.target in targets]

    def before(self, at: float) -> list[Trouble]:
        """The faults that began before a moment."""
        return [one for one in self.all if one.begin < at]

    def clear_from(self, at: float) -> float:
        """The first moment from which nothing stands still until there was time to recover."""
        for one in self._stopping:
            if one.begin <= at + self.bounds.recovery and one.heal > at:
                at = one.heal
        return at

    def deadline(self, at: float, quiet: float) -> float:
        """By when something must have happened that takes `quiet` seconds without faults."""
        if not self.during(at, at + quiet):
            return at + quiet
        return self.clear_from(at) + max(self.bounds.disturbed, quiet)


def troubles_of(faults: Iterable[Fault]) -> Iterable[Trouble]:
    phases: dict[str, list[Fault]] = defaultdict(list)
    for entry in faults:
        phases[entry.fault].append(entry)
    for found in phases.values():
        heals = [entry.at for entry in found if entry.phase is FaultPhase.HEAL]
        details = {key: value for entry in found for key, value in entry.details.items()}
        first = found[0]
        heal = max(heals, default=NEVER)
        yield Trouble(first.name, first.target, first.at, heal, details, tuple(found))


def _stops(trouble: Trouble, others: Collection[Trouble], replicas: int) -> bool:
    """Whether nobody is left to go on while it lasts."""
    if not trouble.replicas:
        return True
    together = [one for one in others if one.begin <= trouble.heal and one.heal >= trouble.begin]
    return len(frozenset().union(*(one.replicas for one in together))) >= replicas
