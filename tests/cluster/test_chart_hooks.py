"""What Helm runs in the cluster: the test, and the hook of uninstalling. Each has the rights that the chart gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.chart import EXTERNAL, Chart, Object, Rendered
from tests.support.crd import collection, install
from tests.support.orders import TICK, Orders
from tests.support.waiting import eventually
from ticklock.domain import names
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.replica import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.place import Place
    from tools.devcluster.controlplane import ControlPlane

RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def rights(found: Rendered, component: str) -> list[Object]:
    label = "app.kubernetes.io/component"
    return [one for one in found.objects if one["kind"] in RIGHTS and one["metadata"]["labels"][label] == component]


# ------------------------------------------------------------------------------------------------------------ helm test


@dataclass(frozen=True, slots=True)
class TestPod:
    """What the pod of `helm test` runs, as a process here that finds what it would find there."""

    __test__ = False

    place: Place
    files: Path
    account: Path
    environment: Mapping[str, str]

    def run(self) -> subprocess.CompletedProcess[str]:
        server = urlsplit(self.place.stack.cluster.server)
        env = {
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
            "SERVICE_ACCOUNT_FOLDER": str(self.account),
            **self.environment,
        }
        command = [sys.executable, "-I", str(self.files / "launch.py")]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=90)

    def simulate(self, what: str) -> None:
        """Let the simulated nodes do that with the pod that is launched."""
        path = self.files / "scheduledjob.json"
        body = json.loads(path.read_text())
        template = body["spec"]["jobTemplate"]["spec"]["template"]
        template["metadata"] = {"annotations": {"ticklock.dev/simulate": what}}
        body["spec"]["jobTemplate"]["spec"]["backoffLimit"] = 0
        path.write_text(json.dumps(body))


@pytest.fixture
def test_pod(place: Place, chart: Chart, tmp_path: Path) -> TestPod:
    found = chart.render({**EXTERNAL, "test": {"timeoutSeconds": 30}}, namespace=place.namespace)
    place.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights(found, "test")))
    files, account = tmp_path / "test", tmp_path / "account"
    files.mkdir()
    account.mkdir()
    for name, text in found.one("ConfigMap", "ticklock-test")["data"].items():
        (files / name).write_text(text)
    credentials = place.stack.cluster.service_account_credentials(place.namespace, "ticklock-test")
    (account / "token").write_text(credentials.token or "")
    (account / "ca.crt").write_text(credentials.authority.read_text())
    (container,) = found.one("Pod", "ticklock-test")["spec"]["containers"]
    assert container["command"] == ["python3", "/test/launch.py"]
    return TestPod(place, files, account, {one["name"]: one["value"] for one in container["env"]})


def schedules(place: Place) -> list[Any]:
    return list(place.stack.cluster.api.get(collection(place.namespace))["items"])


def test_helm_test_launches_a_schedule_and_waits_for_it(test_pod: TestPod) -> None:
    done = test_pod.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Completed (JobCompleted), Job ticklock-test-" in done.stdout
    assert schedules(test_pod.place) == []


def test_helm_test_fails_where_the_job_fails(test_pod: TestPod) -> None:
    test_pod.simulate("fail")
    done = test_pod.run()
    assert done.returncode == 1
    assert "Failed (JobFailed)" in done.stdout
    assert schedules(test_pod.place) == []


def test_helm_test_fails_where_nothing_ends(test_pod: TestPod) -> None:
    test_pod.simulate("hang")
    done = TestPod(
        test_pod.place, test_pod.files, test_pod.account, {**test_pod.environment, "SECONDS_TO_WAIT": "2"}
    ).run()
    assert done.returncode == 1
    assert "no run has ended after 2 s" in done.stderr
    assert schedules(test_pod.place) == []


def test_helm_test_says_what_it_may_not_do(test_pod: TestPod) -> None:
    test_pod.place.kubectl("delete", "rolebinding", "ticklock-test")
    done = test_pod.run()
    assert done.returncode == 1
    assert "403" in done.stderr


# -------------------------------------------------------------------------------------------------------- uninstalling


@pytest.fixture
def hook(control_plane: ControlPlane, namespace: str, chart: Chart, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the hook's pod, with its rights in force."""
    install(control_plane)
    found = chart.render(EXTERNAL, namespace=namespace)
    manifest = yaml.safe_dump_all(rights(found, "uninstall"))
    control_plane.kubectl("apply", "-f", "-", stdin=manifest)
    pod = found.one("Job", "ticklock-uninstall")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == ["uninstall"]
    kubeconfig = control_plane.service_account_kubeconfig(namespace, pod["serviceAccountName"])
    variables = {one["name"]: one["value"] for one in container["env"]}
    yield {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TICKLOCK_KUBECONFIG": str(kubeconfig), **variables}
    control_plane.kubectl("delete", "-f", "-", stdin=manifest)


def lease(namespace: str, holder: str) -> Object:
    """One that was renewed when the world began."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 1, "renewTime": "2026-01-01T00:00:00.000000Z"}
    return {"metadata": {"name": "ticklock", "namespace": namespace}, "spec": spec}


def test_the_hook_may_let_go_what_holds_up_a_deletion(
    control_plane: ControlPlane, namespace: str, hook: dict[str, str]
) -> None:
    api, jobs = control_plane.api, f"/apis/batch/v1/namespaces/{namespace}/jobs"
    orders = Orders.of_an_object(control_plane, namespace)
    staged = api.post(jobs, orders.job())["metadata"]["name"]
    started = api.post(jobs, _started(orders.job(orders.order(tick=TICK + timedelta(hours=1)))))
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    api.post(leases, lease(namespace, "a-pod-that-died_1"))
    done = subprocess.run(
        [PROGRAM, "uninstall", "-o", "json"], env=hook, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["clean"]
    assert api.get(leases)["items"] == []
    with pytest.raises(ApiError):
        api.get(f"{jobs}/{staged}")
    left = api.get(f"{jobs}/{started['metadata']['name']}")["metadata"]
    assert names.FINALIZER not in left.get("finalizers", ())


def _started(job: Object) -> Object:
    return {**job, "spec": {**job["spec"], "suspend": False}}


def test_the_hook_waits_for_its_turn_where_a_replica_leads(
    control_plane: ControlPlane, namespace: str, hook: dict[str, str]
) -> None:
    """It fails, and the Job of Kubernetes tries again."""
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    body = lease(namespace, "a-pod-that-lives_1")
    control_plane.api.post(leases, {**body, "spec": {**body["spec"], "leaseDurationSeconds": 10}})
    command = [str(PROGRAM), "uninstall"]
    with subprocess.Popen(command, env=hook, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        renewals = iter(range(1, 1000))

        def renewed() -> bool:
            spec = {"renewTime": f"2026-01-01T00:00:00.{next(renewals):06d}Z"}
            control_plane.api.merge_patch(f"{leases}/ticklock", {"spec": spec})
            return running.poll() is not None

        eventually(renewed, what="it has seen the Lease change", interval=0.3)
        _, complaint = running.communicate()
    assert running.returncode == 1
    assert "a-pod-that-lives_1 leads" in complaint
