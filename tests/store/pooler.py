"""Debian's PgBouncer in transaction mode, in front of a PostgreSQL of the tests."""

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from tools.devcluster.postgres import Postgres
from tools.devcluster.process import Account, Daemon, free_port, wait_until
from tools.devcluster.scratch import Scratch

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
"""


@contextmanager
def pooled(server: Postgres, url: str) -> Iterator[str]:
    """Lend the URL of the same database behind three connections that all clients share, a transaction at a time."""
    if PROGRAM is None:
        raise FileNotFoundError("pgbouncer is not installed: apt-get install pgbouncer")
    port = free_port()
    account = _unprivileged()
    with Scratch("pgbouncer") as scratch:
        configuration = scratch.path / "pgbouncer.ini"
        text = _CONFIGURATION.format(server_port=server.port, password=server.password, port=port)
        configuration.write_text(text)
        configuration.chmod(0o600)
        if account is not None:
            os.chown(configuration, account.uid, account.gid)
        daemon = Daemon("pgbouncer", [PROGRAM, str(configuration)], scratch.path / "pgbouncer.log", account=account)
        daemon.start()
        try:
            mine = url.replace(f":{server.port}/", f":{port}/")
            wait_until(lambda: _answers(mine), what="PgBouncer answers", daemons=[daemon])
            yield mine
        finally:
            daemon.stop()


def _unprivileged() -> Account | None:
    """Return whom it runs under: it refuses to be root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2) as connection:
        connection.execute("SELECT 1")
        return True
    return False
