"""The cables between this machine and the nodes: a switch in a network namespace of its own.

Promise: nothing remains when the switch is gone, however it went. The namespace lives as long as its one process; with
it the kernel removes the bridge, every cable, and the routes through them. Pods reach one another, the nodes and this
machine; nothing is done to let them reach anything beyond.
"""

import subprocess
from pathlib import Path

from tools.devcluster.process import Daemon, wait_until
from tools.realnode.addresses import HOST, PREFIX, node_address, pod_network

_CABLE = "ticklock-host"


class Switch:
    """The switch. Nodes are plugged in by the process that holds their network namespace."""

    def __init__(self, folder: Path) -> None:
        self._daemon = Daemon("switch", ["unshare", "--net", "sleep", "infinity"], log=folder / "switch.log")

    def start(self) -> None:
        """Bring up the bridge, and this machine's own cable to it."""
        self._daemon.start()
        wait_for_namespace(self._daemon)
        self._inside("link", "add", "bridge", "type", "bridge")
        self._inside("link", "set", "bridge", "up")
        _ip("link", "add", _CABLE, "type", "veth", "peer", "name", "host", "netns", str(self._daemon.pid))
        self._inside("link", "set", "host", "master", "bridge", "up")
        _ip("address", "add", f"{HOST}/{PREFIX}", "dev", _CABLE)
        _ip("link", "set", _CABLE, "up")

    def close(self) -> None:
        """End it. May be repeated."""
        self._daemon.kill()

    def plug(self, number: int, pid: int) -> None:
        """Lay a cable to a node, whose side of it is `eth0` in the namespace of that process; an older one goes."""
        cable = _cable(number)
        if cable in self._inside("-brief", "link", "show"):
            self._inside("link", "delete", cable)
        self._inside("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self._inside("link", "set", cable, "master", "bridge", "up")
        _ip("route", "replace", pod_network(number), "via", node_address(number), "dev", _CABLE)

    def cut(self, number: int) -> None:
        """Cut the cable of a node: nothing comes through in either direction."""
        self._inside("link", "set", _cable(number), "down")

    def mend(self, number: int) -> None:
        """Mend the cable of a node."""
        self._inside("link", "set", _cable(number), "up")

    def _inside(self, *arguments: str) -> str:
        return _run("nsenter", f"--net=/proc/{self._daemon.pid}/ns/net", "ip", *arguments)


def wait_for_namespace(daemon: Daemon) -> None:
    """Wait until a daemon has left this machine's network namespace."""
    ours = Path("/proc/self/ns/net").readlink()
    wait_until(
        lambda: Path(f"/proc/{daemon.pid}/ns/net").readlink() != ours,
        what=f"{daemon.name} has a network namespace",
        daemons=[daemon],
        seconds=10,
        interval=0.01,
    )


def _cable(number: int) -> str:
    return f"node{number}"


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
