"""The bars that the figures are held against."""

from collections.abc import Iterator
from dataclasses import dataclass

from tools.bench.counting import Count, Lag
from tools.bench.figures import Figures, TrialFigures
from tools.bench.pace import Pace
from tools.bench.plan import Contender

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limit:
    """What is promised: a figure of at most so much."""

    promise: str
    most: float
    unit: str
    digits: int = 2

    def write(self, value: float) -> str:
        """Write a value of this kind."""
        return f"{value:,.{self.digits}f} {self.unit}".rstrip()


_P99_BY_SIZE = {1000: 2.5, 2000: 6.0, 5000: 12.0}
"""Up to so many schedules, the 99th percentile of the lag is at most so many seconds."""
_P99_SHARE = Limit("lag p99 beside CronJob's with raised limits", 0.5, "times")
_GROWTH = Limit("growth of the lag p99 from the first minute to the last", 0.5, "s")
_MEMORY = Limit("memory of a replica", 300, "MiB", digits=0)
_NONE = {name: Limit(name, 0, "", digits=0) for name in ("lost", "overdue", "double", "doubts about the count")}
_PACE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, and whether it is met."""

    promise: str
    size: int
    """Schedules; 0 where it is no matter of them."""
    measured: str
    allowed: str
    missed_by: str = ""
    """How far it is from being met; nothing where it is."""

    @property
    def verdict(self) -> str:
        """Say whether it is met, and if not by how much."""
        return f"**not met**, by {self.missed_by}" if self.missed_by else "met"


def bars(figures: Figures) -> Iterator[Bar]:
    """Hold the figures against all bars that they speak about."""
    for ours in (one for one in figures.trials if one.trial.contender is Contender.TICKLOCK):
        size, count = ours.trial.size, ours.outcome.count
        for limit, value in (
            *_counts(count),
            *_lags(count, size),
            *_share(count, figures.of(Contender.CRONJOB_RAISED, size)),
            *_memory(ours),
        ):
            yield _at_most(limit, value, size)
    if figures.pace is not None:
        yield _pace(figures.pace.pace)


Measurement = tuple[Limit, float]


def _counts(count: Count) -> Iterator[Measurement]:
    tally = count.overall
    yield _NONE["lost"], tally.lost
    yield _NONE["overdue"], tally.overdue
    yield _NONE["double"], tally.doubles
    yield _NONE["doubts about the count"], len(count.problems)


def _lags(count: Count, size: int) -> Iterator[Measurement]:
    seconds = next((seconds for most, seconds in _P99_BY_SIZE.items() if size <= most), None)
    if count.overall.lag is not None and seconds is not None:
        yield Limit("lag p99", seconds, "s"), count.overall.lag.p99
    lags = [tally.lag for tally in count.minutes if tally.lag is not None]
    if len(lags) > 1:
        yield _GROWTH, lags[-1].p99 - lags[0].p99


def _share(count: Count, raised: TrialFigures | None) -> Iterator[Measurement]:
    ours: Lag | None = count.overall.lag
    theirs = raised.outcome.count.overall.lag if raised is not None else None
    if ours is not None and theirs is not None:
        yield _P99_SHARE, ours.p99 / theirs.p99


def _memory(ours: TrialFigures) -> Iterator[Measurement]:
    replicas = [size for name, size in ours.outcome.costs.memory.items() if name.startswith("replica")]
    if replicas:
        yield _MEMORY, max(replicas) / _MIB


def _at_most(limit: Limit, value: float, size: int) -> Bar:
    missed_by = limit.write(value - limit.most) if value > limit.most else ""
    return Bar(limit.promise, size, limit.write(value), f"at most {limit.write(limit.most)}", missed_by)


def _pace(pace: Pace) -> Bar:
    missed_by = f"{_PACE_SHARE - pace.share:.1%}" if pace.share < _PACE_SHARE else ""
    return Bar("pace beside a bare client's", 0, f"{pace.share:.1%}", f"at least {_PACE_SHARE:.0%}", missed_by)
