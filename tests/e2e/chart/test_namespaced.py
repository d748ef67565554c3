"""Releases for one namespace each, installed by somebody who has no right outside of it."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.chart.planting import OFTEN, Bystander, Planted, manifest
from tests.e2e.chart.release import LOCAL, Release
from tests.support.pods import Room
from tests.support.waiting import eventually
from tools.devcluster.manifests import ROOT, create_namespace, has_account
from tools.devcluster.replica import PROGRAM

if TYPE_CHECKING:
    from tests.e2e.chart.figures import Figures
    from tests.support.chart import Chart, Values
    from tests.support.sights import Sights
    from tools.realnode.cluster import RealCluster

USER = "ann"
TEAMS = ("team-a", "team-b")
VALUES: Values = {
    **LOCAL,
    "namespaced": True,
    "replicaCount": 1,
    "postgresql": {"persistence": {"enabled": False}},
}
INSTALLER = ROOT / "deploy" / "namespace-installer.yaml"


@pytest.fixture(scope="module")
def prepared(cluster: RealCluster) -> RealCluster:
    """What an administrator does: the CRDs, a role, and for each team a namespace with its rights for the user."""
    plane = cluster.control_plane
    crds = subprocess.run([PROGRAM, "crd"], capture_output=True, text=True, check=True).stdout
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=crds)
    plane.kubectl("apply", "-f", str(INSTALLER))
    for team in TEAMS:
        create_namespace(plane, team)
        for role in ("admin", "ticklock-installer"):
            plane.kubectl("-n", team, "create", "rolebinding", role, f"--clusterrole={role}", f"--user={USER}")
    eventually(lambda: all(has_account(plane, team) for team in TEAMS), what="pods may be created")
    return cluster


@pytest.fixture(scope="module")
def releases(prepared: RealCluster, chart: Chart) -> list[Release]:
    """Both installed by the user, at the same time."""
    kubeconfig = prepared.control_plane.enrol(USER, USER)[1]
    both = [Release(prepared, chart, team, kubeconfig=kubeconfig) for team in TEAMS]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda release: release.install(values=VALUES), both))
    return both


def may(release: Release, *question: str) -> bool:
    try:
        release.cluster.control_plane.kubectl("auth", "can-i", *question, f"--as={USER}")
    except RuntimeError:
        return False
    return True


def test_the_user_has_no_right_beyond(releases: list[Release]) -> None:
    assert may(releases[0], "create", "deployments", "--namespace=team-a")
    for question in (("get", "nodes"), ("list", "jobs.batch", "--all-namespaces"), ("create", "clusterroles")):
        assert not may(releases[0], *question)
    assert not may(releases[0], "list", "scheduledjobs.ticklock.dev", "--namespace=default")


@pytest.fixture(scope="module")
def planted(releases: list[Release], sights: Sights, figures: Figures) -> list[Planted]:
    """The same schedule in either namespace."""
    found = []
    for release in releases:
        room = Room(release.cluster, release.namespace)
        found.append(Bystander(release, sights, figures).plant(room, manifest("ticks", schedule=OFTEN)))
    return found


def test_each_serves_its_own_and_they_do_not_fight(
    releases: list[Release], planted: list[Planted], sights: Sights, figures: Figures
) -> None:
    """Every tick of each starts once, and stands in the books of its own release alone."""
    for one in planted:
        one.wait_launched(4)
    until = time.time()
    for release, own in zip(releases, planted, strict=True):
        Bystander(release, sights, figures).every_tick_once([own], until=until)
        rows = release.rows.all("SELECT DISTINCT schedule_uid::text AS uid FROM runs")
        assert {row["uid"] for row in rows} == {own.uid}
        assert release.leader() in release.homes()


@pytest.mark.usefixtures("planted")
def test_the_user_removes_them_again(releases: list[Release]) -> None:
    """With a hook of each that has no right beyond the namespace either; then the namespaces go."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(Release.uninstall, releases))
    for release in releases:
        left = replace(release, kubeconfig=None).kubectl("get", "leases,jobs,roles,pods", "--output=name").split()
        assert not [name for name in left if "uninstall" in name or name.startswith(("lease", "role"))]
    releases[0].cluster.control_plane.kubectl("delete", "namespace", *TEAMS, "--timeout=90s")
