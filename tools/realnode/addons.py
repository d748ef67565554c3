"""What is applied to a cluster before anybody uses it: names, and volumes on the disks of the nodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.parts import COREDNS
from tools.realnode.addresses import DNS
from tools.realnode.node import Node

STORAGE_CLASS = "static"
_MANIFEST = Path(__file__).with_name("addons.yaml")
_DNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
_VOLUMES_OF_A_NODE = 4
_SIZE = "2Gi"


def install(cluster: ControlPlane, nodes: Sequence[Node]) -> None:
    """Apply all of it; returns before names are resolved."""
    text = _MANIFEST.read_text().replace("COREDNS_TAG", f"v{COREDNS}").replace("DNS_ADDRESS", DNS)
    cluster.kubectl("apply", "-f", "-", stdin=text)
    for node in nodes:
        for number in range(1, _VOLUMES_OF_A_NODE + 1):
            cluster.api.post("/api/v1/persistentvolumes", _volume(node, number))


def names_are_resolved(cluster: ControlPlane) -> bool:
    """Whether every instance of the name service is ready."""
    try:
        found = cluster.api.get(_DNS)
    except ApiError:
        return False
    return bool(found["status"].get("readyReplicas", 0) >= found["spec"]["replicas"])


def _volume(node: Node, number: int) -> dict[str, Any]:
    """Make a folder on the disk of a node; return the volume that it is. Whoever runs a pod with it may write there."""
    place = node.folder / "volumes" / str(number)
    place.mkdir(parents=True)
    place.chmod(0o777)
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{node.name}-{number}"},
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "capacity": {"storage": _SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(place), "type": "Directory"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
