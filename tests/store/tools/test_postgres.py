"""The PostgreSQL that all other tests stand on."""

from pathlib import Path

import psycopg
import pytest

from tests.support.databases import MAJORS, TestServer
from tools.devcluster.pgbinaries import find_postgres
from tools.devcluster.postgres import Postgres


def value(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_the_server_is_of_the_major_version_asked_for(server: TestServer) -> None:
    assert str(value(server.postgres.url, "SHOW server_version")).startswith(str(server.postgres.major))


def test_it_listens_on_127_0_0_1_only_and_asks_for_the_password(postgres: Postgres) -> None:
    assert value(postgres.url, "SHOW listen_addresses") == "127.0.0.1"
    assert value(postgres.url, "SHOW unix_socket_directories") == ""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace(postgres.password, "wrong"))


def test_a_server_of_ones_own_keeps_what_was_committed_when_it_is_killed(own_postgres: Postgres) -> None:
    assert value(own_postgres.url, "SHOW fsync") == "on"
    port = own_postgres.port
    with psycopg.connect(own_postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    own_postgres.kill9()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own_postgres.url)
    own_postgres.start()
    assert own_postgres.port == port
    assert value(own_postgres.url, "SELECT answer FROM kept") == 42
    own_postgres.restart()
    assert value(own_postgres.url, "SELECT answer FROM kept") == 42


def test_a_copy_of_a_template_holds_what_the_template_held(postgres: Postgres) -> None:
    template = postgres.create_database()
    with psycopg.connect(postgres.url_of(template)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    copy = postgres.create_database(template=template)
    try:
        assert value(postgres.url_of(copy), "SELECT answer FROM kept") == 42
    finally:
        postgres.drop_database(copy)
        postgres.drop_database(template)


def test_nothing_of_it_remains() -> None:
    with Postgres(fsync=False) as postgres:
        data, pid = Path(str(value(postgres.url, "SHOW data_directory"))), postgres.pid
        assert data.exists()
    assert not data.parent.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_major_version_that_is_not_there_is_named_with_how_to_get_it() -> None:
    with pytest.raises(FileNotFoundError, match=r"PostgreSQL 9 is not at hand.*apt-get install postgresql-9"):
        find_postgres(9)
