"""A streaming standby of one of our PostgreSQL servers, made by pg_basebackup.

Promise: after `start` it streams from its primary, and it can be read. Whether commits wait for it is the primary's
setting: `wait_for_standbys`.
"""

import psycopg
from psycopg import sql

from tools.devcluster.pgdata import copy_running
from tools.devcluster.postgres import Postgres
from tools.devcluster.process import wait_until


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

    def _fill(self) -> None:
        copy_running(self._binaries, self._data, port=self._primary.port, password=self._primary.password, standby=True)

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
