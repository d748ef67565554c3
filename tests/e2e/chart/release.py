"""A release of the chart on the real nodes, as an administrator handles it: by Helm and kubectl."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.chart import FOLDER, HOME, RELEASE, Chart, Object, Values
from tests.support.pods import is_ready
from tests.support.rows import Rows
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tools.realnode.cluster import RealCluster

LOCAL: Values = {
    "image": {"repository": "ticklock"},
    "postgresql": {"persistence": {"size": "1Gi", "storageClassName": "static"}},
}
"""The images that the nodes have, and a volume that they have; everything else is the chart's default."""
SECONDS = 180
_CONTROLLERS = "app.kubernetes.io/component=controller"


@dataclass(frozen=True, slots=True)
class Release:
    """One release, there or not."""

    cluster: RealCluster
    chart: Chart
    namespace: str = HOME
    name: str = RELEASE
    kubeconfig: Path | None = None
    """Of the user who handles it; an administrator's, unless given."""

    # ------------------------------------------------------------------------------------------------------- acting

    def helm(self, *arguments: str, values: Values | None = None) -> str:
        """Run Helm in its namespace. Raises RefusedError."""
        given = () if values is None else ("--values", "-")
        kubeconfig = self.kubeconfig or self.cluster.control_plane.kubeconfig
        return self.chart.run(*arguments, "--namespace", self.namespace, *given, values=values, kubeconfig=kubeconfig)

    def install(self, *arguments: str, values: Values = LOCAL) -> str:
        """Install it and wait until all of it is ready; return what Helm prints."""
        return self.helm(
            "install", self.name, str(FOLDER), "--wait", f"--timeout={SECONDS}s", *arguments, values=values
        )

    def upgrade(self, *arguments: str, source: Path = FOLDER, values: Values = LOCAL) -> None:
        """Upgrade it and wait until nothing of the former is left."""
        self.helm("upgrade", self.name, str(source), "--wait", f"--timeout={SECONDS}s", *arguments, values=values)
        self.wait_settled()

    def rollback(self, revision: int) -> None:
        """Go back to a revision and wait until nothing of the latest is left."""
        self.helm("rollback", self.name, str(revision), "--wait", f"--timeout={SECONDS}s")
        self.wait_settled()

    def revision(self) -> int:
        """Return the number of its latest revision."""
        found = self.kubectl("get", "secrets", f"--selector=owner=helm,name={self.name}", "--output=name").split()
        return max(int(one.rpartition(".v")[2]) for one in found)

    def uninstall(self) -> None:
        """Remove it, by way of its hook."""
        self.helm("uninstall", self.name, "--wait", f"--timeout={SECONDS}s")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in its namespace, as an administrator."""
        return self.cluster.control_plane.kubectl("--namespace", self.namespace, *arguments, stdin=stdin)

    # ------------------------------------------------------------------------------------------------------ looking

    def pods(self, selector: str = _CONTROLLERS) -> list[Object]:
        """Return its pods, those of the replicas unless others are asked for; not those on their way out."""
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}"
        found = self.cluster.control_plane.api.get(path)["items"]
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def homes(self) -> dict[str, str]:
        """Return on which node each ready replica is, by the name of its pod."""
        return {one["metadata"]["name"]: one["spec"]["nodeName"] for one in self.pods() if is_ready(one)}

    def leader(self) -> str:
        """Return the pod that holds the Lease; nothing where none does."""
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{self.name}"
        holder = self.cluster.control_plane.api.get(lease)["spec"].get("holderIdentity") or ""
        return str(holder.rpartition("_")[0])

    def leads_from(self) -> str | None:
        """Return the node of the leader, if it is ready."""
        return self.homes().get(self.leader())

    def database(self) -> Object:
        """Return the pod of its PostgreSQL."""
        return self.cluster.control_plane.api.get(f"/api/v1/namespaces/{self.namespace}/pods/{self.name}-postgresql-0")

    @property
    def rows(self) -> Rows:
        """The ledger, asked at the address that PostgreSQL has now."""
        secret = self.cluster.control_plane.api.get(
            f"/api/v1/namespaces/{self.namespace}/secrets/{self.name}-postgresql"
        )
        password = base64.b64decode(secret["data"]["password"]).decode()
        return Rows(f"postgresql://ticklock:{password}@{self.database()['status']['podIP']}:5432/ticklock")

    # ------------------------------------------------------------------------------------------------------ waiting

    def wait_settled(self, *, seconds: float = SECONDS) -> None:
        """Wait until there are the replicas that are wanted, no other ones, and one of them leads."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}"

        def settled() -> bool:
            deployment = self.cluster.control_plane.api.get(path)
            return _rolled_out(deployment) and len(self.homes()) == deployment["spec"]["replicas"]

        eventually(settled, what="the replicas are those that are wanted", seconds=seconds, interval=0.2)
        eventually(lambda: self.leader() in self.homes(), what="one of them leads", seconds=seconds, interval=0.2)

    def spread(self) -> None:
        """See to it that the replicas are on more than one node: one that does not lead moves."""
        while len(set(self.homes().values())) == 1:
            other = next(name for name in self.homes() if name != self.leader())
            self.kubectl("delete", "pod", other, "--wait=false")
            self.wait_settled()

    def lead_on(self, node: str) -> None:
        """See to it that the leader is on that node: one that leads elsewhere is deleted, and another takes over."""
        while self.leads_from() != node:
            former = self.leader()
            self.kubectl("delete", "pod", former, "--wait=false", "--ignore-not-found")
            eventually(partial(self._led_by_another, former), what="another leads", seconds=SECONDS)
            self.wait_settled()

    def _led_by_another(self, former: str) -> bool:
        return self.leader() != former


def _rolled_out(deployment: dict[str, Any]) -> bool:
    wanted, status = deployment["spec"]["replicas"], deployment.get("status", {})
    return bool(
        status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas") == wanted
        and status.get("replicas") == wanted
        and status.get("readyReplicas") == wanted
    )
