"""Bringing the database to the newest schema. Safe when several start at once: an advisory lock lets one work.

Replicas go on working meanwhile. A change of a table waits for whoever uses it, and everybody else then waits behind
the change: so it waits briefly, gives up as a whole, and tries again.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import OperationalError

from ticklock.domain.errors import Unready
from ticklock.store.connections import connect_once
from ticklock.store.partitions import make_ahead

OLDEST, NEWEST = 14, 18
"""PostgreSQL major versions that are supported."""

_LOCK = 7_406_283_115_022
"""Key of the advisory lock: an arbitrary number that only migrations of this project use."""

_TRIES = 10
_PAUSE_SECONDS = 1.0
_LOCK_NOT_AVAILABLE = "55P03"


def _limits(*, lock: str, statement: str, idle: str) -> str:
    """Return the statement that sets the limits of the transaction in which it runs."""
    wanted = {"lock_timeout": lock, "statement_timeout": statement, "idle_in_transaction_session_timeout": idle}
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in wanted.items())


_WAIT = text(_limits(lock="15min", statement="15min", idle="5min"))
"""While another process migrates."""
_CHANGE = text(_limits(lock="3s", statement="15min", idle="5min"))
_LOOK = text(_limits(lock="3s", statement="10s", idle="10s"))


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration found and left."""

    before: str | None
    after: str | None


def alembic_config() -> Config:
    """Return Alembic's configuration; the connection goes into its attributes."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(url: str | URL) -> Migrated:
    """Upgrade to the newest schema and make the partitions of the next months, in one transaction.

    Waits while another process migrates; then there is nothing to do. The schema of a newer release is left as it is:
    it works for this one too, until it contracts, and a rollback must be able to start.
    """
    engine = connect_once(url)
    for _ in range(_TRIES - 1):
        try:
            return _upgrade(engine)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
        time.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))
    return _upgrade(engine)


def _upgrade(engine: Engine) -> Migrated:
    with engine.begin() as connection:
        connection.execute(_WAIT)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.execute(_CHANGE)
        before = _revision(connection)
        if before is None or not _is_newer(before):
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        make_ahead(connection, connection.execute(text("SELECT clock_timestamp()")).scalar_one())
        return Migrated(before, _revision(connection))


def check(url: str | URL) -> None:
    """Raise Unready, with the mend, where the server or the schema cannot be used."""
    with connect_once(url).connect() as connection:
        connection.execute(_LOOK)
        version = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        if not OLDEST <= version <= NEWEST:
            raise Unready(f"database: PostgreSQL {version} is not supported; use {OLDEST} to {NEWEST}")
        if connection.execute(text("SHOW synchronous_commit")).scalar_one() == "off":
            raise Unready("database: synchronous_commit is off, so commits can be lost; set it to on for this database")
        found, head = _revision(connection), ScriptDirectory.from_config(alembic_config()).get_current_head()
        if found is None:
            raise Unready("database: there is no schema yet; run `ticklock migrate`")
        if found != head and not _is_newer(found):
            raise Unready(f"database: the schema is {found}, this release needs {head}; run `ticklock migrate`")


def _is_newer(found: str) -> bool:
    """Tell whether a schema is a newer release's: it is one that we do not know, and works until it contracts."""
    return all(script.revision != found for script in ScriptDirectory.from_config(alembic_config()).walk_revisions())


def _revision(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
