"""`ticklock migrate`: apart, because it needs none of what a replica is made of, and should start fast."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from ticklock.bootstrap.asked import settings_of
from ticklock.settings import Settings
from ticklock.store import migrate
from ticklock.store.session import first_line

_RETRY_SECONDS = 1.0


def run_migrate(argv: Sequence[str]) -> int:
    """Bring the database to the newest schema; return the exit code."""
    settings = settings_of(argv, "ticklock migrate")
    if settings is None:
        return 2
    try:
        done = _patiently(settings)
    except SQLAlchemyError as error:
        print(f"ticklock migrate: {settings.database_place}: {first_line(error)}", file=sys.stderr)
        return 1
    print(f"schema {done.after}" + ("" if done.before == done.after else f" (was {done.before or 'empty'})"))
    return 0


def _patiently(settings: Settings) -> migrate.Migrated:
    """Migrate; as long as we are to wait, a connection that cannot be made is tried again."""
    deadline = time.monotonic() + settings.migrate_wait_seconds
    told = ""
    while True:
        try:
            return migrate.migrate(settings.sqlalchemy_url)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) is not None or time.monotonic() >= deadline:
                raise
            if (cause := first_line(error)) != told:
                print(f"ticklock migrate: waiting for {settings.database_place}: {cause}", file=sys.stderr)
                told = cause
        time.sleep(_RETRY_SECONDS)
