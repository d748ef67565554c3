"""The control plane that all cluster tests stand on."""

import socket
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.waiting import eventually
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.kubeapi import ApiError, KubeApi

SIMULATE = "ticklock.dev/simulate"


def job(name: str, **annotations: str) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
    named = {f"{SIMULATE}{key.replace('_', '-')}": value for key, value in annotations.items()}
    template = {"metadata": {"annotations": named}, "spec": pod}
    spec = {"backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def conditions(cluster: ControlPlane, path: str) -> set[str]:
    status = cluster.api.get(path)["status"]
    return {condition["type"] for condition in status.get("conditions", []) if condition["status"] == "True"}


@pytest.mark.parametrize(
    ("annotations", "end"),
    [
        pytest.param({}, "Complete", id="succeeds where nothing is said"),
        pytest.param({"": "fail"}, "Failed", id="fails where the pod template says so"),
        pytest.param({"_seconds": "1"}, "Complete", id="runs for as long as the pod template says"),
    ],
)
def test_a_job_ends_on_the_simulated_nodes(
    control_plane: ControlPlane, namespace: str, annotations: dict[str, str], end: str
) -> None:
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    eventually(lambda: can_run(control_plane, namespace), what="the namespace has its ServiceAccount")
    control_plane.api.post(jobs, job("one", **annotations))
    eventually(lambda: end in conditions(control_plane, f"{jobs}/one"), what=f"the Job is {end}")


def test_a_hanging_job_runs_until_it_is_deleted_and_its_pod_goes_with_it(
    control_plane: ControlPlane, namespace: str
) -> None:
    base = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    pods = f"/api/v1/namespaces/{namespace}/pods"
    eventually(lambda: can_run(control_plane, namespace), what="the namespace has its ServiceAccount")
    control_plane.api.post(base, job("one", **{"": "hang"}))
    eventually(
        lambda: [p["status"]["phase"] for p in control_plane.api.get(pods)["items"]] == ["Running"], what="it runs"
    )
    control_plane.api.delete(f"{base}/one", {"propagationPolicy": "Background"})
    eventually(lambda: not control_plane.api.get(pods)["items"], what="the pod has gone")


def can_run(cluster: ControlPlane, namespace: str) -> bool:
    accounts = cluster.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts")["items"]
    return any(account["metadata"]["name"] == "default" for account in accounts)


def test_the_token_of_a_service_account_may_do_nothing_that_no_rule_allows(
    control_plane: ControlPlane, namespace: str
) -> None:
    eventually(lambda: can_run(control_plane, namespace), what="the namespace has its ServiceAccount")
    api = KubeApi(control_plane.service_account_credentials(namespace, "default"))
    with closing(api), pytest.raises(ApiError, match="cannot list resource") as refused:
        api.get("/apis/batch/v1/jobs")
    assert refused.value.status == 403


def test_kubectl_speaks_to_it(control_plane: ControlPlane) -> None:
    assert control_plane.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}") == (
        control_plane.uid
    )
    with pytest.raises(RuntimeError, match='namespaces "nowhere" not found'):
        control_plane.kubectl("get", "namespace", "nowhere")


def test_one_of_ones_own_survives_the_loss_of_its_api_server_and_leaves_nothing_behind(
    own_control_plane: ControlPlane,
) -> None:
    cluster, uid, folder = own_control_plane, own_control_plane.uid, own_control_plane.folder
    clock = iter((0.0, 90.0, 90.0))
    idle = KubeApi(cluster.api.credentials, monotonic=lambda: next(clock))
    idle.get("/readyz")
    cluster.kill_apiserver()
    with pytest.raises(OSError, match="GET"):
        cluster.api.get("/readyz")
    cluster.start_apiserver()
    with closing(idle):
        assert idle.get("/readyz"), "a connection that the server has closed meanwhile is not used again"
    assert cluster.uid == uid
    cluster.restart_apiserver()
    assert cluster.uid == uid
    daemons = [cluster.etcd, cluster.apiserver, cluster.controller_manager, cluster.scheduler, cluster.kwok]
    assert all(daemon.alive for daemon in daemons)
    cluster.close()
    assert not folder.exists()
    assert not [daemon.name for daemon in daemons if Path(f"/proc/{daemon.pid}").exists()]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(cluster.server).port or 0)) != 0
