"""Each guard is needed: with one of them off, some seed fails."""

import pytest

from tests.simulation.crew import Crew
from tests.simulation.sabotage import SABOTAGES

_SEEDS = range(1000)
"""The search ends with the first seed that fails. Of the guard that is needed least often, one seed in 160 tells, and
any change of the program deals the seeds anew: a thousand find it 499 times of 500."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guard", sorted(SABOTAGES))
def test_without_this_guard_some_seed_fails(crew: Crew, guard: str) -> None:
    outcome = crew.first_failure(_SEEDS, guard)
    assert outcome is not None, f"no seed noticed: {SABOTAGES[guard].says}"
    broken = [words for words in outcome.failures if "errors:" in words or "ended by itself" in words]
    assert not broken, "the sabotage itself is broken; it must not be found by that"
    assert not crew.with_guards(outcome.seed, guard).failures, "it must be the missing guard that this seed fails for"
