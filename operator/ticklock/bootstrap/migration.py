"""`ticklock migrate`: apart, because it needs none of what a replica is made of, and should start fast."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from ticklock.bootstrap.asked import settings_of
from ticklock.store import migrate
from ticklock.store.session import first_line


def run_migrate(argv: Sequence[str]) -> int:
    """Bring the database to the newest schema; return the exit code."""
    settings = settings_of(argv, "ticklock migrate")
    if settings is None:
        return 2
    try:
        done = migrate.migrate(settings.sqlalchemy_url)
    except SQLAlchemyError as error:
        print(f"ticklock migrate: {settings.database_place}: {first_line(error)}", file=sys.stderr)
        return 1
    print(f"schema {done.after}" + ("" if done.before == done.after else f" (was {done.before or 'empty'})"))
    return 0
