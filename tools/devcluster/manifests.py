"""What a user applies before the first replica: the CRD, the namespace and the rights of the replicas."""

from pathlib import Path

from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.kubeapi import ApiError

ROOT = Path(__file__).parents[2]
CRD_FILE = ROOT / "crds" / "scheduledjobs.yaml"
EXAMPLES = ROOT / "examples"
RBAC_FILE = ROOT / "deploy" / "rbac.yaml"
HOME = "ticklock-system"
ACCOUNT = "ticklock"

_GROUP = "apis/ticklock.dev/v1"
_CONFLICT = 409


def collection(namespace: str | None = None) -> str:
    """Return the path of the ScheduledJobs of a namespace, or of all."""
    return f"/{_GROUP}/namespaces/{namespace}/scheduledjobs" if namespace else f"/{_GROUP}/scheduledjobs"


def install_crd(cluster: ControlPlane) -> None:
    """Apply the CRD as a user does, and wait until ScheduledJobs are served and described. May be repeated."""
    cluster.kubectl("apply", "-f", str(CRD_FILE))
    cluster.wait(lambda: _served(cluster), "ScheduledJobs are served, and published to kubectl")


def _served(cluster: ControlPlane) -> bool:
    try:
        cluster.api.get(f"{collection()}?limit=1")
        return _GROUP in cluster.api.get("/openapi/v3")["paths"]
    except ApiError:
        return False


def install_rights(cluster: ControlPlane) -> None:
    """Apply the manifest of the replicas' ServiceAccount and rules, in its namespace. May be repeated."""
    create_namespace(cluster, HOME)
    cluster.kubectl("apply", "-f", str(RBAC_FILE))


def create_namespace(cluster: ControlPlane, name: str) -> None:
    """Create a namespace unless it is there."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        cluster.api.post("/api/v1/namespaces", manifest)
    except ApiError as refusal:
        if refusal.status != _CONFLICT:
            raise


def has_account(cluster: ControlPlane, namespace: str) -> bool:
    """Whether the namespace has its ServiceAccount: before, its pods are refused."""
    try:
        cluster.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
    except ApiError:
        return False
    return True
