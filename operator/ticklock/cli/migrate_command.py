"""`ticklock migrate`: the database's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Bring the schema up to date; the arguments are settings."""
    from ticklock.bootstrap.migration import run_migrate

    return run_migrate(argv)
