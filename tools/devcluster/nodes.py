"""Simulated nodes: objects that kwok keeps alive."""

from tools.devcluster.kubeapi import KubeApi


def create_nodes(api: KubeApi, count: int) -> None:
    """Register nodes `node-0`, `node-1` …; kwok makes them ready."""
    for number in range(count):
        name = f"node-{number}"
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"}
        api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})


def schedulable_nodes(api: KubeApi) -> int:
    """Count the nodes that are ready and that nothing keeps pods away from."""
    nodes = api.get("/api/v1/nodes")["items"]
    return sum(
        not node["spec"].get("taints")
        and any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
        for node in nodes
    )


def free_nodes(api: KubeApi) -> None:
    """Take the nodes from a kwok that was killed: the next one would wait until the Leases of the first run out."""
    api.delete("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
