"""A real Kubernetes control plane of our own: etcd, API server, controllers, scheduler, and mostly nodes by kwok.

Promise: `start` returns when Jobs can run; it is TLS and RBAC throughout, and whoever answers is ours, for its
certificate is signed by a CA made a moment ago. Each control plane has its own ports and folder; nothing of it remains
when the process that started it is gone, however it went.
Not promised: simulated nodes run nothing. Pods succeed at once; stages.yaml says which annotations change that.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tools.devcluster import commands
from tools.devcluster.binaries import resolve
from tools.devcluster.commands import Files, Options
from tools.devcluster.etcdstate import EtcdState
from tools.devcluster.kubeapi import ApiError, Credentials, KubeApi
from tools.devcluster.nodes import create_nodes, free_nodes, schedulable_nodes
from tools.devcluster.parts import CONTROL_PLANE
from tools.devcluster.pki import Authority, Pair, signing_pair
from tools.devcluster.process import Daemon, DaemonDied, free_port, wait_until
from tools.devcluster.progress import Progress
from tools.devcluster.scratch import Scratch
from tools.devcluster.whole import Whole

_STAGES = Path(__file__).with_name("stages.yaml")
_NO_PODS = Path(__file__).with_name("stages-nodes.yaml")
_ATTEMPTS = 5
_MASTERS = "system:masters"
# file name of its kubeconfig -> (user, group)
_USERS = {
    "admin": ("admin", _MASTERS),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
    "kwok": ("kwok", _MASTERS),
}


class ControlPlane(Whole):
    """One control plane. Use it as a context manager, or call `start` and `close`.

    The daemons are open to those who break things on purpose: `etcd`, `apiserver`, `controller_manager`, `scheduler`
    and `kwok` can each be paused, resumed, stopped, killed and started again; they keep their ports and data.
    """

    etcd: Daemon
    etcd_state: EtcdState
    apiserver: Daemon
    controller_manager: Daemon
    scheduler: Daemon
    kwok: Daemon
    server: str

    def __init__(self, options: Options | None = None, *, progress: Progress | None = None) -> None:
        self.options = options or Options()
        needed = [program for program in CONTROL_PLANE if program != "kwok" or self.options.kwok]
        self._programs = resolve(needed, progress=progress)
        self._scratch: Scratch | None = None
        self._api: KubeApi | None = None
        self._daemons: list[Daemon] = []
        self._second: Daemon | None = None

    # ------------------------------------------------------------------------------------------------ life

    def start(self, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Bring it up, once. Raises DaemonDied or TimeoutError with the end of the logs.

        `meanwhile` is called when the API server answers, while the controllers and nodes still come up.
        """
        self._scratch = Scratch("controlplane")
        self._make_keys(self._scratch.path)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start_server()
                break
            except DaemonDied as died:
                if not died.address_in_use or attempt == _ATTEMPTS:
                    raise
        self._start_clients()
        create_nodes(self.api, self.options.nodes)
        meanwhile()
        if "*" in self.options.controllers:
            self.wait(self._jobs_can_run, "nodes are ready and pods may be created")

    def close(self) -> None:
        """End everything and remove its data. May be repeated."""
        for daemon in reversed([*self._daemons, *([self._second] if self._second else [])]):
            daemon.kill()
        self._daemons.clear()
        if self._api is not None:
            self._api.close()
            self.etcd_state.close()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    # ------------------------------------------------------------------------------------------------ for breaking

    def restart_apiserver(self) -> None:
        """Stop the API server politely, start it again on its port, and wait until it is ready."""
        self.apiserver.stop(seconds=5)
        self.start_apiserver()

    @contextmanager
    def rival(self) -> Iterator[Daemon]:
        """Run a second job controller beside the first; neither waits for a Lease, so both believe to lead."""
        options = replace(self.options, controllers="job-controller")
        command = commands.controller_manager(self._programs["kube-controller-manager"], self._files, options)
        daemon = self._launch("rival-controller-manager", command)
        try:
            yield daemon
        finally:
            daemon.kill()
            self._daemons.remove(daemon)  # one that was ended on purpose has not died

    def kill_apiserver(self) -> None:
        """SIGKILL to the API server; `start_apiserver` brings it back."""
        self.apiserver.kill()

    def start_apiserver(self) -> None:
        """Start the API server where it does not run, and wait until it is ready."""
        self.apiserver.start()
        server = [self.etcd, self.apiserver]  # the others may be dead on purpose
        wait_until(self._server_ready, what="the API server is ready again", daemons=server, seconds=60)

    def set_back(self, snapshot: Path, *, bump_revision: bool) -> None:
        """Restore etcd from a snapshot as an administrator does: with everything stopped, and started again after it.

        What was written since the snapshot is lost, and what was deleted since is back.
        """
        clients = (self.controller_manager, self.scheduler, *([self.kwok] if self.options.kwok else []))
        for daemon in (*clients, self.apiserver, self.etcd):
            daemon.kill()
        self.etcd_state.set_back(snapshot, bump_revision=bump_revision)
        self.etcd.start()
        self.start_apiserver()
        free_nodes(self.api)
        for daemon in clients:
            daemon.start()

    def second_controller_manager(self) -> Daemon:
        """Start a controller manager beside the one that runs, as if each took itself for the leader."""
        first = self.controller_manager
        if self._second is None:
            self._second = Daemon("second controller manager", first.argv, log=self.folder / "second-manager.log")
        self._second.start()
        return self._second

    # ------------------------------------------------------------------------------------------------ for using

    @property
    def folder(self) -> Path:
        """Its folder for keys, data, logs and kubeconfigs: gone after `close`."""
        if self._scratch is None:
            raise RuntimeError("this control plane was not started")
        return self._scratch.path

    @property
    def api(self) -> KubeApi:
        """Requests as an administrator."""
        if self._api is None:
            raise RuntimeError("this control plane was not started")
        return self._api

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator."""
        return self._files.kubeconfig("admin")

    @property
    def authority(self) -> Path:
        """The CA certificate that the API server's certificate is signed by."""
        return self._files.authority.certificate

    @property
    def uid(self) -> str:
        """The identity of the cluster: the UID of kube-system."""
        return str(self.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as an administrator; return what it prints. Raises RuntimeError with what it complains about."""
        done = subprocess.run(
            [self._programs["kubectl"], f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KUBECACHEDIR": str(self.folder / "kubectl-cache")},
        )
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def service_account_credentials(self, namespace: str, name: str, *, seconds: int = 7200) -> Credentials:
        """Ask for a token of an existing ServiceAccount, good for so many seconds (at least 600)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        token = self.api.post(path, request)["status"]["token"]
        return Credentials(self.server, self.authority, token=token)

    def service_account_kubeconfig(self, namespace: str, name: str, *, seconds: int = 7200) -> Path:
        """Write a kubeconfig with such a token; return its path."""
        path = self._files.kubeconfig(f"{namespace}-{name}")
        path.touch(mode=0o600)
        path.write_text(self.service_account_credentials(namespace, name, seconds=seconds).kubeconfig())
        return path

    def enrol(self, name: str, user: str, group: str | None = None, *, address: str | None = None) -> tuple[Pair, Path]:
        """Issue a certificate to a user, good for a server at that address too; return it and its kubeconfig."""
        pair = self._issuer.issue(name, user, group, addresses=[address] if address else [])
        return pair, self._write_kubeconfig(name, pair)

    # ------------------------------------------------------------------------------------------------ inside

    def wait(self, ready: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
        """Wait until it is so; an error as soon as one of the daemons has died."""
        wait_until(ready, what=what, daemons=self._daemons, seconds=seconds)

    def _make_keys(self, folder: Path) -> None:
        keys = folder / "pki"
        ours, front = Authority(keys, "ca"), Authority(keys, "front-ca")
        self._issuer = ours
        self._files = Files(
            folder=folder,
            authority=ours.pair,
            server=ours.issue("apiserver", "kube-apiserver", addresses=[self.options.address]),
            etcd=ours.issue("etcd", "etcd"),
            front_authority=front.pair,
            front=front.issue("front", "front-proxy-client"),
            tokens=signing_pair(keys, "tokens"),
            kubelet_client=ours.issue("kubelet-client", "kube-apiserver-kubelet-client", _MASTERS),
        )
        self._clients = {name: ours.issue(name, user, group) for name, (user, group) in _USERS.items()}

    def _start_server(self) -> None:
        """Start etcd and the API server on new ports. Raises DaemonDied, with neither of them left."""
        port, etcd_port, peer_port = free_port(), free_port(), free_port()
        self.server = f"https://{self.options.address}:{port}"
        self._api = KubeApi(Credentials(self.server, self.authority, self._clients["admin"]))
        etcd = commands.etcd(self._programs["etcd"], self._files, (etcd_port, peer_port), fsync=self.options.fsync)
        apiserver = commands.apiserver(
            self._programs["kube-apiserver"], self._files, port, etcd_port=etcd_port, options=self.options
        )
        try:
            self.etcd = self._launch("etcd", etcd)
            self.etcd_state = self._state_of_etcd(etcd_port, peer_port)
            self.apiserver = self._launch("kube-apiserver", apiserver)
            self.wait(self._server_ready, "the API server is ready")
        except DaemonDied:
            for daemon in self._daemons:
                daemon.kill()
                daemon.log.unlink(missing_ok=True)
            self._daemons.clear()
            raise

    def _state_of_etcd(self, port: int, peer_port: int) -> EtcdState:
        client, peer = f"https://127.0.0.1:{port}", f"https://127.0.0.1:{peer_port}"
        pair, authority = self._files.etcd, self.authority
        return EtcdState(self.folder / "etcd", client=client, peer=peer, pair=pair, authority=authority)

    def _start_clients(self) -> None:
        for name, pair in self._clients.items():
            self._write_kubeconfig(name, pair)
        programs, files = self._programs, self._files
        self.controller_manager = self._launch(
            "kube-controller-manager",
            commands.controller_manager(programs["kube-controller-manager"], files, self.options),
        )
        self.scheduler = self._launch(
            "kube-scheduler", commands.scheduler(programs["kube-scheduler"], files, self.options)
        )
        if self.options.kwok:
            self.kwok = self._launch("kwok", commands.kwok(programs["kwok"], files, self._stages()))

    def _write_kubeconfig(self, name: str, pair: Pair) -> Path:
        config = self._files.kubeconfig(name)
        config.touch(mode=0o600)
        config.write_text(Credentials(self.server, self.authority, pair).kubeconfig())
        return config

    def _stages(self) -> Path:
        """Return what kwok is to play: all of it, or the nodes alone."""
        if self.options.pods:
            return _STAGES
        nodes = [stage for stage in _STAGES.read_text().split("---\n") if "kind: Node}" in stage]
        path = self.folder / "stages.yaml"
        path.write_text("---\n".join([*nodes, _NO_PODS.read_text()]))
        return path

    def _launch(self, name: str, argv: list[str]) -> Daemon:
        daemon = Daemon(name, argv, log=self.folder / f"{name}.log")
        self._daemons.append(daemon)
        daemon.start()
        return daemon

    def _server_ready(self) -> bool:
        try:
            self.api.get("/readyz")
        except (OSError, ApiError):
            return False
        return True

    def _jobs_can_run(self) -> bool:
        try:
            self.api.get("/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError:
            return False
        return schedulable_nodes(self.api) >= self.options.nodes
