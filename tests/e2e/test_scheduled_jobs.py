"""A ScheduledJob run by two replicas from our image, installed by plain manifests and kubectl alone, without Helm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.pods import Room, is_ready
from tests.support.waiting import eventually
from ticklock.domain import names
from tools.devcluster.manifests import CRD_FILE, EXAMPLES, HOME, RBAC_FILE, ROOT, install_crd, install_rights
from tools.realnode.cluster import RealCluster

POSTGRES = Path(__file__).with_name("postgres.yaml")
PASSWORD = "not 'so' secret"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/ticklock"
TICK = "batch.kubernetes.io/cronjob-scheduled-timestamp"
SECONDS = 120


@pytest.fixture(scope="module")
def installed(cluster: RealCluster) -> Iterator[RealCluster]:
    """A database on a volume, and two replicas that are ready. All of it goes: another installation comes after it."""
    plane = cluster.control_plane
    install_crd(plane)
    install_rights(plane)
    address = f"postgresql://owner@postgres.{HOME}.svc:5432/ticklock"
    secrets = {"database": {"password": PASSWORD}, "ticklock-database": {"url": address, "password": PASSWORD}}
    for name, content in secrets.items():
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}
        plane.api.post(f"/api/v1/namespaces/{HOME}/secrets", secret)
    plane.kubectl("--namespace", HOME, "apply", "-f", str(POSTGRES))
    plane.kubectl("apply", "-f", str(ROOT / "deploy" / "controller.yaml"))
    cluster.wait(lambda: len(replicas(cluster)) == 2, "two replicas are ready", seconds=SECONDS)
    yield cluster
    cluster.wait(lambda: not held(cluster), "no Job has a finalizer that the replicas would have to take off")
    plane.kubectl("delete", "namespace", HOME, f"--timeout={SECONDS}s")
    plane.kubectl("delete", "--ignore-not-found", "-f", str(RBAC_FILE), "-f", str(CRD_FILE))


def held(cluster: RealCluster) -> list[str]:
    """The Jobs that have our finalizer."""
    jobs = cluster.control_plane.api.get("/apis/batch/v1/jobs")["items"]
    return [job["metadata"]["name"] for job in jobs if names.FINALIZER in job["metadata"].get("finalizers", ())]


def replicas(cluster: RealCluster) -> list[dict[str, Any]]:
    """The pods of the replicas that are ready."""
    query = "labelSelector=app.kubernetes.io/name=ticklock"
    return [
        one
        for one in cluster.control_plane.api.get(f"/api/v1/namespaces/{HOME}/pods?{query}")["items"]
        if is_ready(one)
    ]


def leader(cluster: RealCluster) -> str:
    """The name of the pod that holds the Lease."""
    holder = cluster.control_plane.api.get(LEASE)["spec"].get("holderIdentity") or ""
    return str(holder.rpartition("_")[0])


def test_the_replicas_are_on_different_nodes_and_one_of_them_leads(installed: RealCluster) -> None:
    pods = replicas(installed)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2"}

    ready = {pod["metadata"]["name"] for pod in pods}
    eventually(lambda: leader(installed) in ready, what="one of them leads", seconds=60)
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods] == [0, 0]


@pytest.mark.usefixtures("installed")
def test_each_tick_of_an_example_runs_once_in_a_real_container(room: Room) -> None:
    room.kubectl("apply", "-f", str(EXAMPLES / "03-every-ten-seconds.yaml"))
    jobs = eventually(lambda: finished(room, at_least=3), what="three runs have finished", seconds=SECONDS)
    ticks = Counter(job["metadata"]["annotations"][TICK] for job in jobs)
    assert set(ticks.values()) == {1}
    moments = sorted(datetime.fromisoformat(tick) for tick in ticks)
    assert {(one - moments[0]).total_seconds() % 10 for one in moments} == {0.0}
    for job in jobs:
        printed = room.kubectl("logs", f"job/{job['metadata']['name']}").splitlines()
        assert datetime.fromisoformat(printed[-1]) == datetime.fromisoformat(job["metadata"]["annotations"][TICK])
    eventually(lambda: '"state": "Completed"' in room.kubectl("get", "sjob", "-ojson"), what="the status tells of it")


def finished(room: Room, *, at_least: int) -> list[dict[str, Any]]:
    """The finished Jobs of a room, once there are enough."""
    path = f"/apis/batch/v1/namespaces/{room.namespace}/jobs"
    jobs = room.cluster.control_plane.api.get(path)["items"]
    done = [job for job in jobs if job["status"].get("succeeded") == 1]
    return done if len(done) >= at_least else []
