"""The product on the shared control plane, for tests that leave it as it was; and one to break for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.stack import Stack
from tools.devcluster.installation import Shape
from tools.devcluster.pgbinaries import DEFAULT_MAJOR

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.support.databases import Servers
    from tests.support.place import Place
    from tools.devcluster.controlplane import ControlPlane


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the replicas were doing."""
    report = yield
    found = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Stack)]
    if report.failed and found:
        report.sections.append(("what the replicas logged", found[0].told()))
    return report


@pytest.fixture(scope="session")
def shared_stack(control_plane: ControlPlane, servers: Servers) -> Iterator[Stack]:
    """Two replicas on the shared control plane. From here on ScheduledJobs in it are obeyed."""
    with servers.of(DEFAULT_MAJOR).database() as url, Stack(Shape(), cluster=control_plane, database_url=url) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """The shared pair, both of them running."""
    shared_stack.heal()
    return shared_stack


@pytest.fixture
def place(stack: Stack) -> Iterator[Place]:
    """A namespace of the test's own; it and all in it goes."""
    yield from _lend(stack)


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """Control plane, PostgreSQL and two replicas of the module's own, to be broken; each test mends what it broke."""
    with Stack(Shape()) as stack:
        yield stack


@pytest.fixture
def own_place(own_stack: Stack) -> Iterator[Place]:
    """A namespace in the module's own cluster, with everything in order."""
    own_stack.heal()
    yield from _lend(own_stack)


def _lend(stack: Stack) -> Iterator[Place]:
    """Lend a namespace; whatever the replicas have logged as an error meanwhile is a defect."""
    before = len(stack.errors())
    place = stack.place()
    yield place
    place.remove()
    assert not stack.errors()[before:]
