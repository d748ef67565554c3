"""The ground that a contender runs on: a fresh cluster, with fsync, the same for all but for the limits under test."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.bench.history import Beat, Entry, Tail
from tools.bench.plan import Contender
from tools.bench.proc import Program
from tools.bench.template import NAMESPACE
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.installation import Installation, Shape
from tools.devcluster.manifests import ROOT, create_namespace, has_account
from tools.devcluster.process import Daemon, wait_until
from tools.devcluster.scratch import Scratch

REPLICAS = 2
RAISED = Options(client_qps=3000, controller_manager_flags=("--concurrent-cron-job-syncs=64",))
"""Beside the CronJob controller these limits hold for the Job controller, which all contenders need."""
DEFAULT = Options(client_qps=None)


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster with a contender that runs and has nothing to do, and a watch on it."""

    cluster: ControlPlane
    folder: Path
    programs: Mapping[str, Program]
    """All that uses the machine, by name, the watch included."""
    observer: Daemon
    tail: Tail

    def history(self) -> list[Entry]:
        """Return what the watch has seen until now. Raises DaemonDied where it ended."""
        self.observer.check()
        return self.tail.grow()


@contextmanager
def ground(contender: Contender) -> Iterator[Ground]:
    """Bring it up, and remove it whatever happens."""
    with ExitStack() as stack:
        folder = stack.enter_context(Scratch("bench")).path
        cluster, programs = _begin(contender, stack)
        create_namespace(cluster, NAMESPACE)
        cluster.wait(lambda: has_account(cluster, NAMESPACE), "the namespace has its ServiceAccount")
        tail = Tail(folder / "history")
        observer = start_tool(folder, "observer", str(cluster.kubeconfig), NAMESPACE, str(tail.path))
        stack.callback(observer.kill)
        wait_until(
            lambda: any(isinstance(entry, Beat) for entry in tail.grow()),
            what="the watch on Jobs is connected",
            daemons=[observer],
        )
        ourselves = {"the bench's watch": Program(observer.pid), "the bench itself": Program(os.getpid())}
        yield Ground(cluster, folder, {**programs, **ourselves}, observer, tail)


def _begin(contender: Contender, stack: ExitStack) -> tuple[ControlPlane, dict[str, Program]]:
    if contender is not Contender.TICKLOCK:
        cluster = stack.enter_context(ControlPlane(DEFAULT if contender is Contender.CRONJOB_DEFAULT else RAISED))
        return cluster, _of_cluster(cluster)
    ours = stack.enter_context(Installation(Shape(replicas=REPLICAS, cluster=RAISED)))
    ours.wait_leader()
    if ours.postgres is None:
        raise RuntimeError("the installation has no PostgreSQL of its own")
    replicas = {f"replica {number}": Program(replica.pid) for number, replica in enumerate(ours.replicas)}
    postgres = {"PostgreSQL": Program(ours.postgres.pid, family=True)}
    return ours.cluster, {**replicas, **postgres, **_of_cluster(ours.cluster)}


def _of_cluster(cluster: ControlPlane) -> dict[str, Program]:
    daemons = (cluster.controller_manager, cluster.apiserver, cluster.etcd, cluster.scheduler, cluster.kwok)
    return {daemon.name: Program(daemon.pid) for daemon in daemons}


def start_tool(folder: Path, module: str, *arguments: str) -> Daemon:
    """Start a process of this package; it ends with us at the latest."""
    argv = [sys.executable, "-m", f"tools.bench.{module}", *arguments]
    log = folder / f"{module}-{time.monotonic_ns()}.log"
    tool = Daemon(module, argv, log=log, env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"})
    tool.start()
    return tool
