"""What a history measures: how often, how late, how long until all was well again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.chaos.case import Case
from tests.chaos.findings import Figures, Lags
from tests.chaos.operations import NEVER
from tests.chaos.rules.at_least_once import FINAL, unstarted

NO_FAULT, ANY_FAULT = "no fault", "any fault"


def figures(case: Case) -> Figures:
    """Count and measure; lags are those of what was owed and started, from when nothing but the system was in the
    way."""
    runs = case.evidence.runs.values()
    started = [run for run in runs if run.started_at is not None]
    silent = [target for target in case.owed if case.run(target.run).started_at is None]
    return Figures(
        owed=len(case.owed),
        optional=len(case.targets) - len(case.owed),
        started=len(started),
        missed=len(silent),
        lost=len(unstarted(case)),
        doubled=sum(len({job.uid for job in run.let_go}) > 1 for run in started),
        lags=_lags(case),
        verdicts=Counter(f"{run.state}, {run.reason}" for run in runs if run.state in FINAL),
        slowest_recovery=_slowest_recovery(case),
    )


def _lags(case: Case) -> dict[str, Lags]:
    found: dict[str, list[float]] = defaultdict(list)
    for target in case.owed:
        started = case.run(target.run).started_at
        if started is None:
            continue
        lag = max(started - case.ready(target), 0.0)
        felt = {one.name for one in case.disturbing(target)}
        for name in {*felt, ANY_FAULT} if felt else {NO_FAULT}:
            found[name].append(lag)
    order = sorted(found, key=lambda one: (one != NO_FAULT, one != ANY_FAULT, one))
    return {name: _measured(sorted(found[name])) for name in order}


def _measured(lags: Sequence[float]) -> Lags:
    return Lags(len(lags), _quantile(lags, 0.5), _quantile(lags, 0.99), lags[-1])


def _quantile(ascending: Sequence[float], share: float) -> float:
    """The nearest rank: a lag that there was."""
    return ascending[max(0, -int(-len(ascending) * share // 1) - 1)]


def _slowest_recovery(case: Case) -> float | None:
    """The longest time from a heal to the last start that this fault had made late; zero if it made none late."""
    longest = None
    for trouble in case.troubles.all:
        if trouble.heal == NEVER:
            continue
        late = 0.0
        for target in case.owed:
            started = case.run(target.run).started_at
            held_up = started is not None and trouble.begin <= started and target.due <= trouble.heal
            if held_up and started is not None and started - case.ready(target) > case.quiet(target):
                late = max(late, started - trouble.heal)
        longest = max(longest or 0.0, late)
    return longest
