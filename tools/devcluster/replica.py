"""Replicas of the controller as processes of their own, as pods would be: killed, paused and started one by one.

Promise: what runs is the program that users run, `ticklock controller`, with a ServiceAccount's token and the password
in a file. It is gone when the process that started it is gone.
"""

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tools.devcluster.process import Daemon, DaemonDied, free_port, wait_until

PROGRAM = Path(sys.executable).with_name("ticklock")
_TIMEOUT = 5.0
_ATTEMPTS = 3
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "SSL_CERT_FILE", "COVERAGE_PROCESS_START")


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the environment of a process of ours: these settings, and none that the caller has for itself."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, **{f"TICKLOCK_{name.upper()}": str(value) for name, value in settings.items()}}


class Metrics:
    """One reading of a replica's `/metrics`."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def value(self, name: str, /, **labels: str) -> float:
        """Return the sum of the samples of that name which carry these labels; 0 where there is none."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())
        )

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {sample.name for sample in self._samples}


@dataclass(slots=True)
class Replica:
    """One replica. Its pod name stays from life to life; port, process and replica id are new in each.

    `settings` are the product's, by their names: they become environment variables. `env` is added as it is.
    """

    pod: str
    settings: Mapping[str, object]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    program: Sequence[str] = (str(PROGRAM),)
    """What runs; other than the product itself only where a test has spoilt it on purpose."""
    port: int = 0
    lives: int = 0
    started_at: float = 0.0
    """When its latest life began, in seconds since 1970."""
    _daemon: Daemon | None = None

    # ------------------------------------------------------------------------------------------------ life

    def start(self) -> None:
        """Start it unless it runs; returns before it is ready."""
        if self.alive:
            return
        self.port = free_port()
        self.lives += 1
        self.started_at = time.time()
        own = {"pod_name": self.pod, "http_host": "127.0.0.1", "http_port": self.port, "log_format": "json"}
        self._daemon = Daemon(
            self.pod,
            [*self.program, "controller"],
            log=self.log,
            env={**environment({**own, **self.settings}), **self.env},
        )
        self._daemon.start()

    def wait_ready(self, *, seconds: float = 60) -> None:
        """Wait until `/readyz` says so. Raises DaemonDied with the end of its log, or TimeoutError."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return wait_until(self.ready, what=f"{self.pod} is ready", daemons=[self._running], seconds=seconds)
            except DaemonDied as died:
                if not died.address_in_use or attempt == _ATTEMPTS:
                    raise
                self.start()
        return None

    def stop(self, *, seconds: float = 30) -> int:
        """Send SIGTERM and wait, after the given seconds SIGKILL; return the exit code, negative for a signal."""
        self._running.stop(seconds=seconds)
        return self._running.exit_code or 0

    def kill9(self) -> None:
        """SIGKILL. Returns when it is gone."""
        self._running.kill()

    def pause(self) -> None:
        """Stop it in the middle of what it does (SIGSTOP)."""
        self._running.pause()

    def resume(self) -> None:
        """Let it go on after a pause."""
        self._running.resume()

    def close(self) -> None:
        """End it, whatever it does. May be repeated."""
        if self._daemon is not None:
            self._daemon.kill()

    # ------------------------------------------------------------------------------------------------ looking

    @property
    def alive(self) -> bool:
        """Whether its process exists; a paused one does."""
        return self._daemon is not None and self._daemon.alive

    @property
    def pid(self) -> int:
        """The process id of its latest life."""
        return self._running.pid

    @property
    def log(self) -> Path:
        """Where the log of all its lives stands, one JSON object a line."""
        return self.folder / f"{self.pod}.log"

    def facts(self) -> Iterator[dict[str, Any]]:
        """Yield what it has logged, oldest first; lines that are no JSON object (a traceback) are left out."""
        for line in self.log.read_text(errors="replace").splitlines() if self.log.exists() else ():
            if (fact := parse_fact(line)) is not None:
                yield fact

    def log_tail(self, characters: int = 3000) -> str:
        """Return the end of its log as it is."""
        return self._running.log_tail(characters)

    @property
    def memory(self) -> int:
        """Resident memory in bytes; 0 where it does not run."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        found = next((line for line in status.splitlines() if line.startswith("VmRSS:")), None)
        return int(found.split()[1]) * 1024 if found else 0

    @property
    def cpu_seconds(self) -> float:
        """Processor time of its latest life, user and system; 0 where it does not run."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        try:
            return self.get("/readyz")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def metrics(self) -> Metrics:
        """Read `/metrics`. Raises OSError where nobody answers."""
        status, body = self.get("/metrics")
        if status != http.HTTPStatus.OK:
            raise OSError(f"{self.pod}: /metrics answered {status}")
        return Metrics(body)

    def get(self, path: str) -> tuple[int, str]:
        """GET a path of its HTTP server; return status and body. Raises OSError where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except http.client.HTTPException as problem:
            raise OSError(f"{self.pod}: GET {path}: {problem!r}") from problem
        finally:
            connection.close()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running.send(number)

    @property
    def _running(self) -> Daemon:
        if self._daemon is None:
            raise RuntimeError(f"{self.pod} was not started")
        return self._daemon


def parse_fact(line: str) -> dict[str, Any] | None:
    """Return one line of a JSON log; None where it is something else."""
    if not line.startswith("{"):
        return None
    try:
        fact: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return fact
