"""`python -m tests.model`: search every configuration; `--guards`: switch each guard off alone.

Exits with 1 where an invariant breaks with all guards on, or where a guard's absence is not found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.model import tables
from tests.model.ablations import ABLATIONS, EVERY
from tests.model.configurations import CONFIGURATIONS, LONG
from tests.model.guards import RULES
from tests.model.running import Result, searched_all
from tests.model.story import numbered
from tools.bench.figures import Measured, Sheet
from tools.bench.publishing import put


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, print, and say whether all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Search the model of the protocol.")
    parser.add_argument("--guards", action="store_true", help="switch each guard off alone")
    parser.add_argument("--stories", action="store_true", help="with --guards: tell how each of them is missed")
    parser.add_argument("--only", metavar="WORD", help="only configurations or guards with this word in their name")
    parser.add_argument("--long", action="store_true", help="the configurations that take minutes instead")
    parser.add_argument("--markdown", action="store_true", help="print the table for a page")
    parser.add_argument("--docs", type=Path, help="where figures.md is, to put what was searched into it")
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
    if options.docs:
        put(sheet(results, "configurations searched"), options.docs)
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
    if options.docs:
        put(sheet(results[: len(ABLATIONS)], "guards switched off, one at a time"), options.docs)
    for ablation, result in zip(ABLATIONS, results, strict=False):
        if options.stories:
            _tell(RULES[ablation.guard], result)
    missed = [one for one, result in zip(ABLATIONS, results, strict=False) if result.invariant != one.breaks]
    return not missed and not any(result.broken for result in results[len(ABLATIONS) :])


def sheet(results: Sequence[Result], what: str) -> Sheet:
    """Return what a search amounted to, for the page of figures."""
    broken = Counter(result.invariant for result in results if result.broken)
    rows = (
        (what, f"{len(results):,}"),
        ("states", f"{sum(result.states for result in results):,}"),
        ("transitions", f"{sum(result.transitions for result in results):,}"),
        ("seconds of CPU", f"{sum(result.seconds for result in results):,.0f}"),
        ("of these that broke an invariant", f"{broken.total():,}"),
        *((f"broke {name}", f"{count:,}") for name, count in sorted(broken.items(), key=str)),
    )
    off = "guards" in what
    name, command = ("Model without a guard", " --guards") if off else ("Model", "")
    text = "Each must break an invariant." if off else "None may break an invariant."
    return Sheet(name, text, ("what", "figure"), rows, 1, Measured.today(f"python -m tests.model{command}"))


def _print(table: tables.Table, options: argparse.Namespace) -> None:
    print(tables.markdown(table) if options.markdown else tables.plain(table))


def _tell(title: str, result: Result) -> None:
    end = result.broken or "nothing breaks"
    print(f"\n{title}, in the configuration “{result.setup.name}”:\n{numbered(result.told, end)}")


if __name__ == "__main__":
    sys.exit(main())
