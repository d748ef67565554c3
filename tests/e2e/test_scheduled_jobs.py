"""ScheduledJobs of the examples, run by two replicas from our image, installed by manifests and kubectl alone."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.pods import Room, is_ready
from tests.support.waiting import eventually
from tools.devcluster.manifests import EXAMPLES, HOME, ROOT, install_crd, install_rights
from tools.realnode.cluster import RealCluster

POSTGRES = Path(__file__).with_name("postgres.yaml")
PASSWORD = "not 'so' secret"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/ticklock"
TICK = "batch.kubernetes.io/cronjob-scheduled-timestamp"
SECONDS = 120


@pytest.fixture(scope="module")
def installed(cluster: RealCluster) -> RealCluster:
    """A database on a volume, and two replicas that are ready."""
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
    return cluster


def replicas(cluster: RealCluster) -> list[dict[str, Any]]:
    """The pods of the replicas that are ready."""
    query = "labelSelector=app.kubernetes.io/name=ticklock"
    return [
        one
        for one in cluster.control_plane.api.get(f"/api/v1/namespaces/{HOME}/pods?{query}")["items"]
        if is_ready(one)
    ]


def test_the_replicas_are_on_different_nodes_and_one_of_them_leads(installed: RealCluster) -> None:
    pods = replicas(installed)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2"}

    def leader() -> str:
        holder = installed.control_plane.api.get(LEASE)["spec"].get("holderIdentity") or ""
        return str(holder.rpartition("_")[0])

    eventually(lambda: leader() in {pod["metadata"]["name"] for pod in pods}, what="one of them leads", seconds=60)
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
    wide = room.kubectl("get", "sjob", "every-ten-seconds", "--output=json")
    assert '"state": "Completed"' in wide


def finished(room: Room, *, at_least: int) -> list[dict[str, Any]]:
    """The finished Jobs of a room, once there are enough."""
    path = f"/apis/batch/v1/namespaces/{room.namespace}/jobs"
    jobs = room.cluster.control_plane.api.get(path)["items"]
    done = [job for job in jobs if job["status"].get("succeeded") == 1]
    return done if len(done) >= at_least else []


@pytest.mark.usefixtures("installed")
def test_a_command_that_fails_is_a_failed_run_of_a_schedule_in_order(room: Room) -> None:
    room.kubectl("apply", "-f", str(EXAMPLES / "04-fails.yaml"))
    room.kubectl("annotate", "sjob/fails", "ticklock.dev/trigger=now")

    def last_run() -> dict[str, Any]:
        status = (room.get("scheduledjobs", "fails", "apis/ticklock.dev/v1") or {}).get("status", {})
        return dict(status.get("lastRun") or {})

    eventually(lambda: last_run().get("state") == "Failed", what="the run has failed", seconds=SECONDS)
    assert last_run()["reason"] == "JobFailed"
    (pod,) = room.cluster.control_plane.api.get(f"/api/v1/namespaces/{room.namespace}/pods")["items"]
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    conditions = (room.get("scheduledjobs", "fails", "apis/ticklock.dev/v1") or {})["status"]["conditions"]
    assert {one["type"]: one["status"] for one in conditions}["Ready"] == "True"


def test_the_database_keeps_what_it_knows_when_its_pod_is_deleted(installed: RealCluster, room: Room) -> None:
    """And the schedule goes on by itself."""
    room.kubectl("apply", "-f", str(EXAMPLES / "03-every-ten-seconds.yaml"))
    before = eventually(lambda: finished(room, at_least=1), what="a run has finished", seconds=SECONDS)
    plane = installed.control_plane
    old = plane.api.get(f"/api/v1/namespaces/{HOME}/pods/postgres-0")["metadata"]["uid"]
    plane.kubectl("--namespace", HOME, "delete", "pod", "postgres-0", "--wait=false")

    def again() -> bool:
        found = plane.kubectl("--namespace", HOME, "get", "pods", "--field-selector=metadata.name=postgres-0", "-ojson")
        return '"items": []' not in found and old not in found and '"ready": true' in found

    eventually(again, what="the database is back", seconds=SECONDS)
    more = eventually(lambda: finished(room, at_least=len(before) + 2), what="runs go on", seconds=SECONDS)
    assert set(Counter(job["metadata"]["annotations"][TICK] for job in more).values()) == {1}
