"""Bringing the database to the newest schema. Safe when several start at once: an advisory lock lets one work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.pool import NullPool

from ticklock.domain.errors import Unready
from ticklock.store.partitions import make_ahead

OLDEST, NEWEST = 14, 18
"""PostgreSQL major versions that are supported."""

_LOCK = 7_406_283_115_022
"""Key of the advisory lock: an arbitrary number that only migrations of this project use."""


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

    Waits while another process migrates; then there is nothing to do.
    """
    engine = create_engine(url, poolclass=NullPool, connect_args={"prepare_threshold": None, "connect_timeout": 10})
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = _revision(connection)
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        make_ahead(connection, connection.execute(text("SELECT clock_timestamp()")).scalar_one())
        return Migrated(before, _revision(connection))


def check(url: str | URL) -> None:
    """Raise Unready, with the mend, where the server or the schema cannot be used."""
    engine = create_engine(url, poolclass=NullPool, connect_args={"prepare_threshold": None, "connect_timeout": 10})
    with engine.connect() as connection:
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
