"""One release of the chart for all tests of this folder, which run last and in this order: each goes on with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.chart.figures import ASKED_BY, INSTALL, Figures
from tests.e2e.chart.monitored import Monitored
from tests.e2e.chart.planting import Bystander
from tests.e2e.chart.release import Release
from tests.support.chart import Chart
from tests.support.pods import Room
from tests.support.sights import Sights
from tools.devcluster.binaries import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.realnode.cluster import RealCluster

ORDER = (
    "test_install.py",
    "test_examples.py",
    "test_faults.py",
    "test_upgrade.py",
    "test_monitoring.py",
    "test_uninstall.py",
    "test_namespaced.py",
)
_FIGURES = pytest.StashKey[Figures]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=lambda item: 1 + ORDER.index(item.path.name) if item.path.parent == here else 0)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(_FIGURES, Figures())
    if lines := figures.lines():
        terminalreporter.section("the chart on two real nodes")
        for line in lines:
            terminalreporter.write_line(line)
    if lines and os.environ.get(ASKED_BY):
        figures.publish()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """What was measured; shown at the end."""
    return pytestconfig.stash.setdefault(_FIGURES, Figures())


@pytest.fixture(scope="session")
def prometheus() -> Path:
    return resolve(["prometheus"])["prometheus"]


@pytest.fixture(scope="session")
def sights(cluster: RealCluster) -> Iterator[Sights]:
    """Every Job and pod of the cluster, as a bystander sees them."""
    seen = Sights(cluster.control_plane.api.credentials)
    seen.start()
    yield seen
    seen.close()


@pytest.fixture(scope="session")
def release(cluster: RealCluster, chart: Chart, figures: Figures) -> Release:
    """The release, installed by one command; the last test but those of other releases removes it."""
    made = Release(cluster, chart)
    with figures.measured(INSTALL):
        made.install("--create-namespace")
    return made


@pytest.fixture(scope="session")
def bystander(release: Release, sights: Sights, figures: Figures) -> Bystander:
    return Bystander(release, sights, figures)


@pytest.fixture(scope="session")
def monitored(bystander: Bystander, prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """Prometheus, and schedules in trouble. They begin early: an alert for what is late needs its minutes."""
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        Room.lend(bystander.release.cluster, "monitoring") as room,
        Monitored.begin(bystander, room, program=prometheus, folder=folder) as begun,
    ):
        yield begun
