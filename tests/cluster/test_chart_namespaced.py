"""An installation for one namespace: with the rights that the chart gives there, and none beyond."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.bad_manifests import valid_manifest
from tests.support.chart import EXTERNAL, Chart, Values
from tests.support.crd import collection, install
from tests.support.waiting import eventually
from tools.devcluster.manifests import ROOT
from tools.devcluster.replica import PROGRAM, Replica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.devcluster.controlplane import ControlPlane

VALUES: Values = {**EXTERNAL, "namespaced": True}
INSTALLER = ROOT / "deploy" / "namespace-installer.yaml"
RIGHTS = {"ServiceAccount", "Role", "RoleBinding"}
ALL_NAMESPACES = "/api/v1/namespaces"


@dataclass(frozen=True, slots=True)
class Served:
    """A namespace with its own installation."""

    cluster: ControlPlane
    namespace: str
    replica: Replica
    env: dict[str, str]

    def job_of(self, namespace: str, name: str) -> bool:
        found = self.cluster.api.get(f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
        return any(job["metadata"]["labels"].get("ticklock.dev/schedule") == name for job in found)

    def may_not(self, account: str, resource: str) -> bool:
        user = f"--as=system:serviceaccount:{self.namespace}:{account}"
        try:
            self.cluster.kubectl("auth", "can-i", "list", resource, "--all-namespaces", user)
        except RuntimeError:
            return True
        return False


@pytest.fixture
def elsewhere(control_plane: ControlPlane) -> Iterator[str]:
    created = control_plane.api.post(ALL_NAMESPACES, {"metadata": {"generateName": "elsewhere-"}})
    yield created["metadata"]["name"]
    control_plane.api.delete(f"{ALL_NAMESPACES}/{created['metadata']['name']}")


@pytest.fixture
def served(  # noqa: PLR0917 - fixtures
    control_plane: ControlPlane, namespace: str, chart: Chart, database: str, tmp_path: Path
) -> Iterator[Served]:
    """One replica as a process, with the rights and the variables of the chart."""
    install(control_plane)
    found = chart.render(VALUES, namespace=namespace)
    rights = [one for one in found.objects if one["kind"] in RIGHTS]
    control_plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
    env = {name: str(value) for name, value in found.env().items() if "LEASE" in name or "WATCH" in name}
    settings = {
        "database_url": database,
        "kubeconfig": control_plane.service_account_kubeconfig(namespace, "ticklock"),
    }
    replica = Replica("alone", settings, tmp_path, env=env)
    replica.start()
    try:
        replica.wait_ready()
        yield Served(control_plane, namespace, replica, env)
    finally:
        replica.close()


def test_its_schedules_run_and_no_others(served: Served, elsewhere: str) -> None:
    assert served.may_not("ticklock", "jobs.batch"), "it has no right outside of its namespace"
    for namespace in (elsewhere, served.namespace):
        body = valid_manifest("report")
        body["metadata"]["annotations"] = {"ticklock.dev/trigger": "first"}
        served.cluster.api.post(collection(namespace), body)

    def last_state() -> bool:
        status = served.cluster.api.get(f"{collection(served.namespace)}/report").get("status", {})
        return bool(status.get("lastRun", {}).get("state") == "Completed")

    eventually(last_state, what="a trigger has run, and its end is reported")
    assert served.job_of(served.namespace, "report")
    assert not served.job_of(elsewhere, "report")
    identity = served.cluster.api.get(f"{ALL_NAMESPACES}/{served.namespace}")["metadata"]["uid"]
    assert next(fact["cluster"] for fact in served.replica.facts() if fact["event"] == "started") == identity
    assert not [fact for fact in served.replica.facts() if fact.get("level") == "error"]
    _uninstalled(served)


def _uninstalled(served: Served) -> None:
    """With the rights of the hook, after the replica is gone."""
    assert served.may_not("ticklock-uninstall", "jobs.batch")
    served.replica.stop()
    kubeconfig = served.cluster.service_account_kubeconfig(served.namespace, "ticklock-uninstall")
    done = subprocess.run(
        [PROGRAM, "uninstall"],
        env={"PATH": os.environ["PATH"], "TICKLOCK_KUBECONFIG": str(kubeconfig), **served.env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{served.namespace}/leases"
    assert served.cluster.api.get(leases)["items"] == []


# ------------------------------------------------------------------------------------------------- who may install it


@pytest.fixture
def user(control_plane: ControlPlane, namespace: str) -> str:
    """Somebody who is `admin` of the namespace, as Kubernetes understands it."""
    install(control_plane)
    control_plane.kubectl("apply", "-f", str(INSTALLER))
    control_plane.kubectl("-n", namespace, "create", "rolebinding", "admin", "--clusterrole=admin", "--user=ann")
    return "ann"


def refused(cluster: ControlPlane, chart: Chart, namespace: str, user: str) -> str:
    """What the API server complains about to the user who creates all objects of the chart, hooks and test included."""
    objects = yaml.safe_dump_all(chart.render(VALUES, namespace=namespace).objects)
    try:
        cluster.kubectl("-n", namespace, "--as", user, "create", "-f", "-", stdin=objects)
    except RuntimeError as complaint:
        return str(complaint)
    return ""


def test_an_admin_of_the_namespace_may_not_install_it(
    control_plane: ControlPlane, chart: Chart, namespace: str, user: str
) -> None:
    """That role knows nothing of ScheduledJobs, and nobody gives away what they have not."""
    told = refused(control_plane, chart, namespace, user)
    assert "attempting to grant RBAC permissions not currently held" in told


def test_with_the_role_for_it_they_may(control_plane: ControlPlane, chart: Chart, namespace: str, user: str) -> None:
    binding = ("rolebinding", "installer", "--clusterrole=ticklock-installer", f"--user={user}")
    control_plane.kubectl("-n", namespace, "create", *binding)
    right = ("auth", "can-i", "create", "events.events.k8s.io", "-n", namespace, f"--as={user}")
    eventually(lambda: can(control_plane, *right), what="the role is known")
    assert refused(control_plane, chart, namespace, user) == ""


def can(cluster: ControlPlane, *question: str) -> bool:
    try:
        cluster.kubectl(*question)
    except RuntimeError:
        return False
    return True
