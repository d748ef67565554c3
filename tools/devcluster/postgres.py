"""PostgreSQL of our own: on 127.0.0.1, a free port, with a password, its data outside the checkout.

Promise: what stands in it after `kill9` and `restart` is what a crash of a real server would have left (fsync is on
unless asked otherwise). Nothing of it remains when the process that started it is gone.
Not promised: the same port in two lives of one object after `close`.
"""

import contextlib
import itertools
import os
import secrets
import signal
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path

import psycopg
from psycopg import sql

from tools.devcluster.pgbinaries import DEFAULT_MAJOR, find_postgres
from tools.devcluster.pgdata import USER, account, initdb, make_folder
from tools.devcluster.process import Daemon, DaemonDied, children_of, free_port, wait_until
from tools.devcluster.scratch import Scratch, require_reachable
from tools.devcluster.whole import Whole

_ATTEMPTS = 5
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Shutdown(Enum):
    """The ways in which a PostgreSQL server can be asked to stop."""

    SMART = signal.SIGTERM
    """Waits until every client has gone."""
    FAST = signal.SIGINT
    """Breaks the connections, writes everything down."""
    IMMEDIATE = signal.SIGQUIT
    """Goes at once; the next start recovers."""


class Postgres(Whole):
    """One server. Use it as a context manager, or call `start` and `close`.

    `settings` are added to the server's configuration; `fsync=False` is for tests that survive no crash.
    """

    def __init__(
        self, *, major: int = DEFAULT_MAJOR, fsync: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        self.major = major
        self.password = secrets.token_urlsafe(16)
        self.port = 0
        self._settings = {**_SETTINGS, "fsync": "on" if fsync else "off", **(settings or {})}
        if not fsync:
            self._settings |= {"full_page_writes": "off"}
        self._scratch: Scratch | None = None
        self._daemon: Daemon | None = None
        self._names = itertools.count(1)

    # ------------------------------------------------------------------------------------------------ addresses

    @property
    def url(self) -> str:
        """The URL of the maintenance database, password included."""
        return self.url_of("postgres")

    dsn = url  # libpq takes the same string

    def url_of(self, database: str) -> str:
        """Return the URL of one database, password included; valid while the port is the same."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def alive(self) -> bool:
        """Whether the server's first process runs."""
        return self._daemon is not None and self._daemon.alive

    @property
    def pid(self) -> int:
        """The process id of the server's first process."""
        return self._running.pid

    @property
    def log(self) -> str:
        """The end of the server's log."""
        return self._running.log_tail()

    # ------------------------------------------------------------------------------------------------ life

    def start(self) -> None:
        """Start it, on the port of its last life if it had one. Returns when it answers queries."""
        if self._scratch is None:
            self._initialise()
        fixed = self.port != 0
        for attempt in range(1, _ATTEMPTS + 1):
            self.port = self.port if fixed else free_port()
            try:
                return self._launch()
            except DaemonDied as died:
                # a port taken since we asked; or backends of the last life that have not gone yet
                if attempt == _ATTEMPTS or not (died.address_in_use or "pre-existing shared memory" in str(died)):
                    raise
        return None

    def stop(self, mode: Shutdown = Shutdown.FAST, *, seconds: float = 30) -> None:
        """Stop the server; data and port are kept for the next `start`."""
        self._running.stop(mode.value, seconds=seconds)

    def kill9(self) -> None:
        """SIGKILL to the server and all its backends at once, as when the machine loses its power."""
        victims = [self.pid, *children_of(self.pid)]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._running.kill()
        wait_until(lambda: not any(_runs(pid) for pid in victims), what="backends are gone")

    def restart(self, mode: Shutdown = Shutdown.FAST) -> None:
        """Stop and start: same data, same port."""
        self.stop(mode)
        self.start()

    def pause(self) -> None:
        """SIGSTOP the server and all its backends: it accepts connections, and answers nothing."""
        for pid in [self.pid, *children_of(self.pid)]:
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        for pid in [*children_of(self.pid), self.pid]:
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """End the server and remove its data. May be repeated."""
        if self._daemon is not None and self._daemon.alive:
            self.kill9()
        if self._scratch is not None:
            self._scratch.close()
        self._scratch = self._daemon = None
        self.port = 0

    # ------------------------------------------------------------------------------------------------ databases

    def create_database(self, *, template: str | None = None, name: str | None = None) -> str:
        """Create a database, empty or as a copy of another that nobody is connected to; return its name."""
        name = name or f"ticklock_{os.getpid()}_{next(self._names)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute([statement])
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, breaking the connections to it."""
        self._execute([sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))])

    def _execute(self, statements: Iterable[sql.Composed]) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    # ------------------------------------------------------------------------------------------------ inside

    @property
    def _running(self) -> Daemon:
        if self._daemon is None:
            raise RuntimeError("this PostgreSQL was not started")
        return self._daemon

    @property
    def _folder(self) -> Path:
        if self._scratch is None:
            raise RuntimeError("this PostgreSQL has no data yet")
        return self._scratch.path

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _initialise(self) -> None:
        self._scratch = Scratch(f"postgres{self.major}")
        require_reachable(self._scratch.path)
        self._binaries = find_postgres(self.major)
        if account() is not None:
            self._binaries = self._binaries.readable(self._scratch.path)
        self._prepare(self._scratch)
        make_folder(self._data)
        self._fill()

    def _prepare(self, scratch: Scratch) -> None:
        """Do what must stand before there is data: here, nothing."""

    def _fill(self) -> None:
        """Put a new server's data into the empty folder."""
        initdb(self._binaries, self._data, self.password)

    def _environment(self) -> dict[str, str]:
        """Return the variables that the server is started with."""
        return {"PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C"}

    def _launch(self) -> None:
        options = itertools.chain.from_iterable(("-c", f"{key}={value}") for key, value in self._settings.items())
        self._daemon = Daemon(
            f"PostgreSQL {self.major}",
            [self._binaries.program("postgres"), "-D", str(self._data), "-p", str(self.port), *options],
            log=self._folder / "postgres.log",
            env=self._environment(),
            account=account(),
        )
        self._daemon.log.unlink(missing_ok=True)  # what it says of an earlier life must not be read as of this one
        self._daemon.start()
        wait_until(self.answers, what="PostgreSQL answers", daemons=[self._daemon], seconds=60)

    def answers(self) -> bool:
        """Whether it answers queries now."""
        # Only our server knows this password, and scram proves it to us too: it cannot be somebody else's.
        try:
            with psycopg.connect(self.url, connect_timeout=5) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _runs(pid: int) -> bool:
    """Whether a process does something; a zombie does not, whoever fails to reap it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return False
    return state not in {"Z", "X"}
