"""What the runs under faults have shown, put into docs/figures.md: `python -m tests.chaos.publish WHAT FOLDER …`.

Everything is judged again from the histories in the folders; nothing is copied from what was printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.chaos import sheets
from tools.bench.publishing import DOCS, put

KINDS = {
    "soak": sheets.soak,
    "matrix": sheets.matrix,
    "guards": sheets.guards,
    "contenders": sheets.contenders,
}


def main(argv: list[str]) -> int:
    """Judge, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.publish", description=__doc__)
    parser.add_argument("what", choices=KINDS, help="what was run")
    parser.add_argument("folders", nargs="+", type=Path, help="the kept histories")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where figures.md and figures.json stand")
    asked = parser.parse_args(argv)
    for sheet in KINDS[asked.what](asked.folders):
        put(sheet, asked.docs)
        sys.stdout.write(f"{sheet.name}: {len(sheet.rows)} lines\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
