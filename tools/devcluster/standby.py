"""A streaming standby of one of our PostgreSQL servers, made by pg_basebackup.

Promise: after `start` it streams from its primary, and it can be read. Whether commits wait for it is the primary's
setting: `wait_for_standbys`.
"""

import os
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from tools.devcluster.postgres import Postgres
from tools.devcluster.process import Account, wait_until


class Standby(Postgres):
    """Use it as a context manager, inside that of its primary."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__(major=primary.major, fsync=False)
        self.password = primary.password
        self._primary = primary

    def start(self) -> None:
        """Start it. Returns when it streams."""
        super().start()
        wait_until(self._streams, what="the standby streams", daemons=[], seconds=30)

    def take_over(self) -> None:
        """Start it where it does not run, and make it a primary on a new timeline; returns when it takes writes."""
        if not self.alive:
            super().start()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote(true, 30)")

    def _initdb(self, password: Path, account: Account | None) -> None:
        del password  # it comes with the data
        command = [self._binaries.program("pg_basebackup"), "--pgdata", str(self._data), "--dbname", self._primary.url]
        done = subprocess.run(
            [*command, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": os.defpath, "TZ": "UTC"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode != 0:
            raise RuntimeError(f"pg_basebackup of PostgreSQL {self.major} failed:\n{done.stdout}{done.stderr}")

    def _streams(self) -> bool:
        with psycopg.connect(self._primary.url) as connection:
            found = connection.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
        return found == (1,)


def wait_for_standbys(primary: Postgres, names: str) -> None:
    """Let commits wait for the standbys so named: `*` for any one, nothing for none."""
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(names)))
        connection.execute("SELECT pg_reload_conf()")
    wait_until(lambda: _names(primary) == names, what="the setting is in force", seconds=10)


def _names(primary: Postgres) -> str:
    with psycopg.connect(primary.url) as connection:
        (value,) = connection.execute("SHOW synchronous_standby_names").fetchone() or ("",)
    return str(value)
