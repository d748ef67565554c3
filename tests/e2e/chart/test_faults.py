"""A plug is pulled, a cable is cut, the database's pod is deleted: nothing starts twice, nothing is lost in silence."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.chart.planting import OFTEN, OUTAGE, RARELY, Bystander, Planted, manifest
from tests.support.pods import Room, is_ready
from tests.support.waiting import eventually
from tools.devcluster.kubeapi import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.chart.release import Release
    from tools.realnode.node import Node

SECONDS = 120
_NOTICED = 60

pytestmark = pytest.mark.usefixtures("monitored")


@pytest.fixture
def ticks(bystander: Bystander, room: Room) -> Planted:
    """A schedule that ticks every five seconds, and has begun to."""
    planted = bystander.plant(room, manifest("ticks", schedule=OFTEN))
    planted.wait_launched(2)
    return planted


@contextmanager
def whole_again(release: Release, node: Node) -> Iterator[None]:
    """Whatever happens inside, the node is as it was afterwards."""
    try:
        yield
    finally:
        node.power_on()
        node.mend_cable()
        release.cluster.wait_nodes()


def accounted(bystander: Bystander, ticks: Planted, fault: str, *, since: float) -> None:
    """Every tick up to now has one Job, or a verdict that tells of the outage."""
    tally = bystander.account([ticks], fault, since=since, allowed=[OUTAGE])
    assert len(tally.verdicts) < len(tally.due) / 2, "most ticks ran"


def test_the_plug_of_the_leaders_node_is_pulled(
    release: Release, bystander: Bystander, ticks: Planted, room: Room
) -> None:
    """A Job runs on it. It fails with its pod, and is not started a second time."""
    safe = release.database()["spec"]["nodeName"]
    victim = next(node for node in release.cluster.nodes if node.name != safe)
    release.lead_on(victim.name)
    pinned = {"nodeSelector": {"kubernetes.io/hostname": victim.name}}
    doomed = bystander.plant(room, manifest("doomed", "sleep", "600", schedule=RARELY, trigger="now", pod=pinned))
    job = doomed.wait_launched()
    eventually(lambda: _ready(room, job.name), what="its pod runs", seconds=SECONDS)
    with whole_again(release, victim):
        pulled = time.time()
        victim.power_off()
        eventually(lambda: release.leads_from() == safe, what="the other leads", seconds=SECONDS)
        bystander.figures.passed("plug of the leader's node pulled: until another leads", pulled)
        replaced = "plug pulled: until both replicas are ready on the node that is left"
        eventually(lambda: sorted(release.homes().values()) == [safe, safe], what=replaced, seconds=SECONDS)
        bystander.figures.passed(replaced, pulled)
        ticks.wait_launched(4, since=pulled)
    release.wait_settled()
    bystander.figures.passed("plug pulled and put in again: until two replicas are ready", pulled)
    last = doomed.wait_ended(seconds=SECONDS)
    assert (last["state"], last["reason"]) == ("Failed", "JobFailed")
    assert len(doomed.launched()) == 1
    ticks.wait_launched(2, since=time.time())
    accounted(bystander, ticks, "plug pulled", since=pulled)


def _ready(room: Room, job: str) -> bool:
    return bool((room.get("jobs", job, "apis/batch/v1") or {}).get("status", {}).get("ready"))


def test_the_cable_of_the_databases_node_is_cut(release: Release, bystander: Bystander, ticks: Planted) -> None:
    """One replica reaches the database and not the cluster, the other one the cluster and not the database."""
    release.spread()
    cut_off = release.cluster.node(release.database()["spec"]["nodeName"])
    with whole_again(release, cut_off):
        cut = time.time()
        cut_off.cut_cable()
        eventually(lambda: not _known_as_ready(release, cut_off), what="the cluster notices", seconds=_NOTICED)
        mended = time.time()
        cut_off.mend_cable()
        ticks.wait_launched(1, since=mended)
        bystander.figures.passed("cable of the database's node cut and mended: until the next launch", mended)
    release.wait_settled()
    ticks.wait_launched(2, since=time.time())
    accounted(bystander, ticks, "cable cut", since=cut)


def _known_as_ready(release: Release, node: Node) -> bool:
    return is_ready(release.cluster.control_plane.api.get(f"/api/v1/nodes/{node.name}"))


def test_the_databases_pod_is_deleted(release: Release, bystander: Bystander, ticks: Planted) -> None:
    """Its data stand on the volume; what was in flight is compared with the cluster before anything goes on."""
    former = release.database()["metadata"]
    began = time.time()
    release.kubectl("delete", "pod", former["name"])
    eventually(lambda: _is_back(release, former["uid"]), what="it is back", seconds=SECONDS)
    bystander.figures.passed("the database's pod deleted: until it is ready again", began)
    ticks.wait_launched(1, since=time.time())
    bystander.figures.passed("the database's pod deleted: until the next launch", began)
    release.wait_settled()
    ticks.wait_launched(2, since=time.time())
    accounted(bystander, ticks, "database's pod deleted", since=began)


def _is_back(release: Release, former: str) -> bool:
    try:
        found = release.database()
    except ApiError:
        return False
    return found["metadata"]["uid"] != former and is_ready(found)
