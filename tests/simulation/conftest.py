"""Fixtures of the simulation: processes that run seeds, shared by all its tests."""

from collections.abc import Iterator

import pytest

from tests.simulation.crew import Crew


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    with Crew() as made:
        yield made
