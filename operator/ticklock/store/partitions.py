"""The two tables that only grow, audit trail and JobLogs, lie in partitions of a month: made ahead, dropped whole.

Promise: this month and the three after it have a partition, and whatever else comes goes into the default one, so no
insert ever fails for want of a place. A partition is dropped only when all of it is older than what each cluster that
uses the database wants to keep. Not promised: that a row goes on its day. It goes with its month.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.store.session import Database, sql
from ticklock.store.terms import fence

log = structlog.get_logger(__name__)

_AHEAD = 3
"""Months with a partition beyond the present one."""
_BATCH = 5_000
_LOCK = 7_406_283_115_023
"""Key of the advisory lock: the leaders of several clusters may share a database."""
_IMPATIENCE = "250ms"
"""While a partition waits to be dropped, nobody can write to its table: give up soon, try again later."""


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table in partitions: the column that decides, and whose wish says how long its rows are kept."""

    table: str
    key: str
    wish: str

    @property
    def rest(self) -> str:
        """The partition for whatever has no other."""
        return f"{self.table}_default"

    def partition(self, month: datetime) -> str:
        """Return the name of a month's partition."""
        return f"{self.table}_{month:%Y_%m}"

    def month(self, partition: str) -> datetime | None:
        """Return the month of a partition that we made; None for any other table."""
        found = re.fullmatch(rf"{self.table}_(\d{{4}})_(0[1-9]|1[0-2])", partition)
        return datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC) if found else None


TABLES = (
    Partitioned("run_events", "timestamp", "audit_keep_days"),
    Partitioned("job_logs", "created_time", "job_logs_keep_days"),
)

_PARTITIONS = sql("""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(:table) ORDER BY c.relname
""")

_ALONE = sql("SELECT pg_advisory_xact_lock(:key)")
_BE_IMPATIENT = sql(f"SELECT set_config('lock_timeout', '{_IMPATIENCE}', true)")

_WISH = sql("""
UPDATE clusters SET audit_keep_days = :audit, job_logs_keep_days = :job_logs
WHERE cluster = :cluster AND (audit_keep_days, job_logs_keep_days) IS DISTINCT FROM (:audit, :job_logs)
""")

_WISHES = sql("""
SELECT max(audit_keep_days) AS audit_keep_days, max(job_logs_keep_days) AS job_logs_keep_days FROM clusters
""")

_OLD_CLOSURES = sql("""
DELETE FROM closures WHERE cluster = :cluster AND opened_at < clock_timestamp() - CAST(:audit AS interval)
""")


def is_partition(name: str) -> bool:
    """Tell whether a table is a partition that belongs to this module."""
    return any(name == one.rest or one.month(name) is not None for one in TABLES)


async def make_partitions(db: Database, epoch: int) -> list[str]:
    """Make the partitions that are missing; return their names."""
    async with db.decision() as (connection, now):
        await fence(connection, db, epoch)
        made = await connection.run_sync(make_ahead, now)
    if made:
        log.info("partitions made", partitions=made)
    return made


def make_ahead(connection: Connection, now: datetime) -> list[str]:
    """Do so within a transaction."""
    if not any(_missing(connection, one, now) for one in TABLES):
        return []
    connection.execute(_ALONE, {"key": _LOCK})
    return [_make(connection, one, month) for one in TABLES for month in _missing(connection, one, now)]


def _missing(connection: Connection, one: Partitioned, now: datetime) -> list[datetime]:
    there = _standing(connection, one)
    return [month for month in months(now, 1 + _AHEAD) if one.partition(month) not in there]


def _standing(connection: Connection, one: Partitioned) -> list[str]:
    return [name for (name,) in connection.execute(_PARTITIONS, {"table": one.table})]


def months(now: datetime, count: int) -> Iterator[datetime]:
    """Yield the beginning of this month, in UTC, and of those that follow."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(count):
        yield first
        first = _next_month(first)


def _next_month(month: datetime) -> datetime:
    return (month + timedelta(days=31)).replace(day=1)


def _make(connection: Connection, one: Partitioned, month: datetime) -> str:
    """Make a partition beside the table and attach it, which lets others go on writing; see to what came too early."""
    name, rest, key = one.partition(month), one.rest, one.key
    begin, end = f"'{month:%F %T}+00'", f"'{_next_month(month):%F %T}+00'"
    early = f"DELETE FROM {rest} WHERE {key} >= {begin} AND {key} < {end} RETURNING *"  # noqa: S608 - all made here
    for statement in (
        f"LOCK TABLE ONLY {one.table} IN SHARE UPDATE EXCLUSIVE MODE",
        f"LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE {one.table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH early AS ({early}) INSERT INTO {name} SELECT * FROM early",  # noqa: S608 - the same
        f"ALTER TABLE {one.table} ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({end})",
    ):
        connection.execute(text(statement))
    return name


async def audit_from(connection: AsyncConnection) -> datetime | None:
    """Return from when on the audit trail is whole, as far as months go; None where it has none."""
    audit = TABLES[0]
    names = await connection.execute(_PARTITIONS, {"table": audit.table})
    return min((month for (name,) in names if (month := audit.month(name)) is not None), default=None)


async def drop_partitions(db: Database, epoch: int, *, audit: timedelta, job_logs: timedelta) -> list[str]:
    """Note what this cluster wants kept, and drop what no cluster of the database does; return the names.

    The closures of its gate, which are few, go by their day.
    """
    async with db.decision() as (connection, now):
        await fence(connection, db, epoch)
        await connection.execute(_BE_IMPATIENT)
        await connection.execute(_WISH, {"cluster": db.cluster, "audit": audit.days, "job_logs": job_logs.days})
        dropped = await connection.run_sync(_drop_old, now)
        await connection.execute(_OLD_CLOSURES, {"cluster": db.cluster, "audit": audit})
    if dropped:
        log.info("partitions dropped", partitions=dropped)
    return dropped


def _drop_old(connection: Connection, now: datetime) -> list[str]:
    wishes = connection.execute(_WISHES).mappings().one()
    dropped = []
    for one in TABLES:
        oldest = now - timedelta(days=wishes[one.wish])
        for name in _standing(connection, one):
            month = one.month(name)
            if month is not None and _next_month(month) <= oldest:
                connection.execute(text(f"DROP TABLE {name}"))
                dropped.append(name)
        _empty_rest(connection, one, oldest)
    return dropped


def _empty_rest(connection: Connection, one: Partitioned, oldest: datetime) -> None:
    """Delete a batch of what is too old and has no partition that could be dropped."""
    statement = text(
        f"DELETE FROM {one.rest} WHERE ctid = ANY(ARRAY("  # noqa: S608 - names of this module
        f"SELECT ctid FROM {one.rest} WHERE {one.key} < :oldest LIMIT :limit))"
    )
    connection.execute(statement, {"oldest": oldest, "limit": _BATCH})
