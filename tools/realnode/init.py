"""Pid 1 of a node: sets up its mounts and its network, starts its daemons, starts those again that end.

Run as `python -m tools.realnode.init PLAN.json` in new mount, network, pid and uts namespaces. It needs nothing but the
standard library. What it mounts and changes exists in these namespaces only, and ends with them: also the settings of
the kernel that a kubelet wants, which it finds as it wants them in files laid over the true ones.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.realnode.addresses import HOST, PREFIX

_SECONDS = 60.0
_PAUSE = 0.02
_AGAIN_AFTER = 1.0
# what a kubelet asks of every machine
_TUNABLES = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
PRIVATE = ("/run", "/var/lib", "/var/log")
"""Folders of the machine that a node does not see; its own vanish with it. Nothing of ours may stand there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that pid 1 must know."""

    name: str
    address: str
    routes: Mapping[str, str]
    """The networks of the pods of other nodes, and by which address they are reached."""
    disks: Mapping[str, str]
    """Folders below /var/lib that outlive the node's power, and where they stand on this machine."""
    environment: Mapping[str, str]
    runtime: Sequence[str]
    client: Sequence[str]
    """Containerd's own client, ready for its arguments."""
    images: Sequence[str]
    daemons: Mapping[str, Sequence[str]]
    """What is started when the runtime answers."""
    log: str

    def write(self, path: Path) -> None:
        """Write it down for pid 1."""
        path.write_text(json.dumps(asdict(self)))


def main() -> None:
    """Never returns: the namespace ends with it."""
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    os.environ.update(plan.environment)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    socket.sethostname(plan.name)
    _mounts(plan)
    _network(plan)
    keeper = _Keeper(Path(plan.log))
    keeper.keep("containerd", plan.runtime)
    _wait(lambda: _answers([*plan.client, "version"]), "containerd answers")
    for image in plan.images:
        subprocess.run([*plan.client, "--namespace=k8s.io", "images", "import", image], check=True)
    for name, argv in plan.daemons.items():
        keeper.keep(name, argv)
    print("ready", flush=True)
    keeper.forever()


class _Keeper:
    """Starts daemons, and again when they end, as a machine's first process does; buries everybody's orphans."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._commands: dict[str, Sequence[str]] = {}
        self._names: dict[int, str] = {}

    def keep(self, name: str, argv: Sequence[str]) -> None:
        self._commands[name] = argv
        with (self._log / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._names[process.pid] = name
        process.returncode = 0  # it is waited for below, with all others

    def forever(self) -> None:
        while True:
            pid, status = os.wait()
            if (name := self._names.pop(pid, None)) is not None:
                print(f"{name} ended: {os.waitstatus_to_exitcode(status)}", flush=True)
                time.sleep(_AGAIN_AFTER)
                self.keep(name, self._commands[name])


def _mounts(plan: Plan) -> None:
    _run("mount", "--make-rshared", "/")  # what a kubelet mounts must reach its pods
    for place in PRIVATE:
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
    for name in ("/run/netns", "/run/cni", "/run/tunables", "/var/lib/cni", "/var/log/containers"):
        Path(name).mkdir()
    for place, folder in plan.disks.items():
        Path(place).mkdir()
        _run("mount", "--bind", folder, place)
    for name, value in _TUNABLES.items():
        stand_in = Path("/run/tunables") / name.replace("/", "_")
        stand_in.write_text(f"{value}\n")
        if (true := Path("/proc/sys") / name).exists():
            _run("mount", "--bind", str(stand_in), str(true))


def _network(plan: Plan) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    _run("ip", "link", "set", "lo", "up")
    _wait(lambda: any(name == "eth0" for _, name in socket.if_nameindex()), "the cable is plugged in")
    _run("ip", "address", "add", f"{plan.address}/{PREFIX}", "dev", "eth0")
    _run("ip", "link", "set", "eth0", "up")
    _run("ip", "route", "add", "default", "via", HOST)  # kube-proxy wants to see one; nothing is forwarded there
    for network, address in plan.routes.items():
        _run("ip", "route", "add", network, "via", address)


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not ready():
        if time.monotonic() > deadline:
            sys.exit(f"not within {_SECONDS:g} s: {what}")
        time.sleep(_PAUSE)


def _answers(argv: Sequence[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    main()
