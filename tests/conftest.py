"""Fixtures of all tests. What they give is real: PostgreSQL, and a Kubernetes control plane."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.support.chart import Chart
from tests.support.clusters import building_ahead, needed, wait_for_binaries
from tests.support.databases import Servers, TestServer
from tests.support.diagnosis import told
from tests.support.ordering import mark_and_sort
from tools.devcluster.binaries import resolve
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.pgbinaries import DEFAULT_MAJOR
from tools.devcluster.postgres import Postgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_and_sort(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # Before the time limit of the test starts to run: a cold build takes minutes.
    wait_for_binaries(item.config, needed(item))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    with building_ahead([] if session.config.option.collectonly else session.items):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the control plane was doing."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("control_plane")
    if report.failed and isinstance(cluster, ControlPlane):
        report.sections.append(("what the control plane was doing", told(cluster)))
    return report


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.close()


@pytest.fixture
def server(servers: Servers, request: pytest.FixtureRequest) -> TestServer:
    """The session's PostgreSQL; parametrise it indirectly with a major version for another."""
    return servers.of(getattr(request, "param", DEFAULT_MAJOR))


@pytest.fixture
def postgres(server: TestServer) -> Postgres:
    """The session's PostgreSQL, for harmless tests."""
    return server.postgres


@pytest.fixture
def database(server: TestServer) -> Iterator[str]:
    """The URL of a database of the test's own, with all migrations applied."""
    with server.database() as url:
        yield url


@pytest.fixture
def empty_database(server: TestServer) -> Iterator[str]:
    """The URL of a database of the test's own, with nothing in it."""
    with server.empty_database() as url:
        yield url


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server of the test's own that it may kill: fsync is on."""
    with Postgres() as running:
        yield running


@pytest.fixture(scope="session")
def helm() -> Path:
    return resolve(["helm"])["helm"]


@pytest.fixture(scope="session")
def promtool() -> Path:
    return resolve(["promtool"])["promtool"]


@pytest.fixture(scope="session")
def kind_program() -> Path:
    return resolve(["kind"])["kind"]


@pytest.fixture(scope="session")
def glua_program() -> Path:
    return resolve(["glua"])["glua"]


@pytest.fixture(scope="session")
def kstatus_program() -> Path:
    return resolve(["kstatus"])["kstatus"]


@pytest.fixture(scope="session")
def chart(helm: Path) -> Chart:
    """The chart, to be rendered with values."""
    return Chart(helm)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """The session's control plane, for tests that leave it as it was; use a namespace of the test's own in it."""
    with ControlPlane(Options(fsync=False)) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own in the shared control plane."""
    created = control_plane.api.post(
        "/api/v1/namespaces",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}},
    )
    name = str(created["metadata"]["name"])
    yield name
    control_plane.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def new_control_plane() -> Iterator[Callable[..., ControlPlane]]:
    """Makes control planes of the test's own, with the options given; at most one beside the shared one."""
    running: list[ControlPlane] = []

    def start(options: Options | None = None) -> ControlPlane:
        running.append(ControlPlane(options))
        running[-1].start()
        return running[-1]

    yield start
    for control_plane in running:
        control_plane.close()


@pytest.fixture
def own_control_plane(new_control_plane: Callable[..., ControlPlane]) -> ControlPlane:
    """A control plane of the test's own that it may break."""
    return new_control_plane()
