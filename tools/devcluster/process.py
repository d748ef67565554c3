"""Daemons of ours: started in the background, ended with us."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
# The kernel kills the child when the *thread* that forked it ends, not the process: so one thread forks them all, and
# it lives as long as the interpreter.
_FORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")
_ADDRESS_IN_USE = ("address already in use", "Address already in use")


class DaemonDied(RuntimeError):
    """A daemon ended by itself. The message carries the end of its log."""

    def __init__(self, name: str, log: str) -> None:
        super().__init__(f"{name} died; its log ends:\n{log}")
        self.address_in_use = any(words in log for words in _ADDRESS_IN_USE)


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group that a daemon runs under."""

    uid: int
    gid: int


@dataclass(slots=True)
class Daemon:
    """One program in the background, in a session of its own: Ctrl-C in the terminal does not reach it.

    It is killed by the kernel when this process ends without stopping it. Its output goes to the log file, appended.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    account: Account | None = None
    cwd: Path = Path("/")
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """The process id, also of one that has ended; an error before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; a stopped (SIGSTOP) process counts as alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How its latest life ended, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the program unless it runs."""
        if not self.alive:
            self._process = _FORKER.submit(self._fork).result()

    def _fork(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  nothing else can set the parent-death signal
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )

    def check(self) -> None:
        """Raise DaemonDied if it has ended."""
        if not self.alive:
            raise DaemonDied(self.name, self.log_tail())

    def log_tail(self, characters: int = 3000) -> str:
        """Return the end of what the program has written."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def pause(self) -> None:
        """Stop the process in the middle of what it does (SIGSTOP)."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on (SIGCONT)."""
        self.send(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 10) -> None:
        """End it: politely, then by SIGKILL. Returns when it is gone. May be repeated."""
        if self._process is None:
            return
        self.resume()
        self.send(number)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """SIGKILL. Returns when it is gone."""
        self.stop(signal.SIGKILL)


def _die_with(parent: int) -> Callable[[], None]:
    def arrange() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what we block, it must still hear
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return arrange


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent this is, whichever of its threads has forked them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago; whoever binds it must be ready to find it taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    ready: Callable[[], bool], *, what: str, daemons: Sequence[Daemon] = (), seconds: float = 30, interval: float = 0.05
) -> None:
    """Ask again and again until the answer is yes.

    Raises DaemonDied as soon as one of the daemons has ended, TimeoutError after the given seconds.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        for daemon in daemons:
            daemon.check()
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {daemon.name}:\n{daemon.log_tail(1000)}" for daemon in daemons)
            raise TimeoutError(f"not within {seconds:g} s: {what}\n{logs}")
        time.sleep(interval)
