"""Our own Kubernetes client on a control plane of the tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ticklock.kube.client import K8sApi
from ticklock.kube.config import connect
from tools.devcluster.controlplane import ControlPlane


@asynccontextmanager
async def client(
    control_plane: ControlPlane, *, service_account: tuple[str, str] | None = None
) -> AsyncIterator[K8sApi]:
    """The client as an administrator, or as a ServiceAccount (namespace, name)."""
    kubeconfig = control_plane.kubeconfig
    if service_account is not None:
        kubeconfig = control_plane.service_account_kubeconfig(*service_account)
    async with K8sApi(connect(str(kubeconfig))) as api:
        yield api
