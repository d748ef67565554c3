"""Command line: `python -m tests.oracle`: random expressions, zones and years, beside the oracle."""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from tests.oracle.agreement import differences, years

_EACH = 250
"""Expressions for each year that was walked through."""


def main() -> int:
    """Compare, print each difference, return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--expressions", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed compares the same (default: 1)")
    options = parser.parse_args()
    chance, began, wrong = Random(options.seed), time.monotonic(), 0
    for number, year in enumerate(years(chance, -(-options.expressions // _EACH)), start=1):
        for difference in differences(year, chance, min(_EACH, options.expressions - (number - 1) * _EACH)):
            wrong += 1
            print(difference)
    took = time.monotonic() - began
    print(f"{options.expressions} expressions in {number} years of zones: {wrong} differences, {took:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
