"""`ticklock controller`: one replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Run a replica until it is told to stop; the arguments are its settings."""
    from ticklock.bootstrap.controller import run_controller

    return run_controller(argv)
