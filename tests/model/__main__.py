"""`python -m tests.model`: search every configuration; `--guards`: switch each guard off alone.

Exits with 1 where an invariant breaks with all guards on, or where a guard's absence is not found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.model import tables
from tests.model.ablations import ABLATIONS, EVERY
from tests.model.configurations import CONFIGURATIONS, LONG
from tests.model.guards import RULES
from tests.model.running import Result, searched_all
from tests.model.story import numbered


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, print, and say whether all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Search the model of the protocol.")
    parser.add_argument("--guards", action="store_true", help="switch each guard off alone")
    parser.add_argument("--stories", action="store_true", help="with --guards: tell how each of them is missed")
    parser.add_argument("--only", metavar="WORD", help="only configurations or guards with this word in their name")
    parser.add_argument("--long", action="store_true", help="the configurations that take minutes instead")
    parser.add_argument("--markdown", action="store_true", help="print the table for a page")
    parser.add_argument("--processes", type=int, default=2, choices=(1, 2))
    options = parser.parse_args(arguments)
    began = time.monotonic()
    right = _guards(options) if options.guards else _configurations(options)
    print(f"\n{time.monotonic() - began:.0f} s, {'as it must be' if right else 'NOT AS IT MUST BE'}", file=sys.stderr)
    return 0 if right else 1


def _configurations(options: argparse.Namespace) -> bool:
    table = LONG if options.long else CONFIGURATIONS
    setups = [w for w in table if not options.only or options.only in w.name]
    results = searched_all(setups, processes=options.processes)
    _print(tables.configurations(results), options)
    broken = [result for result in results if result.broken]
    for result in broken:
        _tell(result.setup.name, result)
    return not broken


def _guards(options: argparse.Namespace) -> bool:
    if options.only:
        chosen = [one for one in EVERY if options.only in one.guard]
        results = searched_all([one.without for one in chosen], processes=options.processes)
        for one, result in zip(chosen, results, strict=True):
            _tell(RULES[one.guard], result)
        return True
    results = searched_all([one.without for one in EVERY], processes=options.processes)
    _print(tables.guards(results), options)
    for ablation, result in zip(ABLATIONS, results, strict=False):
        if options.stories:
            _tell(RULES[ablation.guard], result)
    missed = [one for one, result in zip(ABLATIONS, results, strict=False) if result.invariant != one.breaks]
    return not missed and not any(result.broken for result in results[len(ABLATIONS) :])


def _print(table: tables.Table, options: argparse.Namespace) -> None:
    print(tables.markdown(table) if options.markdown else tables.plain(table))


def _tell(title: str, result: Result) -> None:
    end = result.broken or "nothing breaks"
    print(f"\n{title}, in the configuration “{result.setup.name}”:\n{numbered(result.told, end)}")


if __name__ == "__main__":
    sys.exit(main())
