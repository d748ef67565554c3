import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tools.devcluster.process import Daemon, DaemonDied, wait_until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon("sleeper", ["sleep", "600"], log=tmp_path / "log")
    daemon.start()
    yield daemon
    daemon.kill()


def state_of(pid: int) -> str:
    """One letter, as ps shows it; Z for one that has gone altogether."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return "Z"


def test_a_daemon_that_died_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    daemon = Daemon("broken", ["sh", "-c", "echo first; echo the reason >&2; exit 3"], log=tmp_path / "log")
    daemon.start()
    with pytest.raises(DaemonDied, match="broken died; its log ends:\nfirst\nthe reason"):
        wait_until(lambda: False, what="it answers", daemons=[daemon])


@pytest.mark.parametrize(
    ("words", "retry"),
    [
        pytest.param("listen tcp 127.0.0.1:1: bind: address already in use", True, id="a port that is taken"),
        pytest.param(
            'could not bind IPv4 address "127.0.0.1": Address already in use', True, id="as PostgreSQL says it"
        ),
        pytest.param("permission denied", False, id="anything else"),
    ],
)
def test_a_taken_port_is_recognised(words: str, retry: bool) -> None:  # noqa: FBT001
    assert DaemonDied("x", words).address_in_use is retry


def test_what_never_comes_true_is_named_after_the_deadline(sleeper: Daemon) -> None:
    with pytest.raises(TimeoutError, match=r"not within 0.05 s: it answers"):
        wait_until(lambda: False, what="it answers", daemons=[sleeper], seconds=0.05, interval=0.01)


def test_a_paused_daemon_is_stopped_all_the_same(sleeper: Daemon) -> None:
    sleeper.pause()
    eventually(lambda: state_of(sleeper.pid) == "T", what="the daemon is paused")
    sleeper.stop()
    assert not sleeper.alive


def test_a_daemon_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    daemon = Daemon("deaf", ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"], log=tmp_path / "log")
    daemon.start()
    eventually(lambda: "deaf" in daemon.log_tail(), what="the daemon is deaf")
    daemon.stop(seconds=0.1)
    assert not daemon.alive


def test_a_daemon_hears_sigterm_though_its_parent_blocks_it(tmp_path: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        daemon = Daemon("sleeper", ["sleep", "600"], log=tmp_path / "log")
        daemon.start()
        daemon.send(signal.SIGTERM)
        eventually(lambda: not daemon.alive, what="the daemon has ended", seconds=5)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def test_daemons_and_folders_vanish_with_a_killed_parent() -> None:
    script = Path(__file__).with_name("doomed_parent.py")
    with subprocess.Popen(
        [sys.executable, str(script)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert state_of(int(pid)) != "Z"
        assert Path(folder, "precious").exists()
        parent.kill()
    eventually(lambda: state_of(int(pid)) == "Z", what="the daemon has gone")
    eventually(lambda: not Path(folder).exists(), what="the folder has gone")
