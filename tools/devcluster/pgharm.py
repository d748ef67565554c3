"""A PostgreSQL server prepared for what harms servers: a small disk, a clock that is set, a standby, a restored backup.

Promise: what it holds after a harm is what a real server would hold, since the harm is real: the disk is full, the
standby never got the commits, the backup is older than the last ones.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from tools.devcluster.faketime import Clock
from tools.devcluster.pgdata import copy_running, make_folder, put_back
from tools.devcluster.postgres import Postgres
from tools.devcluster.process import wait_until
from tools.devcluster.scratch import Scratch

_BLOCK = 1 << 20
# WAL is kept short, so that it fits a small disk; connections few, so that they can be taken soon
_SMALL = {"max_wal_size": "64MB", "min_wal_size": "32MB", "max_connections": "60"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a server is prepared for. A small disk needs the right to mount, a clock needs libfaketime."""

    disk_megabytes: int | None = None
    clock: bool = False


class HarmablePostgres(Postgres):
    """One server, or the standby of another (`standby`)."""

    def __init__(self, prepared: Prepared | None = None, *, primary: "HarmablePostgres | None" = None) -> None:
        super().__init__(settings=_SMALL)
        self.prepared = prepared or Prepared()
        self._primary = primary
        self._disk: Path | None = None
        self._clock: Clock | None = None
        if primary is not None:
            self.password = primary.password

    # ------------------------------------------------------------------------------------------------ clock

    @property
    def clock(self) -> Clock:
        """Its wall clock."""
        if self._clock is None:
            raise RuntimeError("this PostgreSQL was not prepared for a clock of its own, or not started")
        return self._clock

    # ------------------------------------------------------------------------------------------------ disk

    def fill_disk(self) -> None:
        """Take every free byte of its disk. Tables cannot grow, and WAL only within the files that are there."""
        with self._ballast.open("wb") as ballast, contextlib.suppress(OSError):
            size = _BLOCK
            while size:
                try:
                    os.posix_fallocate(ballast.fileno(), ballast.tell(), size)
                    ballast.seek(0, os.SEEK_END)
                except OSError:
                    size //= 2

    def free_disk(self) -> None:
        """Give it back. A server that has gone meanwhile must be started."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        if self._disk is None:
            raise RuntimeError("this PostgreSQL has no small disk of its own, or was not started")
        return self._disk / "ballast"

    # ------------------------------------------------------------------------------------------------ copies

    def standby(self) -> "HarmablePostgres":
        """Start an asynchronous standby of this server, on a port of its own; returns when it follows."""
        follower = HarmablePostgres(self.prepared, primary=self)
        try:
            follower.start()
            wait_until(follower.follows, what="the standby follows", seconds=30)
        except BaseException:
            follower.close()
            raise
        return follower

    def follows(self) -> bool:
        """Whether it receives what the primary commits."""
        return bool(self._ask("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"))

    def fall_behind(self) -> None:
        """Let this standby hear no more of its primary: what is committed there from now on is not here."""
        for statement in ("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"):
            self._tell(statement)
        wait_until(lambda: not self.follows(), what="the standby follows no more")

    def promote(self) -> None:
        """Make this standby the primary, on a new timeline; returns when it takes writes."""
        self._tell("SELECT pg_promote(false)")
        wait_until(lambda: not self._ask("SELECT pg_is_in_recovery()"), what="the standby is promoted", seconds=30)
        self._primary = None

    def back_up(self) -> Path:
        """Copy the running server into a folder of its own; return it."""
        backup = self._folder / "backup"
        shutil.rmtree(backup, ignore_errors=True)
        make_folder(backup)
        copy_running(self._binaries, backup, port=self.port, password=self.password, standby=False)
        return backup

    def restore(self, backup: Path) -> None:
        """Go back to that backup: what was committed since is lost. The server is killed, and runs afterwards."""
        if self.alive:
            self.kill9()
        put_back(backup, self._data)
        self.start()

    # ------------------------------------------------------------------------------------------------ inside

    @property
    def _data(self) -> Path:
        return (self._disk or self._folder) / "data"

    def _fill(self) -> None:
        if self._primary is None:
            super()._fill()
        else:
            port = self._primary.port
            copy_running(self._binaries, self._data, port=port, password=self.password, standby=True)

    def _prepare(self, scratch: Scratch) -> None:
        if self.prepared.disk_megabytes is not None:
            self._disk = scratch.mount("disk", megabytes=self.prepared.disk_megabytes)
        if self.prepared.clock:
            self._clock = Clock(scratch.path / "clock")

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), **(self._clock.environment() if self._clock is not None else {})}

    def _tell(self, statement: LiteralString) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)

    def _ask(self, statement: LiteralString) -> object:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            row = connection.execute(statement).fetchone()
        return row[0] if row else None
