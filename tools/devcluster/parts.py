"""The programs of a control plane and of a node, as data: what they are, which version, how each is built from source.

They are ordinary Go modules. Kubernetes and etcd replace modules of their own tree, so `go install …@version` refuses
them: they need a go.mod of one's own. Two have a main file of ours: CoreDNS, which so is left with the plugins that a
cluster needs, and the program that keeps a pod's namespaces open.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = "1.36.3"
ETCD = "3.6.8"
KWOK = "0.8.0"
HELM = "3.22.0"
PROMETHEUS = "0.316.0"
"""Of promtool and of the server, as a Go module; its users know it as 3.16.0."""
CONTAINERD = "2.4.2"
CNI_PLUGINS = "1.9.1"
COREDNS = "1.15.0"
PAUSE = "1"
KIND = "0.33.0"
GOPHER_LUA = "1.1.2"
KSTATUS = "0.37.2"

_SOURCES = Path(__file__).with_name("gosource")


@dataclass(frozen=True, slots=True)
class Part:
    """One program. `seconds` is about what its cold build takes on two cores, the ones before it being built."""

    program: str
    version: str
    module: str
    """Empty where it is made of nothing but our own main file."""
    package: str
    seconds: int
    ldflags: str = "-s -w"
    trimpath: bool = True
    tags: str = ""
    source: Path | None = None
    """Our own main file, where there is one; `package` is then `.`."""

    @property
    def key(self) -> str:
        """The name of its folder in the cache: another version, or another main file, is another program."""
        own = "" if self.source is None else f"-{hashlib.sha256(self.source.read_bytes()).hexdigest()[:8]}"
        return f"{self.program}-{self.version}{own}"

    @property
    def staging(self) -> bool:
        """Whether its module replaces modules of its own tree, which are published beside it as v0.x."""
        return self.module == "k8s.io/kubernetes"


def _kubernetes(program: str, seconds: int) -> Part:
    major, minor = KUBERNETES.split(".", maxsplit=1)
    stamps = {
        "k8s.io/component-base/version.gitVersion": f"v{KUBERNETES}",
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": f"v{KUBERNETES}",
    }
    return Part(
        program=program,
        version=KUBERNETES,
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{program}",
        seconds=seconds,
        ldflags=" ".join(["-s -w", *(f"-X {name}={value}" for name, value in stamps.items())]),
    )


PARTS: dict[str, Part] = {
    part.program: part
    for part in (
        _kubernetes("kube-apiserver", 250),
        _kubernetes("kube-controller-manager", 85),
        _kubernetes("kube-scheduler", 10),
        Part("etcd", ETCD, "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", seconds=25),
        Part("kwok", KWOK, "sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok", seconds=105, trimpath=False),
        _kubernetes("kubectl", 75),
        Part("etcdutl", ETCD, "go.etcd.io/etcd/etcdutl/v3", "go.etcd.io/etcd/etcdutl/v3", seconds=25),
    )
}

# `etcdutl` is no part of it: only what sets an etcd back asks for it
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok", "kubectl")


def _helm() -> Part:
    major, minor, _ = KUBERNETES.split(".")
    packages = ("chartutil", "lint/rules")  # what `helm template` and `helm lint` take for the cluster's version
    stamps = [f"-X helm.sh/helm/v3/internal/version.version=v{HELM}"]
    for package in packages:
        place = f"helm.sh/helm/v3/pkg/{package}"
        stamps += [f"-X {place}.k8sVersionMajor={major}", f"-X {place}.k8sVersionMinor={minor}"]
    ldflags = " ".join(["-s -w", *stamps])
    return Part("helm", HELM, "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm", seconds=230, ldflags=ldflags)


def _prometheus(program: str, seconds: int) -> Part:
    """Without the clouds in which it could look for what to read: their libraries take more than half of the build."""
    module = "github.com/prometheus/prometheus"
    ldflags = f"-s -w -X github.com/prometheus/common/version.Version={PROMETHEUS}"
    tags = "remove_all_sd enable_kubernetes_sd"
    return Part(program, PROMETHEUS, module, f"{module}/cmd/{program}", seconds, ldflags=ldflags, tags=tags)


CHART_PARTS = (
    _helm(),
    _prometheus("promtool", 120),
    _prometheus("prometheus", 30),  # without its web pages, which are no Go
)
PARTS |= {part.program: part for part in CHART_PARTS}

# what renders the chart, judges its alerts, and raises them
CHART = tuple(part.program for part in CHART_PARTS)


def _containerd(program: str, seconds: int) -> Part:
    module = "github.com/containerd/containerd/v2"
    return Part(
        program=program,
        version=CONTAINERD,
        module=module,
        package=f"{module}/cmd/{program}",
        seconds=seconds,
        ldflags=f"-s -w -X {module}/version.Version=v{CONTAINERD}",
        tags="no_btrfs no_devmapper no_zfs netgo osusergo",
    )


def _cni(kind: str, program: str, seconds: int) -> Part:
    module = "github.com/containernetworking/plugins"
    return Part(program, CNI_PLUGINS, module, f"{module}/plugins/{kind}/{program}", seconds)


NODE_PARTS = (
    _kubernetes("kubelet", 60),
    _kubernetes("kube-proxy", 15),
    _containerd("containerd", 150),
    _containerd("containerd-shim-runc-v2", 15),
    _containerd("ctr", 10),
    _cni("main", "loopback", 10),
    _cni("main", "ptp", 5),
    _cni("ipam", "host-local", 5),
    Part("coredns", COREDNS, "github.com/coredns/coredns", ".", seconds=140, source=_SOURCES / "coredns.go"),
    Part("pause", PAUSE, "", ".", seconds=5, source=_SOURCES / "pause.go"),
)
PARTS |= {part.program: part for part in NODE_PARTS}

# what a node needs beside a control plane; runc and nft come from Debian's packages
NODE = tuple(part.program for part in NODE_PARTS)

# what judges things of ours in tests as others will: kind its configuration; the Lua of Argo CD, which is this one, its
# health check; kstatus, by which Flux and Helm wait, a status
JUDGE_PARTS = (
    Part("kind", KIND, "sigs.k8s.io/kind", "sigs.k8s.io/kind", seconds=45),
    Part("glua", GOPHER_LUA, "github.com/yuin/gopher-lua", "github.com/yuin/gopher-lua/cmd/glua", seconds=10),
    Part("kstatus", KSTATUS, "sigs.k8s.io/cli-utils", ".", seconds=60, source=_SOURCES / "kstatus.go"),
)
PARTS |= {part.program: part for part in JUDGE_PARTS}

# what a test asks for by a fixture of its name
JUDGES = tuple(part.program for part in JUDGE_PARTS)

SETS = {"control-plane": CONTROL_PLANE, "chart": CHART, "judges": JUDGES, "node": NODE}
"""What is built together, by a name."""
