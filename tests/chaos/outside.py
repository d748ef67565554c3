"""Doubles and losses counted from outside, whoever schedules: from what people asked for and what the nodes started.

Every schedule ticks each minute, so what is owed needs no parser: each full minute from its creation to its deletion,
but for those in which it was suspended, or in which nobody can say whether it was there. Where a fault keeps a tick
from starting, it is owed if its schedule outlives the fault: nobody can start anything of a schedule that is deleted
before.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.history import Action, ClientOp, Fault, History, NodePhase, NodeSight, Phase, Target
from tests.chaos.trouble import Trouble, troubles_of

MINUTE = 60
_MARGIN = 5.0
"""Around what people do: it takes so long until it counts, for either side."""
_RECOVERY = 30.0
"""After a fault: so long may the first start after it take."""
_CRONJOBS = re.compile(r"(?P<name>.+)-(?P<minutes>\d{7,9})$")
_CLOSES = {Action.DELETE, Action.SUSPEND}
_OPENS = {Action.CREATE, Action.RESUME}


class Owed(NamedTuple):
    """One tick of one schedule."""

    namespace: str
    name: str
    tick: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the ticks that were owed."""

    owed: frozenset[Owed]
    jobs: dict[Owed, list[str]]
    """The Jobs whose pods started, in the order of their starts; also of ticks that were not owed."""
    pods: dict[Owed, int]
    lags: dict[Owed, float]
    """Seconds from the tick to the first start of a pod."""

    @property
    def lost(self) -> list[Owed]:
        """Owed, and never started."""
        return sorted(self.owed - self.jobs.keys())

    @property
    def doubles(self) -> list[Owed]:
        """Ticks for which more than one Job started."""
        return sorted(one for one, jobs in self.jobs.items() if len(set(jobs)) > 1)

    @property
    def crowds(self) -> list[Owed]:
        """Ticks whose one Job started more than one pod."""
        return sorted(one for one, count in self.pods.items() if count > 1 and len(set(self.jobs[one])) == 1)

    def lag(self) -> tuple[float, float] | None:
        """Return p50 and p99 of what was owed and started, in seconds."""
        lags = [lag for one, lag in self.lags.items() if one in self.owed]
        return (_percentile(lags, 0.5), _percentile(lags, 0.99)) if lags else None

    def lines(self, name: str) -> Iterator[str]:
        """Yield the table."""
        started = len(self.owed) - len(self.lost)
        yield f"  {name}: {len(self.owed)} ticks owed, {started} started"
        yield f"    never started              {len(self.lost)}"
        yield f"    two Jobs for one tick      {len(self.doubles)}"
        yield f"    two pods of one Job        {len(self.crowds)}"
        if (lag := self.lag()) is not None:
            yield f"    lag                        p50 {lag[0]:.1f} s, p99 {lag[1]:.1f} s"


def outcome(history: History, *, until: float) -> Outcome:
    """Account for every tick up to a moment; the history should go on for a while after it."""
    jobs: dict[Owed, list[str]] = defaultdict(list)
    pods: dict[Owed, int] = defaultdict(int)
    lags: dict[Owed, float] = {}
    for start in history.each(NodeSight):
        tick = tick_of(start)
        if start.phase is not NodePhase.START or tick is None:
            continue
        jobs[tick].append(start.job_uid)
        pods[tick] += 1
        lags.setdefault(tick, start.at - tick.tick)
    return Outcome(frozenset(owed(history, until=until)), dict(jobs), dict(pods), lags)


def tick_of(start: NodeSight) -> Owed | None:
    """The tick that a pod was started for: ours says so itself, a CronJob's Job by its name."""
    if start.scheduled_time is not None and start.schedule_name is not None:
        return Owed(start.namespace, start.schedule_name, start.scheduled_time)
    found = _CRONJOBS.match(start.job_name)
    return Owed(start.namespace, found["name"], int(found["minutes"]) * MINUTE) if found else None


def owed(history: History, *, until: float) -> Iterator[Owed]:
    """Yield the ticks that must start whatever happens."""
    phases: dict[tuple[str, str], list[ClientOp]] = defaultdict(list)
    for entry in history.each(ClientOp):
        if entry.action in _CLOSES | _OPENS:
            phases[entry.namespace, entry.name].append(entry)
    broken = [one for one in troubles_of(history.each(Fault)) if one.target is not Target.PEOPLE]
    for (namespace, name), found in phases.items():
        for begin, end in _open(found, until):
            first = math.floor(begin / MINUTE) * MINUTE + MINUTE
            for tick in range(first, math.ceil(end), MINUTE):
                if _well_again(tick, broken) <= end or end == until:
                    yield Owed(namespace, name, tick)


def _well_again(tick: int, broken: Sequence[Trouble]) -> float:
    """Return when nothing keeps a tick from starting any more."""
    felt = [one.heal + _RECOVERY for one in broken if one.begin <= tick + _MARGIN and one.heal + _RECOVERY >= tick]
    return max(felt, default=tick)


def _open(found: Sequence[ClientOp], until: float) -> Iterator[tuple[float, float]]:
    """Yield when it surely was there and not suspended, a margin kept."""
    since: float | None = None
    for entry in found:
        if entry.action in _CLOSES and since is not None:
            if entry.at - _MARGIN > since:
                yield since, entry.at - _MARGIN
            since = None
        elif entry.action in _OPENS and entry.phase is Phase.OK:
            since = entry.at + _MARGIN
    if since is not None and until > since:
        yield since, until


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
