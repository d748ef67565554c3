"""The command lines of a control plane's daemons, from the options and the files of one control plane."""

from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.pki import Pair


@dataclass(frozen=True, slots=True)
class Options:
    """What a control plane can be asked to be. Flags are added last, so they win.

    `client_qps` None leaves the controller manager its defaults (20 requests a second, bursts of 30).
    """

    nodes: int = 4
    fsync: bool = True
    controllers: str = "*"
    client_qps: int | None = 500
    apiserver_flags: tuple[str, ...] = ()
    controller_manager_flags: tuple[str, ...] = ()
    scheduler_flags: tuple[str, ...] = ()
    pods: bool = True
    """Whether kwok plays the pods; otherwise it keeps the nodes alive and somebody else plays them."""
    kwok: bool = True
    """Whether there are simulated nodes at all; otherwise `nodes` must be 0, and real ones register themselves."""
    address: str = "127.0.0.1"
    """Where the API server listens. Beyond loopback, pods reach it as the Service `kubernetes`."""


@dataclass(frozen=True, slots=True)
class Files:
    """The keys and folders that the command lines name."""

    folder: Path
    authority: Pair
    server: Pair
    etcd: Pair
    front_authority: Pair
    front: Pair
    tokens: Pair
    kubelet_client: Pair
    """By which the API server shows itself to kubelets."""

    def kubeconfig(self, user: str) -> Path:
        """Return where the kubeconfig of that user stands."""
        return self.folder / f"{user}.kubeconfig"


def etcd(program: Path, files: Files, ports: tuple[int, int], *, fsync: bool) -> list[str]:
    """Return a single member, TLS both ways: neither side can take a stranger for the other."""
    client, peer = (f"https://127.0.0.1:{port}" for port in ports)
    tls = [f"cert-file={files.etcd.certificate}", f"key-file={files.etcd.key}"]
    return [
        str(program),
        "--name=dev",
        f"--data-dir={files.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=dev={peer}",
        *(f"--{flag}" for flag in tls),
        *(f"--peer-{flag}" for flag in tls),
        "--client-cert-auth",
        "--peer-client-cert-auth",
        f"--trusted-ca-file={files.authority.certificate}",
        f"--peer-trusted-ca-file={files.authority.certificate}",
        "--log-level=warn",
        *([] if fsync else ["--unsafe-no-fsync"]),
    ]


def apiserver(program: Path, files: Files, port: int, *, etcd_port: int, options: Options) -> list[str]:
    """Return a server with TLS, RBAC and tokens for ServiceAccounts, on one address only."""
    # a loopback address may not be an endpoint, and nobody needs one where nothing runs on the nodes
    endpoints = "none" if options.address.startswith("127.") else "lease"
    return [
        str(program),
        f"--etcd-servers=https://127.0.0.1:{etcd_port}",
        f"--etcd-cafile={files.authority.certificate}",
        f"--etcd-certfile={files.etcd.certificate}",
        f"--etcd-keyfile={files.etcd.key}",
        f"--bind-address={options.address}",
        f"--advertise-address={options.address}",
        f"--endpoint-reconciler-type={endpoints}",
        f"--secure-port={port}",
        f"--tls-cert-file={files.server.certificate}",
        f"--tls-private-key-file={files.server.key}",
        f"--client-ca-file={files.authority.certificate}",
        # without this pair the controllers log errors and start seconds later
        f"--requestheader-client-ca-file={files.front_authority.certificate}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={files.front.certificate}",
        f"--proxy-client-key-file={files.front.key}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={files.tokens.certificate}",
        f"--service-account-signing-key-file={files.tokens.key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--kubelet-certificate-authority={files.authority.certificate}",
        f"--kubelet-client-certificate={files.kubelet_client.certificate}",
        f"--kubelet-client-key={files.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        # kubelets may do to their own node, and to the pods on it, what others may not
        *(["--authorization-mode=RBAC"] if options.kwok else _KUBELETS),
        "--allow-privileged=true",
        *options.apiserver_flags,
    ]


def controller_manager(program: Path, files: Files, options: Options) -> list[str]:
    """Return all controllers unless told otherwise; each with its own ServiceAccount, as in a real cluster."""
    qps = options.client_qps
    # with the default of 20 a second the controllers themselves start 4 s late: one request each
    limits = [] if qps is None else [f"--kube-api-qps={qps}", f"--kube-api-burst={2 * qps}"]
    return [
        str(program),
        *_client_flags(files, "controller-manager"),
        f"--controllers={options.controllers}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={files.tokens.key}",
        f"--root-ca-file={files.authority.certificate}",
        *limits,
        *options.controller_manager_flags,
    ]


def scheduler(program: Path, files: Files, options: Options) -> list[str]:
    """Return the scheduler, without waiting for a leader election."""
    return [str(program), *_client_flags(files, "scheduler"), *options.scheduler_flags]


_KUBELETS = ("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction")


def _client_flags(files: Files, user: str) -> list[str]:
    config = files.kubeconfig(user)
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--leader-elect=false",
        "--secure-port=0",  # nobody asks them anything: no port to clash with
    ]


def kwok(program: Path, files: Files, stages: Path) -> list[str]:
    """Return the simulation of nodes: all nodes are its own, alive by their Leases."""
    return [
        str(program),
        f"--kubeconfig={files.kubeconfig('kwok')}",
        f"--config={stages}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
    ]
