"""`generate | check`, the command line of every folder here that writes files from others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def run(
    package: str,
    description: str | None,
    *,
    generate: Callable[[], Sequence[Path]],
    outdated: Callable[[], Sequence[Path]],
    total: int,
) -> int:
    """Do what the arguments ask for; the exit code of `check` is 1 where a file is out of date."""
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    parser.add_argument("mode", choices=["generate", "check"])
    if parser.parse_args().mode == "generate":
        for path in generate():
            print(f"written: {path}")
        return 0
    stale = outdated()
    for path in stale:
        print(f"{path} is out of date; run: python -m {package} generate", file=sys.stderr)
    print(f"{total - len(stale)} of {total} files are up to date")
    return 1 if stale else 0
