"""Faults of the database server."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

import psycopg

from tests.chaos.faults.fault import Details, Need, fault
from tests.chaos.history import Target
from tools.devcluster.process import wait_until

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground

HOUR = 3600.0


@fault(Target.DATABASE, hold=(0, 8))
def database_killed(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGKILL to PostgreSQL and all its backends, as when its machine loses power; it recovers when it is started."""
    ground.database.kill9()
    yield {}
    ground.database.start()


@fault(Target.DATABASE, hold=(0, 0))
def database_restarted(ground: Ground, dice: Random) -> Iterator[Details]:
    """PostgreSQL is restarted politely: every connection breaks, nothing is lost."""
    ground.database.restart()
    yield {}


@fault(Target.DATABASE, hold=(5, 15))
def database_paused(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGSTOP to PostgreSQL and all its backends: connections are accepted, and nothing is answered."""
    ground.database.pause()
    yield {}
    ground.database.resume()


@fault(Target.DATABASE, hold=(5, 15))
def connections_exhausted(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody else takes every connection that the server has, and those of the replicas break."""
    url = ground.database.url
    with contextlib.ExitStack() as taken:
        killer = taken.enter_context(psycopg.connect(url, autocommit=True))
        count = 1 + _take_all(url, taken)
        for _ in range(3):  # each place that becomes free is taken before its owner is back
            killer.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ticklock'")
            count += _take_all(url, taken)
        yield {"connections": count}


def _take_all(url: str, taken: contextlib.ExitStack) -> int:
    """Open connections until there is none to be had; return how many."""
    for count in itertools.count():
        try:
            taken.enter_context(psycopg.connect(url))
        except psycopg.OperationalError:
            return count
    return 0


@fault(Target.DATABASE, hold=(5, 12))
def locks_held(ground: Ground, dice: Random) -> Iterator[Details]:
    """A client that is gone without a word holds row locks on all that is to be decided, in an open transaction."""
    with psycopg.connect(ground.database.url_of(ground.database_name)) as connection:
        connection.execute("SET lock_timeout = '5s'")
        connection.execute("SELECT 1 FROM schedule_state ORDER BY uid FOR UPDATE")
        planned = connection.execute("SELECT 1 FROM attempts WHERE state = 'planned' FOR UPDATE SKIP LOCKED").fetchall()
        yield {"locked": len(planned)}
        connection.rollback()


@fault(Target.DATABASE, Need.SMALL_DISK, hold=(4, 10))
def database_disk_full(ground: Ground, dice: Random) -> Iterator[Details]:
    """The disk of PostgreSQL is full, for tables and WAL; the server may go of it. Then there is room again."""
    server = ground.database
    server.fill_disk()
    with contextlib.suppress(psycopg.Error), psycopg.connect(server.url, autocommit=True, connect_timeout=5) as one:
        one.execute("SELECT pg_switch_wal()")  # the next file must be made, and cannot be
    yield {}
    server.free_disk()
    if not server.alive:
        server.start()
    wait_until(server.answers, what="PostgreSQL answers again", seconds=30)


@fault(Target.DATABASE, hold=(3, 10), lost_commits=True)
def failover_that_loses_commits(ground: Ground, dice: Random) -> Iterator[Details]:
    """The primary is lost after its asynchronous standby has fallen behind; the standby is promoted and takes over."""
    old = ground.database
    standby = old.standby()
    standby.fall_behind()
    yield {}
    old.kill9()
    standby.promote()
    ground.fail_over_to(standby)
    old.close()


@fault(Target.DATABASE, hold=(3, 12), lost_commits=True)
def database_restored(ground: Ground, dice: Random) -> Iterator[Details]:
    """PostgreSQL is set back to a backup that is some seconds old."""
    backup = ground.database.back_up()
    yield {}
    ground.database.restore(backup)


@fault(Target.CLOCK, Need.DATABASE_CLOCK, hold=(6, 12))
def database_clock_ahead(ground: Ground, dice: Random) -> Iterator[Details]:
    """The clock of PostgreSQL steps forward by an hour, and back."""
    ground.database.clock.step(HOUR)
    yield {"seconds": HOUR}
    ground.database.clock.step(0)


@fault(Target.CLOCK, Need.DATABASE_CLOCK, hold=(6, 12))
def database_clock_behind(ground: Ground, dice: Random) -> Iterator[Details]:
    """The clock of PostgreSQL steps back by an hour, and forward again."""
    ground.database.clock.step(-HOUR)
    yield {"seconds": -HOUR}
    ground.database.clock.step(0)
