"""What the pages say to PostgreSQL: how a database is made, backed up and restored."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.store.losses import reconcile_all
from tests.store.makers import declared
from tests.store.world import World, ending
from tests.support.waiting import eventually
from tests.unit.docs.pages import ROOT, blocks, invocations
from ticklock.domain.errors import Unready
from ticklock.store.migrate import check, migrate
from tools.devcluster.pgbinaries import find_postgres
from tools.devcluster.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HOWTO = ROOT / "docs" / "howto"
BACKUP, EXTERNAL = HOWTO / "backup-and-restore.md", HOWTO / "external-postgresql.md"
USER = DATABASE = "ticklock"


@pytest.fixture
def server() -> Iterator[Postgres]:
    with Postgres() as started:
        yield started


def run(server: Postgres, program: str, arguments: Sequence[str], *, stdin: bytes = b"") -> bytes:
    """Run a program of PostgreSQL as the page does in the server's own pod, where no host needs to be named."""
    env = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGPASSWORD": server.password}
    command = [find_postgres(server.major).program(program), *arguments]
    done = subprocess.run(command, input=stdin, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def call(page: Path, program: str) -> list[str]:
    """The one way in which the page calls it."""
    (found,) = [one for one in invocations(page, program) if one]
    return found


def url(server: Postgres) -> str:
    return server.url_of(DATABASE).replace("//postgres:", f"//{USER}:")


def test_the_statements_of_the_page_make_a_database_that_is_enough(server: Postgres) -> None:
    (statements,) = blocks(EXTERNAL, "sql")
    with psycopg.connect(server.url, autocommit=True) as connection:
        for statement in statements.split(";"):
            connection.execute(statement.encode())
        connection.execute(f"ALTER ROLE {USER} PASSWORD '{server.password}'".encode())
    migrate(url(server))
    check(url(server))


def as_the_chart_makes_it(server: Postgres) -> None:
    """The user of the public image is the first one of its server, hence a superuser."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {USER} SUPERUSER LOGIN PASSWORD '{server.password}'".encode())
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}".encode())
    migrate(url(server))


def in_use(server: Postgres) -> bool:
    with psycopg.connect(server.url) as connection:
        asked = connection.execute("SELECT FROM pg_stat_activity WHERE datname = %s", [DATABASE])
        return bool(asked.fetchall())


async def test_a_dump_that_is_restored_as_the_page_says_is_noticed(server: Postgres) -> None:
    """The server goes on running: nothing but the file of the table tells the past from the present."""
    as_the_chart_makes_it(server)
    item = declared(expression="@every 1h")  # so that no tick is overdue, however long a dump takes
    world = await World(url(server)).open(item)
    await world.plan(timedelta(hours=1))
    dump = run(server, "pg_dump", call(BACKUP, "pg_dump"))
    await world.ledger.pulse(leading=True)  # a leader that was silent while the dump was made binds nothing unseen
    bound = await world.run_first()
    await world.ledger.record([ending(bound)])
    await world.close()
    eventually(lambda: not in_use(server), what="the server knows that nobody uses the database")
    run(server, "pg_restore", call(BACKUP, "pg_restore"), stdin=dump)

    older = World(url(server), world.cluster)
    try:
        (row,) = await older.attempts(item)
        assert row.state == "planned", "the launch was lost"
        assert (await older.ledger.pulse(leading=True)).quarantined is not None
        older.epoch = await older.ledger.open_term()
        with pytest.raises(Unready, match="restarted or was replaced"):
            await older.plan()
        await reconcile_all(older, [], [replace(item, witness=row.scheduled_time, ledger_seq=1)])
        assert (await older.attempts(item))[0].state == "Unknown", "its witness covers it: it is not launched again"
    finally:
        await older.close()
