"""ScheduledJobs of the examples, run by two replicas from our image, installed by manifests and kubectl alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.pods import Room, is_ready
from tests.support.waiting import eventually
from tools.devcluster.manifests import EXAMPLES, HOME, ROOT, collection, install_crd, install_rights
from tools.devcluster.watching import Sight, Watch
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


def leader(cluster: RealCluster) -> str:
    """The name of the pod that holds the Lease."""
    holder = cluster.control_plane.api.get(LEASE)["spec"].get("holderIdentity") or ""
    return str(holder.rpartition("_")[0])


def test_the_replicas_are_on_different_nodes_and_one_of_them_leads(installed: RealCluster) -> None:
    pods = replicas(installed)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2"}

    names = {pod["metadata"]["name"] for pod in pods}
    eventually(lambda: leader(installed) in names, what="one of them leads", seconds=60)
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


def homes(cluster: RealCluster) -> dict[str, str]:
    """On which node each ready replica is, by its name."""
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in replicas(cluster)}


def lead_on(cluster: RealCluster, node: str) -> None:
    """See to it that the leader is on that node: one that leads elsewhere is deleted, and another takes over."""
    while homes(cluster).get(leader(cluster)) != node:
        former = leader(cluster)
        cluster.control_plane.kubectl("-n", HOME, "delete", "pod", former, "--wait=false", "--ignore-not-found")

        def settled(former: str = former) -> bool:
            found = homes(cluster)
            return former not in found and len(found) == 2 and leader(cluster) in found

        eventually(settled, what="two replicas, one of which leads", seconds=SECONDS)


def ledger(cluster: RealCluster, room: Room) -> dict[int, str]:
    """What became of each tick of the one schedule in a room, by its second."""
    (schedule,) = cluster.control_plane.api.get(collection(room.namespace))["items"]
    query = "SELECT run_key, state FROM runs WHERE schedule_uid = :'uid'"
    uid = f"uid={schedule['metadata']['uid']}"
    command = ("psql", "-tA", "-F=", "-U", "owner", "-d", "ticklock", "-v", uid)
    lines = cluster.control_plane.kubectl("-n", HOME, "exec", "-i", "postgres-0", "--", *command, stdin=query).split()
    return {int(key.removeprefix("tick:")): state for key, _, state in (line.partition("=") for line in lines)}


def test_the_plug_of_the_leaders_node_is_pulled_and_no_tick_is_lost_or_run_twice(
    installed: RealCluster, room: Room
) -> None:
    plane = installed.control_plane
    safe = plane.api.get(f"/api/v1/namespaces/{HOME}/pods/postgres-0")["spec"]["nodeName"]
    victim = next(node for node in installed.nodes if node.name != safe)
    lead_on(installed, victim.name)
    seen: dict[str, str] = {}  # by the UID of each Job that was let go, its tick

    def on_sight(sight: Sight) -> None:
        if not sight.object["spec"].get("suspend"):
            seen[sight.object["metadata"]["uid"]] = sight.object["metadata"]["annotations"][TICK]

    watch = Watch(plane.api.credentials, f"/apis/batch/v1/namespaces/{room.namespace}/jobs", on_sight)
    watch.start()
    try:
        room.kubectl("apply", "-f", str(EXAMPLES / "03-every-ten-seconds.yaml"))
        eventually(lambda: len(seen) >= 2, what="it ticks", seconds=SECONDS)
        victim.power_off()
        before = len(seen)
        eventually(lambda: len(seen) >= before + 3, what="it ticks without the node", seconds=SECONDS)
        eventually(lambda: homes(installed).get(leader(installed)) == safe, what="the other leads", seconds=SECONDS)
    finally:
        victim.power_on()
        installed.wait_nodes()
    before = len(seen)
    eventually(lambda: len(seen) >= before + 2, what="it ticks with the node", seconds=SECONDS)
    told = ledger(installed, room)
    moments = sorted(told)
    assert moments == list(range(moments[0], moments[-1] + 10, 10)), "each tick has its run"
    started = {moment for moment, state in told.items() if state in ("Running", "Completed", "Failed", "Unknown")}
    eventually(lambda: started <= seconds_of(seen), what="what is said to have run did run")
    watch.close()
    assert watch.failure is None
    assert max(Counter(seen.values()).values()) == 1, "one Job for each tick"
    unrun = {moment for moment, state in told.items() if state in ("Missed", "Skipped", "Stopped")}
    assert not unrun & seconds_of(seen), "what is said not to have run did not run"


def seconds_of(seen: Mapping[str, str]) -> set[int]:
    """The ticks of the Jobs that were seen, as the ledger counts them."""
    return {int(datetime.fromisoformat(tick).timestamp()) for tick in seen.values()}
