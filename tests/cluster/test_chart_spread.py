"""Where a real scheduler puts the replicas of the chart, on nodes that it would otherwise not take alike.

One node has so much more room that every pod goes there, unless something speaks against it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.chart import EXTERNAL, Chart, Object, Values
from tests.support.pods import is_ready
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.devcluster.controlplane import ControlPlane
    from tools.devcluster.kubeapi import KubeApi

ROOM = "ticklock.dev/room"
ZONE = "topology.kubernetes.io/zone"
NOT_HERE: Values = {
    **EXTERNAL,
    "priorityClass": {"create": False},
    "serviceAccount": {"create": False, "name": "default"},
}
"""What a pod refers to is not made: it is to be scheduled, and no more."""


@contextmanager
def nodes(api: KubeApi, room: str, zones: Mapping[str, str | None]) -> Iterator[None]:
    """Nodes for nobody else, by name and zone, the first of them large; they are there until the end."""
    names = [f"{room}-{name}" for name in zones]
    for name, zone in zip(names, zones.values(), strict=True):
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok", ROOM: room}
        cpus, gibibytes = (64, 64) if name == names[0] else (1, 1)
        size = {"cpu": str(cpus), "memory": f"{gibibytes}Gi", "pods": "110"}
        api.post(
            "/api/v1/nodes",
            {
                "metadata": {"name": name, "labels": labels | ({ZONE: zone} if zone else {})},
                "spec": {"taints": [{"key": ROOM, "value": room, "effect": "NoSchedule"}]},
                "status": {"capacity": size, "allocatable": size},
            },
        )
    eventually(lambda: all(_is_open(api.get(f"/api/v1/nodes/{name}")) for name in names), what="the nodes are ready")
    try:
        yield
    finally:
        for name in names:
            api.delete(f"/api/v1/nodes/{name}")


def _is_open(node: Object) -> bool:
    """Whether it is ready, and keeps away those alone that it is not for."""
    return is_ready(node) and [one["key"] for one in node["spec"]["taints"]] == [ROOM]


def homes(api: KubeApi, room: str) -> list[str]:
    """On which nodes the replicas are that have one."""
    pods = api.get(f"/api/v1/namespaces/{room}/pods")["items"]
    return sorted(one["spec"]["nodeName"].removeprefix(f"{room}-") for one in pods if "nodeName" in one["spec"])


@dataclass(frozen=True, slots=True)
class Rollout:
    """The chart's replicas in a namespace, on nodes that are there for them alone."""

    api: KubeApi
    chart: Chart
    room: str

    def scheduled(self, count: int, zones: Mapping[str, str | None], values: Values | None = None) -> list[str]:
        """Roll out that many replicas on such nodes; return where they are."""
        only = {"nodeSelector": {ROOM: self.room}, "tolerations": [{"key": ROOM, "operator": "Exists"}]}
        rendered = self.chart.render(
            {**NOT_HERE, **only, **(values or {}), "replicaCount": count}, namespace=self.room
        ).one("Deployment")
        deployments = f"/apis/apps/v1/namespaces/{self.room}/deployments"
        with nodes(self.api, self.room, zones):
            self.api.post(deployments, rendered)
            eventually(lambda: len(homes(self.api, self.room)) == count, what="each is on a node", seconds=60)
            found = homes(self.api, self.room)
            self.api.delete(deployments)
        return found


@pytest.fixture
def rollout(control_plane: ControlPlane, chart: Chart, namespace: str) -> Rollout:
    return Rollout(control_plane.api, chart, namespace)


@pytest.mark.parametrize(
    ("zones", "wanted"),
    [
        pytest.param({"large": None, "small": None}, ["large", "small"], id="two nodes of no zone, as in kind"),
        pytest.param({"large": "a", "small": "a"}, ["large", "small"], id="two nodes of one zone"),
        pytest.param({"large": "a", "small": "a", "far": "b"}, ["far", "large"], id="another zone before another node"),
        pytest.param({"large": "a", "small": "a", "far": "b"}, ["far", "large", "small"], id="a third replica"),
        pytest.param({"large": "a", "small": None}, ["large", "small"], id="one node of no zone"),
        pytest.param({"large": None}, ["large", "large"], id="one node has all: better there than nowhere"),
    ],
)  # fmt: skip
def test_replicas_are_spread_but_not_at_any_price(
    rollout: Rollout, zones: Mapping[str, str | None], wanted: list[str]
) -> None:
    assert rollout.scheduled(len(wanted), zones) == wanted


def test_what_the_user_says_of_spread_counts_instead(rollout: Rollout) -> None:
    """And shows that the scheduler prefers the large node where nothing speaks against it."""
    nowhere = {"maxSkew": 1, "topologyKey": ROOM, "whenUnsatisfiable": "ScheduleAnyway"}
    own: Values = {
        "topologySpreadConstraints": [{**nowhere, "labelSelector": {"matchLabels": {"no": "pod"}}}],
        "affinity": {"podAntiAffinity": {}},
    }
    assert rollout.scheduled(2, {"large": "a", "far": "b"}, own) == ["large", "large"]
