"""`make demo`, the command itself: what it prints, how it ends, and that nothing remains of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.traces import Traces, traces
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
SERVERS = {"etcd", "kube-apiserver", "kube-controller", "kube-scheduler", "kwok", "postgres"}
START_SECONDS = 90
"""Far more than the promised 15: other work may share the machine. The summary tells the time that was measured."""


@dataclass(slots=True)
class Running:
    """A demo in a session of its own, as in a terminal of its own, and what it has printed so far."""

    process: subprocess.Popen[str]
    traces: Traces
    output: list[str] = field(default_factory=list)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.output)

    def wait_for(self, pattern: str, *, seconds: float = START_SECONDS) -> re.Match[str]:
        """Wait until a line matches."""

        def found() -> re.Match[str] | None:
            assert self.process.poll() is None or re.search(pattern, self.text, re.MULTILINE), self.text
            return re.search(pattern, self.text, re.MULTILINE)

        match = eventually(found, what=f"the demo prints {pattern}", seconds=seconds)
        assert match is not None
        return match

    def interrupt(self) -> None:
        """Press Ctrl-C: the signal goes to all processes of the terminal's foreground."""
        os.killpg(self.process.pid, signal.SIGINT)

    def figure(self, name: str) -> int:
        """Return a figure of the summary."""
        match = re.search(rf"^  {name} +(\d+)", self.text, re.MULTILINE)
        assert match, f"no {name} in:\n{self.text}"
        return int(match[1])


@contextmanager
def demo(seconds: int, *command: str) -> Iterator[Running]:
    with traces() as left:
        process = subprocess.Popen(
            command or ["make", "demo"],
            cwd=ROOT,
            env={**left.environment, "DEMO_SECONDS": str(seconds)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running = Running(process, left)
        reader = threading.Thread(target=running.read)
        reader.start()
        try:
            yield running
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()


def ports_of_all_servers(running: Running) -> set[int]:
    """The ports that would be left over; that all servers are found is what makes the search for leftovers count."""
    names = set(running.traces.processes().values())
    assert names >= SERVERS, f"found only {names}"
    ports = running.traces.ports()
    assert len(ports) >= 6, "etcd twice, the API server, PostgreSQL, and each replica"
    return ports


@pytest.mark.timeout(300)
def test_it_runs_its_time_and_every_tick_is_launched_once() -> None:
    with demo(60) as running:
        running.wait_for(r"^--- \d+ s of 60")
        ports = ports_of_all_servers(running)
        assert running.process.wait(timeout=200) == 0, running.text
        running.traces.assert_gone(ports)
        eventually(lambda: "verdict" in running.text, what="all of the output is here")
    assert "verdict            every tick once" in running.text, running.text
    due, launched, waiting = running.figure("ticks due"), running.figure("launched"), figure_or_zero(running, "waiting")
    assert due >= 10, "two schedules of ten seconds each have at least five ticks in a minute"
    skipped = figure_or_zero(running, "skipped")
    assert launched + skipped + waiting == due
    assert skipped >= 1
    assert running.figure("missing") == running.figure("double") == 0
    assert re.search(r"^  triggers +(\d+), launched \1$", running.text, re.MULTILINE)
    assert re.search(r"^  lag +p50 \d+ ms, p99 ", running.text, re.MULTILINE)
    assert re.search(r"^>>> SIGKILL to the leader, (ticklock-\d)", running.text, re.MULTILINE)
    assert re.search(r"^>>> ticklock-\d starts again", running.text, re.MULTILINE)
    assert re.search(r"^  leader killed +ticklock-\d at \d\d:\d\d:\d\d", running.text, re.MULTILINE)
    for shown in ("never-two with ConcurrencyForbidden", "fails with JobFailed", "the leader killed, and back"):
        assert f"{shown}: yes" in running.text


def figure_or_zero(running: Running, name: str) -> int:
    """The sum of the lines of that name: verdicts have one a reason, and none where there is none."""
    return sum(int(number) for number in re.findall(rf"^  {name} +(\d+)", running.text, re.MULTILINE))


@pytest.mark.timeout(240)
def test_ctrl_c_ends_it_with_a_summary_and_leaves_nothing() -> None:
    with demo(600) as running:
        config = running.wait_for(r"^export KUBECONFIG=(\S+)")[1]
        running.wait_for(r"^--- 2\d s of 600", seconds=90)
        ports = ports_of_all_servers(running)
        assert "every-ten-seconds" in kubectl(config, "get", "sjob")
        running.interrupt()
        running.process.wait(timeout=60)
        running.traces.assert_gone(ports)
        eventually(lambda: "verdict" in running.text, what="all of the output is here")
    assert running.figure("ticks due") >= 2
    assert running.figure("missing") == running.figure("double") == 0
    assert "leader killed      none yet" in running.text
    assert "verdict            every tick once" in running.text, running.text


def kubectl(config: str, *arguments: str) -> str:
    done = subprocess.run(
        ["kubectl", f"--kubeconfig={config}", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(signal.SIGKILL, r"^--- \d+ s of 600", id="killed while it shows itself"),
        pytest.param(signal.SIGKILL, r"s  starting 2 replicas", id="killed while it starts replicas"),
        pytest.param(signal.SIGTERM, r"s  starting etcd", id="asked to end while it starts servers"),
    ],
)
def test_nothing_remains_however_it_ends(number: signal.Signals, moment: str) -> None:
    with demo(600, str(ROOT / ".venv/bin/python"), "-m", "tools.demo") as running:
        running.wait_for(moment)
        eventually(lambda: running.traces.processes().keys() - {running.process.pid}, what="it has children")
        ports = running.traces.ports()
        os.kill(running.process.pid, number)
        code = running.process.wait(timeout=30)
        assert code == (-signal.SIGKILL if number is signal.SIGKILL else 130)
        running.traces.assert_gone(ports)
