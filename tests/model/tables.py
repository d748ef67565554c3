"""The two tables: what was searched, and what each guard is good for."""

from __future__ import annotations

from collections.abc import Sequence

from tests.model.ablations import ABLATIONS, REDUNDANT
from tests.model.guards import RULES
from tests.model.running import Result
from tests.model.setup import Setup

FAULTS = {
    "crash": "crash",
    "late": "late request",
    "error": "error answer",
    "delete": "Job deleted",
    "strip": "finalizer stripped",
    "loss": "commits lost",
    "restore": "etcd restored",
    "edit": "edit",
    "suspend": "suspension",
    "backfill": "planned again",
    "stop": "stop",
    "bury": "object deleted",
}
"""The budgets in words."""

Table = Sequence[Sequence[str]]


def faults_of(w: Setup) -> str:
    """Return what may go wrong, in words."""
    some = [(name, count) for name, count in zip(w.left._fields, w.left, strict=True) if count]
    return ", ".join(FAULTS[name] if count == 1 else f"{count} x {FAULTS[name]}" for name, count in some) or "none"


def configurations(results: Sequence[Result]) -> Table:
    """Return the table of configurations."""
    head = ("configuration", "features", "faults", "states", "transitions", "seconds", "result")
    return [head, *(_configuration(result) for result in results)]


def _configuration(result: Result) -> tuple[str, ...]:
    w = result.setup
    features = f"{w.features} (not in the code yet: {w.designed})" if w.designed else w.features
    numbers = (f"{result.states:,}", f"{result.transitions:,}", f"{result.seconds:.1f}")
    return (w.name, features, faults_of(w), *numbers, result.invariant or "holds")


def guards(results: Sequence[Result]) -> Table:
    """Return the table of guards; the results are those of `ABLATIONS`, then of `REDUNDANT`."""
    head = ("guard", "without it breaks", "steps", "configuration")
    rows = [
        (RULES[ablation.guard], result.invariant or "nothing", str(len(result.told)), ablation.setup.name)
        for ablation, result in zip(ABLATIONS, results, strict=False)
    ]
    spare = [
        (RULES[one.guard], f"{result.invariant or 'nothing'}: {one.because}", "", one.setup.name)
        for one, result in zip(REDUNDANT, results[len(ABLATIONS) :], strict=True)
    ]
    return [head, *rows, *spare]


def plain(table: Table) -> str:
    """Return a table for the terminal."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown(table: Table) -> str:
    """Return a table for a page."""
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])
