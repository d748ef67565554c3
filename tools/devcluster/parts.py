"""The programs of a control plane, as data: what they are, which version, and how each is built from source.

They are ordinary Go modules. Kubernetes and etcd replace modules of their own tree, so `go install …@version` refuses
them: they need a go.mod of one's own.
"""

from dataclasses import dataclass

KUBERNETES = "1.36.3"
ETCD = "3.6.8"
KWOK = "0.8.0"


@dataclass(frozen=True, slots=True)
class Part:
    """One program. `seconds` is about what its cold build takes on two cores, the ones before it being built."""

    program: str
    version: str
    module: str
    package: str
    seconds: int
    ldflags: str = "-s -w"
    trimpath: bool = True

    @property
    def key(self) -> str:
        """The name of its folder in the cache."""
        return f"{self.program}-{self.version}"

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
