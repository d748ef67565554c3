"""Counting launches in a history. Pure arithmetic: what was due is given, what happened was seen from outside.

A tick of a schedule is **launched** when the first Job of it may start, **overdue** if that is a minute or more after
the tick (the next one has come), **lost** if it had not happened when the counting ended, **double** if more than one
of its Jobs was let go. Lag is launch minus tick; percentiles are by nearest rank, over the launches alone.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tools.bench.history import Beat, Break, Entry, JobUid, Phase, ScheduleName, Sight, Tick, sights

MINUTE = 60
_SILENCE_SECONDS = 2.0
"""A watch that has not been heard of for so long cannot tell when something happened."""
_CUT_SECONDS = 0.2
"""Nor one that was cut for so long."""


@dataclass(frozen=True, slots=True)
class Due:
    """What had to happen: each schedule once at each tick; counted until `end`."""

    schedules: frozenset[ScheduleName]
    ticks: tuple[Tick, ...]
    end: float
    held_first: bool
    """Whether Jobs are created suspended and let go later."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds from tick to launch."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Tally:
    """The count of one tick, or of all. `lag` is None where nothing was launched."""

    due: int
    launched: int
    overdue: int
    doubles: int
    lag: Lag | None

    @property
    def lost(self) -> int:
        """How many ticks were never launched."""
        return self.due - self.launched


@dataclass(frozen=True, slots=True)
class Count:
    """All tallies, and what speaks against believing them."""

    minutes: tuple[Tally, ...]
    overall: Tally
    problems: tuple[str, ...]


Run = tuple[ScheduleName, Tick]
Launches = Mapping[Run, Sequence[float]]
"""When each Job of a run was let go, in the order of time."""


def count(history: Sequence[Entry], due: Due) -> Count:
    """Count the launches of the ticks that were due; others (of before or after) do not count."""
    launches = _launches(history, due)
    return Count(
        minutes=tuple(_tally(launches, due, [tick]) for tick in due.ticks),
        overall=_tally(launches, due, due.ticks),
        problems=tuple(_problems(history, due)),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of them does not exceed (nearest rank). `values` are sorted and not empty."""
    return values[max(math.ceil(share * len(values)), 1) - 1]


def releases_per_second(moments: Iterable[float]) -> float:
    """Return the pace of the middle nine tenths of the moments: how it starts and ends is left out."""
    ordered = sorted(moments)
    first, last = len(ordered) // 20, len(ordered) - 1 - len(ordered) // 20
    if last <= first or ordered[last] <= ordered[first]:
        raise ValueError(f"{len(ordered)} releases within no time make no pace")
    return (last - first) / (ordered[last] - ordered[first])


def _launches(history: Iterable[Entry], due: Due) -> dict[Run, list[float]]:
    jobs: dict[Run, dict[JobUid, float]] = defaultdict(dict)
    for sight in sights(history):
        if sight.phase is Phase.FREE and sight.tick is not None and sight.at <= due.end:
            jobs[sight.schedule, sight.tick].setdefault(sight.job, sight.at)
    return {run: sorted(found.values()) for run, found in jobs.items()}


def _tally(launches: Launches, due: Due, ticks: Sequence[Tick]) -> Tally:
    runs = [(schedule, tick) for schedule in due.schedules for tick in ticks]
    found = [(run, launches[run]) for run in runs if run in launches]
    lags = sorted(moments[0] - tick for (_, tick), moments in found)
    return Tally(
        due=len(runs),
        launched=len(found),
        overdue=sum(lag >= MINUTE for lag in lags),
        doubles=sum(len(moments) > 1 for _, moments in found),
        lag=Lag(percentile(lags, 0.5), percentile(lags, 0.99), lags[-1]) if lags else None,
    )


def _problems(history: Sequence[Entry], due: Due) -> Iterator[str]:
    """Say why the history cannot be trusted, or what in it must not be."""
    seen = [entry for entry in history if entry.at <= due.end]
    yield from _cuts(seen, due)
    yield from _gaps(seen, due)
    wrong = Counter(words for sight in sights(seen) for words in _oddities(sight, due))
    yield from (f"{number} times: {words}" for words, number in sorted(wrong.items()))
    if due.held_first:
        unheld = _let_go(seen, due) - {sight.job for sight in sights(seen) if sight.phase is Phase.HELD}
        yield from [f"{len(unheld)} times: a Job was never seen suspended before it was let go"] if unheld else []


def _cuts(seen: Sequence[Entry], due: Due) -> Iterator[str]:
    for number, entry in enumerate(seen):
        if isinstance(entry, Break):
            back = next((later.at for later in seen[number:] if isinstance(later, Beat)), due.end)
            if entry.lost or back - entry.at > _CUT_SECONDS:
                place = f"{entry.at - due.ticks[0]:.1f} s after the first tick"
                yield f"the watch was cut {place} for {back - entry.at:.1f} s: {entry.cause}"


def _gaps(seen: Sequence[Entry], due: Due) -> Iterator[str]:
    beats = [entry.at for entry in seen if isinstance(entry, Beat)]
    edges = [due.ticks[0], *(at for at in beats if at >= due.ticks[0]), due.end]
    for before, after in pairwise(edges):
        if after - before > _SILENCE_SECONDS:
            yield f"nothing was heard of the watch for {after - before:.0f} s, {before - due.ticks[0]:.0f} s in"
    if any(after.at < before.at for before, after in pairwise(sights(seen))):
        yield "the moments go backwards: the clock was set, or the file is not in order"


def _oddities(sight: Sight, due: Due) -> Iterator[str]:
    if sight.tick is None:
        yield "a Job does not say which tick it is for"
        return
    if sight.schedule not in due.schedules:
        yield "a Job is of no schedule of ours"
    if not due.ticks[0] <= sight.tick <= due.ticks[-1]:
        return
    if sight.tick not in due.ticks:
        yield "a Job is for a moment that is no tick"
    if sight.phase is Phase.FREE and sight.at < sight.tick:
        yield "a Job was let go before its tick"
    if sight.phase is Phase.HELD and not due.held_first:
        yield "a Job was suspended although nobody asked for it"


def _let_go(seen: Iterable[Entry], due: Due) -> set[JobUid]:
    return {sight.job for sight in sights(seen) if sight.phase is Phase.FREE and sight.tick in due.ticks}
