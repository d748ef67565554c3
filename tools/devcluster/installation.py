"""Ticklock as installed by its users, on throw-away servers: CRD, rights, migrated database, replicas.

Promise: after `start` every replica is ready. Nothing remains after `close`, nor when this process is gone.
Not promised: that there is a leader yet; `wait_leader` waits for one.
"""

import contextlib
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import ACCOUNT, HOME, install_crd, install_rights
from tools.devcluster.postgres import Postgres
from tools.devcluster.process import wait_until
from tools.devcluster.replica import PROGRAM, Replica, environment
from tools.devcluster.scratch import Scratch
from tools.devcluster.whole import Whole

_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/ticklock"
_TOKEN_SECONDS = 4 * 3600
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Shape:
    """What an installation is to be. `settings` are the product's, by name; `env` is for what is none (failpoints)."""

    replicas: int = 2
    settings: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    cluster: Options = field(default_factory=Options)
    fsync: bool = True


class Installation(Whole):
    """Control plane, PostgreSQL and replicas. Use it as a context manager, or call `start` and `close`.

    A control plane or a database's URL (with password) that is given is used, and left as it was found but for CRD,
    rights and schema.
    """

    cluster: ControlPlane

    def __init__(
        self, shape: Shape | None = None, *, cluster: ControlPlane | None = None, database_url: str | None = None
    ) -> None:
        self.shape = shape or Shape()
        self.postgres: Postgres | None = None
        self.replicas: list[Replica] = []
        self._given_cluster, self._given_url = cluster, database_url
        self._scratch: Scratch | None = None

    # ------------------------------------------------------------------------------------------------ life

    def start(self, *, tell: Callable[[str], None] = lambda _: None) -> None:
        """Bring it up, the database beside the control plane. `tell` hears what is done next."""
        self.cluster = self._given_cluster or ControlPlane(self.shape.cluster)
        self._scratch = Scratch("installation")
        with ThreadPoolExecutor(max_workers=1) as beside:
            database = beside.submit(self._start_database)
            tell("starting etcd, the API server, its controllers, and PostgreSQL")
            if self._given_cluster is None:
                self.cluster.start(meanwhile=lambda: self._start_replicas(database, tell))
            else:
                self._start_replicas(database, tell)
        for replica in self.replicas:
            replica.wait_ready()

    def close(self) -> None:
        """End everything it started, and remove it. May be repeated."""
        for replica in self.replicas:
            replica.close()
        if self._given_cluster is not None and self.replicas:
            self._forget_lease()
        if self._given_cluster is None and hasattr(self, "cluster"):
            self.cluster.close()
        if self.postgres is not None:
            self.postgres.close()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    # ------------------------------------------------------------------------------------------------ using

    @property
    def folder(self) -> Path:
        """Its folder for logs and the password: gone after `close`."""
        if self._scratch is None:
            raise RuntimeError("this installation was not started")
        return self._scratch.path

    @property
    def database_url(self) -> str:
        """The URL of the replicas' database, password included, for tools that look at it."""
        if self._given_url is not None:
            return self._given_url
        if self.postgres is None:
            raise RuntimeError("this installation was not started")
        return self.postgres.url

    def lease(self) -> dict[str, Any] | None:
        """Return the spec of the leader's Lease; None where there is none yet. Raises as `KubeApi.get` does."""
        try:
            spec: dict[str, Any] = self.cluster.api.get(_LEASE)["spec"]
        except ApiError as refusal:
            if refusal.status == _NOT_FOUND:
                return None
            raise
        return spec

    def holder(self) -> str | None:
        """Return the identity (pod name, `_`, UUID) in the Lease, be it alive or not; None where it was released."""
        lease = self.lease()
        return (lease or {}).get("holderIdentity") or None

    def leader(self) -> Replica | None:
        """Return the living replica that holds the Lease; not one whose earlier life, or namesake, held it."""
        lease = self.lease()
        if lease is None or not lease.get("holderIdentity"):
            return None
        pod, since = pod_of(lease["holderIdentity"]), datetime.fromisoformat(lease["acquireTime"]).timestamp()
        holders = (one for one in self.replicas if one.pod == pod and one.alive and since >= one.started_at)
        return next(holders, None)

    def wait_leader(self, *, other_than: str | None = None, seconds: float = 60) -> Replica:
        """Wait until a living replica holds the Lease, under another identity than the one given; return it."""
        found: list[Replica] = []

        def led() -> bool:
            leader = self.leader()
            if leader is not None and self.holder() != other_than:
                found.append(leader)
            return bool(found)

        wait_until(led, what="a replica leads", seconds=seconds)
        return found[-1]

    def settings(self) -> dict[str, object]:
        """Return the settings that every process of this installation needs, the password in a file."""
        parts = urlsplit(self.database_url)
        password = self.folder / "database-password"
        if not password.exists():
            password.touch(mode=0o600)
            password.write_text(parts.password or "")
        address = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}"))
        return {"database_url": address, "database_password_file": password}

    # ------------------------------------------------------------------------------------------------ inside

    def _start_replicas(self, database: "Future[None]", tell: Callable[[str], None]) -> None:
        """Start them as soon as they have rights and a database: they take seconds, in which the rest gets ready."""
        install_rights(self.cluster)
        kubeconfig = self.cluster.service_account_kubeconfig(HOME, ACCOUNT, seconds=_TOKEN_SECONDS)
        database.result()
        tell(f"starting {self.shape.replicas} replicas")
        self.replicas = [self._make(f"ticklock-{number}", kubeconfig) for number in range(self.shape.replicas)]
        for replica in self.replicas:
            replica.start()
        install_crd(self.cluster)

    def _forget_lease(self) -> None:
        """Take the Lease of dead replicas away, so that the next installation need not wait until it runs out."""
        with contextlib.suppress(ApiError, OSError):
            self.cluster.api.delete(_LEASE)

    def _start_database(self) -> None:
        if self._given_url is None:
            self.postgres = Postgres(fsync=self.shape.fsync)
            self.postgres.start()
        migrate(self.settings())

    def _make(self, pod: str, kubeconfig: Path) -> Replica:
        own = {"kubeconfig": kubeconfig, "lease_namespace": HOME}
        return Replica(pod, {**self.settings(), **own, **self.shape.settings}, self.folder, env=self.shape.env)


def pod_of(identity: str | None) -> str | None:
    """Return the pod's name in a Lease's holder."""
    return identity.rpartition("_")[0] if identity else None


def migrate(settings: Mapping[str, object]) -> None:
    """Run `ticklock migrate` with these settings. Raises RuntimeError with what it complains about."""
    done = subprocess.run(
        [PROGRAM, "migrate"], env=environment(settings), cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"ticklock migrate failed:\n{done.stdout}{done.stderr}")
