"""A namespace on a cluster with real nodes, and the pods that a test runs in it."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.waiting import eventually
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import create_namespace, has_account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tools.realnode.cluster import RealCluster

BUSYBOX = "busybox:1.37"
_NUMBERS = itertools.count(1)
_OVER = ("Succeeded", "Failed")


def pod(name: str, *command: str, image: str = BUSYBOX, node: str | None = None, **spec: Any) -> dict[str, Any]:
    """A pod of one container, on that node if one is named. What of `spec` is `container` goes into the container."""
    container = {"name": "main", "image": image, "imagePullPolicy": "Never", **spec.pop("container", {})}
    if command:
        container["command"] = list(command)
    chosen = {"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            **chosen,
            **spec,
        },
    }


@dataclass(frozen=True, slots=True)
class Room:
    """One namespace."""

    cluster: RealCluster
    namespace: str

    @classmethod
    @contextmanager
    def lend(cls, cluster: RealCluster, purpose: str) -> Iterator[Room]:
        """A new namespace; it is deleted at the end, without waiting until all in it has gone."""
        room = cls(cluster, f"room-{next(_NUMBERS)}")
        create_namespace(cluster.control_plane, room.namespace)
        eventually(lambda: has_account(cluster.control_plane, room.namespace), what=f"{purpose}: pods may be created")
        try:
            yield room
        finally:
            room.remove()

    def remove(self) -> None:
        """Delete the namespace, unless that was done; returns before all in it has gone."""
        try:
            self.cluster.control_plane.api.delete(f"/api/v1/namespaces/{self.namespace}")
        except ApiError as refusal:
            if refusal.status != 404:
                raise

    def create(self, body: Mapping[str, Any], group: str = "api/v1") -> dict[str, Any]:
        """Create an object of a group's version in this namespace."""
        kinds = f"{body['kind'].lower()}s"
        return self.cluster.control_plane.api.post(f"/{group}/namespaces/{self.namespace}/{kinds}", body)

    def get(self, kinds: str, name: str, group: str = "api/v1") -> dict[str, Any] | None:
        """Return an object; None where there is none."""
        try:
            return self.cluster.control_plane.api.get(f"/{group}/namespaces/{self.namespace}/{kinds}/{name}")
        except ApiError as refusal:
            if refusal.status == 404:
                return None
            raise

    def run(self, body: Mapping[str, Any], *, seconds: float = 60) -> dict[str, Any]:
        """Create a pod and wait until it is over; return it as it then is."""
        name = self.create(body)["metadata"]["name"]
        eventually(lambda: self.phase(name) in _OVER, what=f"pod {name} is over", seconds=seconds)
        return self.get("pods", name) or {}

    def begin(self, body: Mapping[str, Any], *, seconds: float = 60) -> dict[str, Any]:
        """Create a pod and wait until it is ready; return it as it then is."""
        name = self.create(body)["metadata"]["name"]
        eventually(lambda: self.ready(name), what=f"pod {name} is ready", seconds=seconds)
        return self.get("pods", name) or {}

    def phase(self, name: str) -> str:
        """Return the phase of a pod; nothing where there is none."""
        found = self.get("pods", name)
        return "" if found is None else str(found["status"].get("phase", ""))

    def ready(self, name: str) -> bool:
        """Whether a pod is ready."""
        return is_ready(self.get("pods", name) or {})

    def logs(self, name: str) -> str:
        """Return what a pod has written, as `kubectl logs` shows it."""
        return self.kubectl("logs", name)

    def execute(self, name: str, *command: str) -> str:
        """Run a command in a running pod, as `kubectl exec` does."""
        return self.kubectl("exec", name, "--", *command)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in this namespace."""
        return self.cluster.control_plane.kubectl("--namespace", self.namespace, *arguments, stdin=stdin)

    def expose(self, name: str, ports: Sequence[int]) -> None:
        """Make a Service of that name for the pods with the label `app` of that name."""
        listed = [{"name": f"port-{port}", "port": port} for port in ports]
        spec = {"selector": {"app": name}, "ports": listed}
        self.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})


def is_ready(body: Mapping[str, Any]) -> bool:
    """Whether a pod, or a node, says that it is ready."""
    conditions = body.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def exit_code(body: Mapping[str, Any]) -> int:
    """Return how the one container of a pod that is over has ended."""
    return int(body["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"])
