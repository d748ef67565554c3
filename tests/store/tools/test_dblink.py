"""The proxy between replicas and PostgreSQL: what it does to a COMMIT, and to a connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.chaos.dblink import CommitFault, CommitHarm, DatabaseLink
from tests.support.proxy import Way
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tools.devcluster.postgres import Postgres


@pytest.fixture
def link(postgres: Postgres, empty_database: str) -> Iterator[DatabaseLink]:
    with psycopg.connect(empty_database) as direct:
        direct.execute("CREATE TABLE notes (note text)")
    with DatabaseLink(postgres.port) as running:
        yield running


@pytest.fixture
def through(link: DatabaseLink, postgres: Postgres, empty_database: str) -> str:
    """The URL of the database by way of the link."""
    return empty_database.replace(f":{postgres.port}/", f":{link.port}/")


def write(url: str, note: str) -> None:
    with psycopg.connect(url, prepare_threshold=None, connect_timeout=5) as connection:
        connection.execute("INSERT INTO notes VALUES (%s)", [note])


def notes(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [note for (note,) in connection.execute("SELECT note FROM notes ORDER BY note")]


def test_what_nobody_harms_goes_through(through: str, empty_database: str) -> None:
    write(through, "unharmed")
    assert notes(through) == notes(empty_database) == ["unharmed"]


HARMS = [
    pytest.param(CommitHarm.LOSE, ["mine"], id="is taken by the server although its answer is lost"),
    pytest.param(CommitHarm.CUT, [], id="never arrives where the connection breaks before"),
]


@pytest.mark.parametrize(("harm", "left"), HARMS)
def test_a_commit(link: DatabaseLink, through: str, empty_database: str, *, harm: CommitHarm, left: list[str]) -> None:
    fault = link.harm(CommitFault("INSERT INTO notes", harm))
    with pytest.raises(psycopg.OperationalError):
        write(through, "mine")
    assert fault.hits == 1
    assert fault.committed == [True] * len(left)
    assert notes(empty_database) == left
    write(through, "after")
    assert notes(through) == ["after", *left]


def test_a_commit_is_delivered_after_its_client_has_given_up(
    link: DatabaseLink, through: str, empty_database: str
) -> None:
    fault = link.harm(CommitFault("INSERT", CommitHarm.DELAY))
    with pytest.raises(psycopg.OperationalError):
        write(through, "belated")
    assert notes(empty_database) == []
    fault.deliver.set()
    eventually(lambda: fault.committed == [True], what="it is delivered")
    assert notes(empty_database) == ["belated"]


def test_a_commit_is_held_and_then_answered(link: DatabaseLink, through: str, empty_database: str) -> None:
    fault = link.harm(CommitFault("INSERT", CommitHarm.HOLD))
    writing = threading.Thread(target=write, args=(through, "held"))
    writing.start()
    eventually(lambda: fault.hits == 1, what="it is held")
    assert notes(empty_database) == []
    fault.deliver.set()
    writing.join(10)
    assert notes(empty_database) == ["held"]


def test_a_commit_of_another_transaction_is_left_alone(link: DatabaseLink, through: str) -> None:
    fault = link.harm(CommitFault("UPDATE notes", CommitHarm.LOSE))
    write(through, "mine")
    assert notes(through) == ["mine"]
    assert fault.hits == 0


@pytest.mark.parametrize(
    "way", [pytest.param(Way.THERE, id="towards the server"), pytest.param(Way.BACK, id="towards the client")]
)
def test_silence_is_no_break_until_it_is_healed(link: DatabaseLink, through: str, way: Way) -> None:
    failures: list[Exception] = []

    def ask(connection: psycopg.Connection) -> None:
        try:
            connection.execute("SELECT 1")
        except psycopg.OperationalError as failure:
            failures.append(failure)

    with psycopg.connect(through, autocommit=True) as connection:
        link.silence(way)
        asking = threading.Thread(target=ask, args=(connection,))
        asking.start()
        asking.join(0.3)
        assert asking.is_alive()
        assert not failures
        link.heal()
        asking.join(10)
        assert failures
    write(through, "after")


def test_all_connections_break_at_once(link: DatabaseLink, through: str) -> None:
    with psycopg.connect(through, autocommit=True) as one, psycopg.connect(through, autocommit=True) as two:
        link.drop()
        for connection in (one, two):
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
