"""Two real nodes for all tests of this folder, the images on them, and a namespace for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.clusters import speaking
from tests.support.pods import Room
from tools.devcluster.binaries import missing, resolve
from tools.devcluster.parts import NODE
from tools.devcluster.progress import Progress
from tools.image.build import Built, build
from tools.realnode.cluster import RealCluster, why_not

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.timeout(_SECONDS))
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # Before the time limit of the test starts to run. pytest asks this hook of every test, wherever it stands.
    if item.get_closest_marker("e2e") and missing(NODE) and why_not() is None:
        with speaking(item.config):
            resolve(NODE, progress=Progress())
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the nodes were doing."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(cluster, RealCluster):
        report.sections.append(("what the nodes were doing", cluster.told(cluster.nodes)))
    return report


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The images that are not on every node from the start, as files."""
    folder = tmp_path_factory.mktemp("images")
    return {name: build(name, folder) for name in ("ticklock", "postgres")}


@pytest.fixture(scope="session")
def cluster(images: dict[str, Built]) -> Iterator[RealCluster]:
    """Two nodes with all images. Who switches one off switches it on again."""
    with RealCluster(2) as running:
        running.load(*(image.file for image in images.values()))
        yield running


@pytest.fixture
def room(cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[Room]:
    """A namespace of the test's own; it and all in it goes."""
    with Room.lend(cluster, request.node.name) as lent:
        yield lent
