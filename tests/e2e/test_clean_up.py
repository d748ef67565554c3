"""Nothing of a cluster remains, however the process that made it ends.

It comes before the tests that share a cluster: there is one on a machine at a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tools.devcluster.process import children_of

ROOT = Path(__file__).parents[2]
TUNABLES = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")


def traces(temporary: Path) -> list[str]:
    """What a cluster may leave on a machine: files, control groups, cables and routes, mounts, processes."""
    # in either version of control groups; not further down, where groups come and go while we look
    groups = [str(one) for shape in ("ticklock-*", "*/ticklock-*") for one in Path("/sys/fs/cgroup").glob(shape)]
    addresses = subprocess.run(["ip", "-brief", "address"], capture_output=True, text=True, check=True).stdout
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/mounts").read_text()
    return [
        *(str(path) for path in temporary.iterdir()),
        *groups,
        *(line for line in addresses.splitlines() if line.startswith("ticklock-")),
        *(line for line in routes.splitlines() if "10.244." in line or "10.250." in line),
        *(line for line in mounts.splitlines() if str(temporary) in line),
        *named_after(temporary),
    ]


def named_after(temporary: Path) -> list[str]:
    """The processes whose command line names the folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(temporary) in command:
            found.append(f"{place.parent.name}: {command}")
    return found


def descendants(pid: int) -> set[int]:
    below = set(children_of(pid))
    return below.union(*(descendants(child) for child in below))


def settings() -> list[str]:
    return [(Path("/proc/sys") / name).read_text() for name in TUNABLES]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    tmp_path.chmod(0o711)
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


@pytest.fixture
def started(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """A cluster of one node, in a process of its own."""
    command = [sys.executable, "-m", "tools.realnode", "--nodes=1"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="when it is interrupted"),
        pytest.param(signal.SIGTERM, id="when it is asked to end"),
        pytest.param(signal.SIGKILL, id="when it is killed"),
    ],
)
def test_nothing_remains(started: subprocess.Popen[str], temporary: Path, number: signal.Signals) -> None:
    before = settings()
    assert started.stdout is not None
    assert "names resolved" in started.stdout.readline()
    assert settings() == before, "the machine is as it was, also while the cluster runs"
    assert any("ticklock-nodes" in trace for trace in traces(temporary))
    family = descendants(started.pid)
    assert len(family) > 10
    started.send_signal(number)
    try:
        eventually(lambda: not traces(temporary), what="no trace is left", seconds=30)
    except AssertionError as left:
        raise AssertionError("\n".join(traces(temporary))) from left
    eventually(lambda: not alive(family), what="all processes are gone", seconds=10)
    assert settings() == before


def alive(pids: set[int]) -> set[int]:
    """Those that run; one that is dead but not yet buried does not."""

    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in {"Z", "X"}
        except OSError:
            return False

    return {pid for pid in pids if runs(pid)}
