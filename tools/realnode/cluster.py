"""A control plane, real nodes, names and volumes: a cluster as users have it, but for its size.

Promise: after `start` all nodes are ready and names are resolved. Nothing remains after `close`, nor, a moment later,
when the process that started it is gone: processes, mounts, network, control groups, files.
Not promised: NetworkPolicies (nothing enforces them here), IPv6, volumes made on demand, images that are pulled.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.cache import cache_folder, locked
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.nodes import schedulable_nodes
from tools.devcluster.process import wait_until
from tools.devcluster.progress import Progress
from tools.devcluster.scratch import Scratch
from tools.devcluster.whole import Whole
from tools.realnode import addons
from tools.realnode.addresses import HOST, MOST_NODES, node_address, node_name
from tools.realnode.cgroups import ControlGroups
from tools.realnode.files import Identity
from tools.realnode.init import PRIVATE
from tools.realnode.network import Switch
from tools.realnode.node import Node, folder_of
from tools.realnode.programs import gather

_NEEDED = ("ip", "mount", "nsenter", "unshare", "apt-get", "dpkg-deb")
_BUSY_SECONDS = 20 * 60
_READY_SECONDS = 120
_OPTIONS = Options(
    nodes=0,
    kwok=False,
    address=HOST,
    apiserver_flags=(
        # whoever it asks (a webhook, an APIService) it asks at the pod: it has no Service addresses
        "--enable-aggregator-routing=true",
        "--default-not-ready-toleration-seconds=10",
        "--default-unreachable-toleration-seconds=10",
    ),
    # a node that is off is noticed within seconds
    controller_manager_flags=("--node-monitor-period=1s", "--node-monitor-grace-period=15s"),
)


class CannotRun(RuntimeError):
    """There can be no real node here; the message says why."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long the parts of a start took, in seconds since its beginning."""

    prepared: float
    api: float
    nodes: float
    names: float


class RealCluster(Whole):
    """A cluster. Use it as a context manager, or call `start` and `close`. There is one on a machine at a time."""

    control_plane: ControlPlane
    nodes: list[Node]
    times: Times

    def __init__(self, nodes: int = 2, *, progress: Progress | None = None) -> None:
        if not 1 <= nodes <= MOST_NODES:
            raise ValueError(f"between 1 and {MOST_NODES} nodes, not {nodes}")
        self._wanted, self._progress = nodes, progress
        self._stack = ExitStack()
        self._began = 0.0
        self.nodes = []

    # ------------------------------------------------------------------------------------------------ life

    def start(self) -> None:
        """Bring it up, once. Raises CannotRun, DaemonDied or TimeoutError with the end of the logs."""
        require_possible()
        self._began = time.monotonic()
        self._stack.enter_context(locked(cache_folder() / "realnode.lock", waiting=_Patience(_BUSY_SECONDS)))
        folder = self._stack.enter_context(Scratch("nodes")).path
        programs = gather(folder, progress=self._progress)
        prepared = self._passed()
        # closed in the opposite order: first the nodes, then what they are plugged into and live in
        groups = ControlGroups()
        self._stack.callback(groups.close)
        switch = Switch(folder)
        self._stack.callback(switch.close)
        switch.start()
        self.control_plane = self._stack.enter_context(ControlPlane(_OPTIONS, progress=self._progress))
        api = self._passed()
        proxy = self.control_plane.enrol("kube-proxy", "system:kube-proxy")[1]
        for number in range(1, self._wanted + 1):
            identity = self._identity(number, proxy)
            node = Node(folder_of(number, folder), identity, programs=programs, switch=switch, groups=groups)
            self._stack.callback(node.power_off)
            self.nodes.append(node)
            node.power_on()
        self.wait_nodes()
        nodes = self._passed()
        addons.install(self.control_plane, self.nodes)  # now, so that the instances spread over the nodes
        self.wait(lambda: addons.names_are_resolved(self.control_plane), "names are resolved")
        self.times = Times(prepared, api, nodes, self._passed())

    def close(self) -> None:
        """End everything and remove it. May be repeated."""
        self._stack.close()

    # ------------------------------------------------------------------------------------------------ using

    def node(self, name: str) -> Node:
        """Return the node of that name."""
        return next(node for node in self.nodes if node.name == name)

    def load(self, *images: Path) -> None:
        """Put images (OCI tars) on every node."""
        for node in self.nodes:
            node.load(images)

    def wait_nodes(self) -> None:
        """Wait until all nodes are ready."""
        for node in self.nodes:
            node.wait_running()
        self.wait(lambda: schedulable_nodes(self.control_plane.api) == self._wanted, "all nodes are ready")

    def wait(self, ready: Callable[[], bool], what: str, *, seconds: float = _READY_SECONDS) -> None:
        """Wait until it is so; an error that ends with the logs of the nodes after the given seconds."""
        try:
            wait_until(ready, what=what, seconds=seconds, interval=0.1)
        except TimeoutError as late:
            raise TimeoutError(f"{late}\n{self.told(self.nodes)}") from late

    @staticmethod
    def told(nodes: Iterable[Node]) -> str:
        """Return the end of the logs of the nodes."""
        return "\n".join(node.told() for node in nodes)

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _identity(self, number: int, proxy: Path) -> Identity:
        name = node_name(number)
        pair, kubeconfig = self.control_plane.enrol(
            name, f"system:node:{name}", "system:nodes", address=node_address(number)
        )
        return Identity(name, number, pair, kubeconfig, proxy, self.control_plane.authority)


class _Patience:
    """Waits for another cluster to go, and at last gives up."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._until = seconds, time.monotonic() + seconds

    def __call__(self) -> None:
        if time.monotonic() > self._until:
            raise CannotRun(f"another cluster of real nodes has been up on this machine for {self._seconds:g} s")
        time.sleep(0.5)


def why_not() -> str | None:
    """Return why there can be no real node here; None where there can be."""
    if sys.platform != "linux":
        return "real nodes need Linux"
    if os.geteuid() != 0:
        return "real nodes need root: they are made of namespaces, mounts and control groups"
    if lacking := [program for program in _NEEDED if shutil.which(program) is None]:
        return f"real nodes need programs that are not on PATH: {', '.join(lacking)}"
    ours = (cache_folder(), Path(sys.prefix), Path(sys.base_prefix), Path(__file__))
    hidden = [str(path) for path in ours if any(path.resolve().is_relative_to(place) for place in PRIVATE)]
    return f"a node would not see what stands in {' or '.join(PRIVATE)}: {', '.join(hidden)}" if hidden else None


def require_possible() -> None:
    """Raise CannotRun where there can be no real node."""
    if (reason := why_not()) is not None:
        raise CannotRun(reason)
