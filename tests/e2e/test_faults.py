"""A node's plug is pulled, its cable cut: what the cluster sees of it, and that both can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pods import Room, is_ready, pod
from tests.support.waiting import eventually
from tools.realnode.cluster import RealCluster
from tools.realnode.node import Node

_NOTICED = 40
_BACK = 60


@pytest.fixture
def victim(cluster: RealCluster) -> Iterator[Node]:
    """A node to be broken; afterwards it is whole again."""
    node = cluster.node("node2")
    yield node
    node.power_on()
    node.mend_cable()
    cluster.wait_nodes()


def ready(cluster: RealCluster, node: Node) -> bool:
    return is_ready(cluster.control_plane.api.get(f"/api/v1/nodes/{node.name}"))


def running(node: Node) -> set[int]:
    """The processes that live in the control groups of a node's pods."""
    places = Path("/sys/fs/cgroup").glob(f"*/ticklock-*/{node.name}/**/cgroup.procs")
    return {int(line) for place in places for line in place.read_text().split()}


def test_a_pulled_plug_ends_everything_at_once_and_the_node_comes_back(
    cluster: RealCluster, victim: Node, room: Room
) -> None:
    room.begin(pod("doomed", "sleep", "600", node=victim.name))
    assert running(victim)
    victim.power_off()
    assert not running(victim)
    assert not victim.on
    eventually(lambda: not ready(cluster, victim), what="the cluster notices", seconds=_NOTICED)
    victim.power_on()
    cluster.wait_nodes()
    eventually(lambda: room.phase("doomed") in ("Failed", ""), what="its pod is known to be over", seconds=_BACK)
    assert room.run(pod("next", "true", node=victim.name))["status"]["phase"] == "Succeeded"


def test_behind_a_cut_cable_pods_go_on_and_the_node_comes_back(cluster: RealCluster, victim: Node, room: Room) -> None:
    room.begin(pod("goes-on", "sleep", "600", node=victim.name))
    before = running(victim)
    victim.cut_cable()
    eventually(lambda: not ready(cluster, victim), what="the cluster notices", seconds=_NOTICED)
    assert before <= running(victim)
    assert victim.on
    victim.mend_cable()
    eventually(lambda: ready(cluster, victim), what="the node is back", seconds=_BACK)
    assert room.execute("goes-on", "echo", "here") == "here\n"
