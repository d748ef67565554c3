"""Fixtures of the store's tests: replicas on a real PostgreSQL, Debian's where it is installed and the wheel's."""

from collections.abc import AsyncIterator

import pytest

from tests.simulation.ledger.bench import SimWorld
from tests.store.world import World
from tests.support.databases import MAJORS
from tools.devcluster.pgbinaries import DEFAULT_MAJOR

USUAL = tuple(major for major in MAJORS if major in {15, DEFAULT_MAJOR})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a world on every usual version, unless it names its own."""
    own = any("server" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "world" in metafunc.fixturenames and not own:
        metafunc.parametrize("server", USUAL, indirect=True, ids=[f"PostgreSQL {major}" for major in USUAL])


@pytest.fixture
async def fresh_world(database: str) -> AsyncIterator[World]:
    """Give a database that nobody has used yet: its gate is closed."""
    made = World(database)
    yield made
    await made.close()


@pytest.fixture
async def world(fresh_world: World) -> World:
    """Give a database whose gate is open, and a replica that leads."""
    return await fresh_world.open()


@pytest.fixture(params=["PostgreSQL", "simulated"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Give one ledger after the other, its gate open, and a replica that leads."""
    made = World(request.getfixturevalue("database")) if request.param == "PostgreSQL" else SimWorld()
    await made.open()
    yield made
    await made.close()
