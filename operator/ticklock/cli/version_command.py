"""`ticklock version`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ticklock.cli.arguments import OneLineParser

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Print the version of the installed package."""
    OneLineParser(prog="ticklock version", description="Print the version.").parse_args(argv)
    try:
        print(version("ticklock"))
    except PackageNotFoundError:
        print("unknown: ticklock runs from a folder that is not installed")
    return 0
