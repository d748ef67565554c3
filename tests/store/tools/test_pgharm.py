"""Servers that are prepared for harm: each harm is real, and each is mended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.waiting import eventually
from tools.devcluster.faketime import HOW_TO_GET_IT, library
from tools.devcluster.pgharm import HarmablePostgres, Prepared
from tools.devcluster.scratch import CannotMount

HOUR = 3600.0
DISK_FULL = "53100"


def make(prepared: Prepared) -> Iterator[HarmablePostgres]:
    server = HarmablePostgres(prepared)
    try:
        server.start()
    except CannotMount as problem:
        pytest.skip(str(problem))
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n bigint PRIMARY KEY, filling text)")
    yield server
    server.close()


@pytest.fixture
def plain() -> Iterator[HarmablePostgres]:
    yield from make(Prepared())


def commit(server: HarmablePostgres, *numbers: int, filling: str = "") -> None:
    with psycopg.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO kept VALUES (%s, %s)", [(number, filling) for number in numbers])


def kept(server: HarmablePostgres) -> list[int]:
    with psycopg.connect(server.url) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM kept ORDER BY n").fetchall()]


def place(server: HarmablePostgres) -> tuple[str, str]:
    """The system identifier and the timeline."""
    statement = (
        "SELECT (SELECT system_identifier::text FROM pg_control_system()), "
        "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
    )
    with psycopg.connect(server.url) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_standby_that_fell_behind_and_is_promoted_lacks_the_last_commits(plain: HarmablePostgres) -> None:
    commit(plain, 1)
    standby = plain.standby()
    try:
        commit(plain, 2)
        eventually(lambda: kept(standby) == [1, 2], what="it follows")
        standby.fall_behind()
        commit(plain, 3)
        before = place(plain)
        plain.kill9()
        standby.promote()
        commit(standby, 4)
        assert kept(standby) == [1, 2, 4]
        after = place(standby)
        assert before[0] == after[0]
        assert before[1] < after[1], "a new timeline"
    finally:
        standby.close()


def test_a_restored_backup_lacks_what_was_committed_after_it(plain: HarmablePostgres) -> None:
    commit(plain, 1)
    backup = plain.back_up()
    commit(plain, 2)
    port = plain.port
    plain.restore(backup)
    assert (kept(plain), plain.port) == ([1], port)
    commit(plain, 3)


def test_a_clock_of_its_own_is_stepped_while_it_runs() -> None:
    if library() is None:
        pytest.skip(HOW_TO_GET_IT)
    with HarmablePostgres(Prepared(clock=True)) as server, psycopg.connect(server.url, autocommit=True) as connection:

        def off() -> float:
            row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            assert row is not None
            return float(row[0]) - time.time()

        for step in (0.0, HOUR, -HOUR, 0.0):
            server.clock.step(step)
            assert abs(off() - step) < 1


@pytest.fixture
def small() -> Iterator[HarmablePostgres]:
    yield from make(Prepared(disk_megabytes=256))


def test_a_full_disk_refuses_writes_until_there_is_room_again(small: HarmablePostgres) -> None:
    commit(small, 1)
    small.fill_disk()
    with pytest.raises(psycopg.Error) as refused:
        commit(small, *range(2, 2000), filling="x" * 100_000)
    assert refused.value.sqlstate in {DISK_FULL, None}, "refused for want of room, or the server has gone"
    small.free_disk()
    if not small.alive:
        small.start()
    commit(small, 9999)
    assert kept(small)[0] == 1
    assert kept(small)[-1] == 9999


def test_no_small_disk_remains_mounted(small: HarmablePostgres) -> None:
    folder = small._folder
    assert str(folder) in Path("/proc/mounts").read_text()
    small.close()
    assert str(folder) not in Path("/proc/mounts").read_text()
    assert not folder.exists()
