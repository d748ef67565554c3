"""Transactions: one connection pool, errors translated, and the gate before every decision.

Promise: a transaction that left here without an error is committed, and replicated as far as the database was told to
replicate. Anything else is an error, and says nothing about what the rows show: the answer to a commit may be lost, and
one whose wait for a synchronous standby was cut short stands in the rows, where everybody sees it, until a failover
takes it away. So nothing follows from a commit in doubt but another write, whose clean commit vouches for both.

No session state is used in SQL and no statement is prepared on the server, so PgBouncer in transaction mode may stand
in between. Nothing here is ever open across a call to Kubernetes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ticklock.domain.clock import ClockWatch, Sample
from ticklock.domain.errors import Refused, Transient, Unready
from ticklock.domain.limits import NO_LIMITS, Limits
from ticklock.domain.model import ClusterId, ReplicaId
from ticklock.domain.reasons import Reason
from ticklock.store.connections import warnings_of

log = structlog.get_logger(__name__)

INCARNATION = """(
    (SELECT system_identifier::text FROM pg_control_system())
    || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
    || '/' || extract(epoch FROM pg_postmaster_start_time())::text
    || '/' || pg_relation_filenode('clusters')::text
)"""
"""System identifier, timeline and start of the postmaster, and the file in which the table of installations lies:
another value means that commits may be lost. A dump that is loaded into a server that goes on running makes the table
anew, or empties it, and with that its file. VACUUM FULL does too, and costs a quarantine of seconds.
"""

log = structlog.get_logger(__name__)

TRANSACTION_SECONDS = 30.0
"""How long a transaction may take as a whole, by our own clock. The server's limits do not reach everywhere: one that
hangs enforces none, and a commit that waits for a synchronous standby knows no time-out."""
_STATEMENT_TIMEOUT_MS = 10_000
_TRANSIENT_STATES = ("08", "40", "53", "55", "57")
"""SQLSTATE classes: connection, rollback, resources, lock, operator intervention."""
_SCHEMA_STATES = ("3F000", "42P01", "42703")
"""No such schema, table, column."""


@dataclass(slots=True)
class Database:
    """The pool, who we are in it, and what the clock watch thinks."""

    engine: AsyncEngine
    cluster: ClusterId
    replica: ReplicaId
    pod: str
    wall: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    watch: ClockWatch = field(default_factory=ClockWatch)
    limits: Limits = NO_LIMITS
    """How many runs may wait."""
    release: int | None = None
    """How often a person has vouched for the clock, as far as this replica knows; None before its first heartbeat."""

    @asynccontextmanager
    async def transaction(self, *, seconds: float = TRANSACTION_SECONDS) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; errors leave it as Transient, Refused or, without our schema, Unready."""
        async with self._begin(seconds) as connection:
            await connection.execute(_SETTINGS)
            yield connection

    @asynccontextmanager
    async def _begin(self, seconds: float = TRANSACTION_SECONDS) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(seconds), self.engine.connect() as connection:
                heard = warnings_of(connection)
                async with connection.begin():
                    yield connection
                    heard.clear()  # What was said until now is not about the commit.
                _vouched(heard)
        except TimeoutError as error:
            raise Transient(str(error) or f"the database has not answered within {seconds:g} s") from error
        except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
            raise Transient(first_line(error)) from error
        except DBAPIError as error:
            raise translated(error) from error

    @asynccontextmanager
    async def decision(self) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
        """Open a transaction that may plan, judge or bind, and return the database's time.

        Raises Unready in quarantine and while the clock is not to be believed.
        """
        async with self._begin() as connection:
            asked = self.monotonic()
            now, highest, same, reason, *_ = (await connection.execute(_GATE, {"cluster": self.cluster})).one()
            self.observe(asked, now, highest)
            if (doubt := self.doubt) is not None:
                raise Unready(doubt)
            _refuse_unreconciled(reason, same=same)
            yield connection, now

    @asynccontextmanager
    async def reconciled(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that takes numbers from the ledger, whatever the clock says.

        Raises Unready in quarantine: a number that is given out again would count as witnessed already.
        """
        async with self._begin() as connection:
            _, _, same, reason, *_ = (await connection.execute(_GATE, {"cluster": self.cluster})).one()
            _refuse_unreconciled(reason, same=same)
            yield connection

    def observe(self, asked: float, database: datetime, highest: datetime | None) -> None:
        """Feed one reading of the database's clock to the watch, with the latest time that anybody has gone by."""
        wall = self.wall()
        self._watch_on(self.watch.seen(Sample(asked, self.monotonic(), database), wall=wall, highest=highest))

    def vouched(self, release: int) -> None:
        """Believe the clock again if a person has vouched for it since this replica last looked."""
        if self.release is not None and release > self.release and self.watch.alarmed:
            self._watch_on(self.watch.released())
        self.release = release

    @property
    def doubt(self) -> str | None:
        """Why the database's clock is not believed, in words; None where it is."""
        if not self.watch.alarmed:
            return None
        return f"{Reason.CLOCK_STEP}: the database's clock stepped by {self.watch.step.total_seconds():.1f} s"

    def _watch_on(self, watch: ClockWatch) -> None:
        former, self.watch = self.watch, watch
        if watch.alarm_since != former.alarm_since:
            step = round(watch.step.total_seconds(), 3)
            if watch.alarmed:
                log.warning("clock is not believed", reason=Reason.CLOCK_STEP.value, step_s=step)
            else:
                log.info("clock is believed again", reason=Reason.CLOCK_SETTLED.value)

    def now(self) -> datetime | None:
        """Estimate the database's time without asking; None before the first answer."""
        last = self.watch.last
        if last is None:
            return None
        return last.database + timedelta(seconds=self.monotonic() - last.answered)


def _refuse_unreconciled(reason: str | None, *, same: bool) -> None:
    if not same or reason is not None:
        raise Unready(f"{Reason.QUARANTINE}: {reason or 'the database has restarted or was replaced'}")


_LOCAL = f"""
set_config('statement_timeout', '{_STATEMENT_TIMEOUT_MS}', true), set_config('lock_timeout', '2000', true),
set_config('idle_in_transaction_session_timeout', '3000', true),
set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true)
"""
"""For this transaction only. UTC, because times read in a zone with clock changes cannot be subtracted.

A replica that is stopped in the middle of a transaction holds up every schedule whose rows it has locked, and those who
wait for them hold up theirs: hence the short times. What they end is tried again.
"""

_SETTINGS = text(f"SELECT {_LOCAL}")

_GATE = text(f"""
SELECT clock_timestamp(), c.highest_time, c.incarnation IS NOT DISTINCT FROM {INCARNATION}, c.quarantine_reason,
       {_LOCAL}
FROM (SELECT CAST(:cluster AS uuid) AS cluster) x LEFT JOIN clusters c USING (cluster)
""")  # noqa: S608 - constants of this module
"""Sets the transaction up in the same breath, and answers also where this cluster has no row yet."""


def _vouched(heard: list[str]) -> None:
    """Raise Transient where the server warned while it committed: our rows are written, but maybe not replicated.

    That is all it says when the wait for a synchronous standby is cut short, by an administrator or a pooler.
    """
    if heard:
        log.warning("commit is in doubt", cause=heard[0])
        raise Transient(f"the commit is in doubt: {heard[0]}")


def translated(error: DBAPIError) -> Transient | Refused | Unready:
    """Return what the caller must do about a database error."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state in _SCHEMA_STATES:
        return Unready(f"the database's schema is missing or too old, run `ticklock migrate`: {first_line(error)}")
    if error.connection_invalidated or not state or state[:2] in _TRANSIENT_STATES:
        return Transient(first_line(error))
    return Refused(first_line(error))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text: the rest repeats the statement and its parameters."""
    return str(error).partition("\n")[0]


def sql(statement: str) -> TextClause:
    """Return a statement. A separate name, so that every statement of the store can be found."""
    return text(statement)


Row = dict[str, Any]
