"""The configuration of a node's daemons, as files in the node's folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.parts import PAUSE
from tools.devcluster.pki import Pair
from tools.realnode.addresses import DNS, PODS, node_address, pod_network
from tools.realnode.programs import Programs

KUBELET = "/var/lib/kubelet"
CONTAINERD = "/var/lib/containerd"
"""The disks of these, where their daemons see them: the names of their sockets may not be long."""
SOCKET = "/run/containerd/containerd.sock"
_MTU = 1400


@dataclass(frozen=True, slots=True)
class Identity:
    """How a node shows itself, and whom it trusts."""

    name: str
    number: int
    pair: Pair
    kubeconfig: Path
    proxy_kubeconfig: Path
    authority: Path


def write_all(folder: Path, identity: Identity, programs: Programs, *, control_group: str) -> None:
    """Write every file that the daemons of a node are started with."""
    for name in ("containerd", "kubelet", "log/pods", "cni", "opt", "plugins"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "resolv.conf").touch()  # nothing is looked up outside the cluster
    (folder / "cni/10-pods.conflist").write_text(json.dumps(_pod_network(identity.number)))
    (folder / "containerd.toml").write_text(_containerd(folder, programs))
    (folder / "kubelet.json").write_text(json.dumps(_kubelet(folder, identity, control_group)))
    (folder / "kube-proxy.json").write_text(json.dumps(_proxy(identity)))


def _pod_network(number: int) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni",  # which address is given to whom is forgotten with the node's processes
        "ranges": [[{"subnet": pod_network(number)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "mtu": _MTU, "ipam": addresses}]}


def _containerd(folder: Path, programs: Programs) -> str:
    # Format 2 is read by every containerd that a kubelet accepts. Root need not have CAP_SYS_RESOURCE, without which no
    # process can be shielded from the end of memory, and the start of a pod that asks for it fails.
    return f"""version = 2
root = "{CONTAINERD}"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "registry.k8s.io/pause:{PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{programs.runc}"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{programs.plugins}"
    conf_dir = "{folder}/cni"
"""


def _kubelet(folder: Path, identity: Identity, control_group: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node_address(identity.number),
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": control_group,  # two kubelets with one root would end each other's pods
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "podLogsDir": str(folder / "log/pods"),
        "volumePluginDir": str(folder / "plugins"),
        "resolvConf": str(folder / "resolv.conf"),
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "tlsCertFile": str(identity.pair.certificate),
        "tlsPrivateKeyFile": str(identity.pair.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(identity.authority)},
        },
        "authorization": {"mode": "Webhook"},
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        # a node that is off is noticed within seconds, so that tests of it need not take minutes
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 8,
        # this machine's disk is everybody's: its filling up is not ours to handle
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }


def _proxy(identity: Identity) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": str(identity.proxy_kubeconfig)},
        "hostnameOverride": identity.name,
        "bindAddress": node_address(identity.number),
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # anything else would be written for the whole machine
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "200ms", "syncPeriod": "30s"},
    }
