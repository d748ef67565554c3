"""Stories that once ended with one run started twice."""

import pytest

from tests.simulation.crew import Crew
from tests.simulation.stories import STORIES

_SEEDS = range(24)


@pytest.mark.parametrize("name", sorted(STORIES))
def test_it_ends_well(crew: Crew, name: str) -> None:
    assert [outcome.failures for outcome in crew.story(name, _SEEDS, guarded=True) if outcome.failures] == []


@pytest.mark.parametrize("name", sorted(STORIES))
def test_without_its_guard_a_run_is_started_twice(crew: Crew, name: str) -> None:
    failures = [failure for outcome in crew.story(name, _SEEDS, guarded=False) for failure in outcome.failures]
    assert any("two Jobs of one attempt were started" in failure for failure in failures)
