"""Whatever happens, the promise holds: seed after seed.

TICKLOCK_SIMULATION_SEEDS says how many; the first ones are always the same.
"""

import os

import pytest

from tests.simulation.crew import Crew

_SEEDS = int(os.environ.get("TICKLOCK_SIMULATION_SEEDS", "400"))
_AT_A_TIME = 100
_RANGES = [range(first, min(first + _AT_A_TIME, _SEEDS)) for first in range(0, _SEEDS, _AT_A_TIME)]


@pytest.mark.parametrize("seeds", [pytest.param(one, id=f"seeds {one.start} to {one.stop - 1}") for one in _RANGES])
def test_the_promise_holds(crew: Crew, seeds: range) -> None:
    failed = [
        f"{outcome.failures[0]}; replay: python -m tests.simulation --seed {outcome.seed} --trace"
        for outcome in crew.outcomes(seeds)
        if outcome.failures
    ]
    assert not failed


def test_the_seeds_see_every_kind_of_fault_and_enough_launches(crew: Crew) -> None:
    outcomes = list(crew.outcomes(range(60)))
    kinds = {kind for outcome in outcomes for kind in outcome.faults}
    mishaps = {"lost", "unanswered", "late", "slow"}
    assert {f"{server} {kind}" for server in ("api", "db") for kind in mishaps} <= kinds
    assert {"api twice", "api refused", "crash before", "crash after", "pause", "watch dropped"} <= kinds
    assert {"api outage", "db outage", "db restart", "db loss"} <= kinds
    assert sum(outcome.launches for outcome in outcomes) > 300
