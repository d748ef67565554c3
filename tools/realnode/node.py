"""One node: the processes, mounts and network of a machine, in namespaces of their own on this one.

Promise: it ends with the process that started it. `power_off` ends all that runs on it at once, pods included, as a
pulled plug does; its disk stays, and `power_on` finds it as it was left.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.devcluster.process import Daemon, children_of, wait_until
from tools.realnode import files
from tools.realnode.addresses import MOST_NODES, node_address, node_name, pod_network
from tools.realnode.cgroups import ControlGroups
from tools.realnode.files import Identity
from tools.realnode.init import Plan
from tools.realnode.network import Switch, wait_for_namespace
from tools.realnode.programs import Programs

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 120
_TAIL = 1500


class Node:
    """A node, off at first."""

    def __init__(
        self, folder: Path, identity: Identity, *, programs: Programs, switch: Switch, groups: ControlGroups
    ) -> None:
        self.name = identity.name
        self.number = identity.number
        self.folder = folder
        self._identity, self._programs, self._switch, self._groups = identity, programs, switch, groups
        self.log.mkdir(parents=True)
        self._daemon = Daemon(self.name, self._argv(), log=self.log / "node.log", env=self._environment())

    # ------------------------------------------------------------------------------------------------ life

    def power_on(self) -> None:
        """Start it where it is off; returns before its runtime answers: `wait_running` waits for that."""
        if self._daemon.alive:
            return
        group = self._groups.make(self.name)
        files.write_all(self.folder, self._identity, self._programs, control_group=group)
        self._plan().write(self.folder / "plan.json")
        self._daemon.log.unlink(missing_ok=True)
        self._daemon.start()
        wait_for_namespace(self._daemon)
        self._switch.plug(self.number, self._daemon.pid)

    def wait_running(self) -> None:
        """Wait until its runtime has the images of every node, and its kubelet was started."""
        wait_until(
            lambda: "\nready\n" in f"\n{self._daemon.log_tail()}",
            what=f"{self.name} has started its daemons",
            daemons=[self._daemon],
            seconds=_START_SECONDS,
        )

    def power_off(self) -> None:
        """Pull the plug: SIGKILL to all that runs on it, at once. Returns when nothing of it runs."""
        self._daemon.kill()
        self._groups.wait_empty(self.name)

    @property
    def on(self) -> bool:
        """Whether it is powered."""
        return self._daemon.alive

    # ------------------------------------------------------------------------------------------------ using

    def cut_cable(self) -> None:
        """Cut it off from everybody; its pods go on."""
        self._switch.cut(self.number)

    def mend_cable(self) -> None:
        """Undo `cut_cable`."""
        self._switch.mend(self.number)

    def load(self, images: Iterable[Path]) -> None:
        """Put images (OCI tars) on it, under the names that they carry."""
        for image in images:
            self.run([*self._client(), "--namespace=k8s.io", "images", "import", str(image)])

    def images(self) -> set[str]:
        """Return the names of the images it has."""
        return set(self.run([*self._client(), "--namespace=k8s.io", "images", "list", "--quiet"]).split())

    def run(self, argv: Sequence[str]) -> str:
        """Run a command on it, in its mounts, network and processes; return what it prints. Raises RuntimeError."""
        inside = ["nsenter", f"--target={self._inner()}", "--mount", "--net", "--pid", "--uts", "--", *argv]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, env=self._environment(), cwd="/")
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    @property
    def log(self) -> Path:
        """The folder of the logs of its daemons."""
        return self.folder / "log"

    def told(self) -> str:
        """Return the end of each of its logs."""
        logs = sorted(self.log.glob("*.log"))
        return "\n".join(f"--- {self.name}, {path.name}:\n{path.read_text(errors='replace')[-_TAIL:]}" for path in logs)

    # ------------------------------------------------------------------------------------------------ inside

    def _inner(self) -> int:
        """Return pid 1 of the node, as this machine counts."""
        (inner,) = children_of(self._daemon.pid)
        return inner

    def _argv(self) -> list[str]:
        spaces = ["--mount", "--propagation=slave", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return ["unshare", *spaces, sys.executable, "-m", "tools.realnode.init", str(self.folder / "plan.json")]

    def _environment(self) -> dict[str, str]:
        path = f"{self._programs.path}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        return {"PATH": path, "PYTHONPATH": str(_ROOT), "LANG": "C.UTF-8"}

    def _client(self) -> list[str]:
        return [str(self._programs.by_name["ctr"]), f"--address={files.SOCKET}"]

    def _plan(self) -> Plan:
        programs, folder = self._programs.by_name, self.folder
        return Plan(
            name=self.name,
            address=node_address(self.number),
            routes={pod_network(n): node_address(n) for n in range(1, MOST_NODES + 1) if n != self.number},
            disks={files.KUBELET: str(folder / "kubelet"), files.CONTAINERD: str(folder / "containerd")},
            environment={"LD_LIBRARY_PATH": str(self._programs.libraries)},
            runtime=[str(programs["containerd"]), f"--config={folder / 'containerd.toml'}"],
            client=self._client(),
            images=[str(image) for image in self._programs.images],
            daemons={
                "kube-proxy": [str(programs["kube-proxy"]), f"--config={folder / 'kube-proxy.json'}"],
                "kubelet": [
                    str(programs["kubelet"]),
                    f"--config={folder / 'kubelet.json'}",
                    f"--kubeconfig={self._identity.kubeconfig}",
                    f"--root-dir={files.KUBELET}",
                    f"--hostname-override={self.name}",
                    f"--node-ip={node_address(self.number)}",
                ],
            },
            log=str(self.log),
        )


def folder_of(number: int, home: Path) -> Path:
    """Return the folder that is the disk of a node."""
    return home / node_name(number)
