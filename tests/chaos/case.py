"""All that the rules look at, each thing worked out once: evidence, faults, lives, targets, when late is too late."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from tests.chaos.evidence import Evidence, Run, RunName
from tests.chaos.history import Bounds, History
from tests.chaos.lives import Life, lives
from tests.chaos.operations import NEVER
from tests.chaos.owed import Target, targets
from tests.chaos.trouble import Trouble, Troubles

EXCLUSIVE = frozenset({"Forbid", "Replace"})
"""The policies under which a run waits for the one before."""


class Case:
    """One history, ready to be judged."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.evidence = Evidence(history)
        self.troubles = Troubles(history)
        self._ready: dict[RunName, float] = {}

    @property
    def bounds(self) -> Bounds:
        """What the history is held to."""
        return self.history.meta.bounds

    @cached_property
    def lives(self) -> dict[str, Life]:
        """The schedules, by UID."""
        return lives(self.evidence, self.troubles)

    @cached_property
    def targets(self) -> dict[RunName, Target]:
        """What was owed."""
        return targets(self.evidence, self.lives.values(), self.troubles)

    @cached_property
    def owed(self) -> list[Target]:
        """What is demanded, by due time."""
        return sorted((one for one in self.targets.values() if one.mandatory), key=lambda one: one.due)

    @cached_property
    def started(self) -> dict[str, list[tuple[float, Run]]]:
        """The runs that started, by schedule and start."""
        found: dict[str, list[tuple[float, Run]]] = defaultdict(list)
        for run in self.evidence.runs.values():
            if run.started_at is not None:
                found[run.name.schedule].append((run.started_at, run))
        return {uid: sorted(runs, key=lambda one: one[0]) for uid, runs in found.items()}

    def run(self, name: RunName) -> Run:
        """What there is about a run; empty where there is nothing."""
        return self.evidence.runs.get(name) or Run(name)

    def newer_tick(self, target: Target, until: float) -> int | None:
        """The next tick of the same schedule that was due up to a moment."""
        later = (one.run.tick for one in self._of_schedule.get(target.run.schedule, ()) if one.due > target.due)
        return next((tick for tick in later if tick is not None and tick <= until), None)

    def ready(self, target: Target) -> float:
        """From when on nothing but the system itself kept a run from starting: its due time, or the end of those
        before it."""
        known = self._ready.get(target.run)
        if known is None:
            known = self._ready[target.run] = self._find_ready(target)
        return known

    def _find_ready(self, target: Target) -> float:
        at = target.due
        if not any(spec.concurrency in EXCLUSIVE for spec in target.specs):
            return at
        own = self.run(target.run).started_at
        for begin, other in self.started.get(target.run.schedule, ()):
            if begin > at + self.bounds.on_time or (own is not None and begin >= own):
                break
            if other.name != target.run:
                at = max(at, other.over_at)
        return at

    def quiet(self, target: Target) -> float:
        """How long a start may take without faults, from when it is ready."""
        waits_for_news = target.run.tick is None or self.ready(target) > target.due
        return self.bounds.on_time + (self.bounds.taken_in if waits_for_news else 0.0)

    def deadline(self, target: Target) -> float:
        """When a start is too late, whatever happened."""
        ready = self.ready(target)
        if ready == NEVER:
            return NEVER
        meddled = self.bounds.disturbed if self.evidence.meddling(self.run(target.run)) else 0.0
        return self.troubles.deadline(ready, self.quiet(target)) + meddled

    def disturbing(self, target: Target) -> list[Trouble]:
        """The faults that may have made it late."""
        return self.troubles.during(target.due, self.ready(target) + self.quiet(target))

    @cached_property
    def _of_schedule(self) -> dict[str, list[Target]]:
        found: dict[str, list[Target]] = defaultdict(list)
        for target in sorted(self.targets.values(), key=lambda one: one.due):
            found[target.run.schedule].append(target)
        return found
