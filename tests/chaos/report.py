"""A judgement for people: a table of the rules, what was measured, and each finding with its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.chaos.case import Case
from tests.chaos.findings import Figures, Finding, Judgement, Rule, Severity
from tests.chaos.folder import plain
from tests.chaos.operations import clock

SENTENCES = {
    Rule.R0: "the history can be judged",
    Rule.R1: "at most once",
    Rule.R2: "at least once, or told why not",
    Rule.R3: "no phantom, none early",
    Rule.R4: "the records are true",
    Rule.R5: "Forbid and Replace: no overlap",
    Rule.R6: "recovery after the last heal",
    Rule.R7: "nothing left over",
}
_EMPTY: tuple[Any, ...] = (None, [], {}, "")
_SHOWN = 20
"""Findings of a rule that are written out; the others are counted."""


def written(case: Case, judgement: Judgement) -> str:
    """Return the report as text, a few screens at most."""
    return "\n".join((*_frame(case), "", *_rules(judgement), "", *_figures(judgement.figures), *_findings(judgement)))


def as_json(case: Case, judgement: Judgement) -> dict[str, Any]:
    """Return the same for programs, with every finding."""
    figures = judgement.figures
    return {
        "passed": not judgement.failures,
        "seed": case.history.meta.seed,
        "rules": {rule.value: rule not in judgement.rules for rule in Rule},
        "figures": {
            **plain(figures),
            "miss_rate": figures.miss_rate,
            "duplicate_rate": figures.duplicate_rate,
        },
        "findings": [
            {
                "rule": one.rule.value,
                "severity": one.severity.value,
                "sentence": one.sentence,
                "at": one.at,
                "schedule": one.run.schedule if one.run else None,
                "run_key": one.run.key if one.run else None,
                "evidence": [{"kind": entry.KIND, **plain(entry)} for entry in one.evidence],
            }
            for one in judgement.findings
        ],
    }


def _frame(case: Case) -> Iterator[str]:
    meta, faults = case.history.meta, case.troubles.all
    yield f"{meta.command}: seed {meta.seed}, {meta.seconds:.0f} s, {len(case.history.entries)} entries"
    names = sorted({one.name for one in faults})
    listed = f" ({', '.join(names)})" if names else ""
    yield f"{_count(len(case.lives), 'schedule')}, {_count(len(faults), 'fault') or 'no fault'}{listed}"


def _rules(judgement: Judgement) -> Iterator[str]:
    rows = []
    for rule in Rule:
        mine = [one for one in judgement.findings if one.rule is rule]
        failures = sum(one.severity is Severity.FAILURE for one in mine)
        notes = len(mine) - failures
        rows.append((rule.value, SENTENCES[rule], f"{failures} found" if failures else "holds", _count(notes, "note")))
    yield from _table(("rule", "", "", ""), rows)


def _figures(figures: Figures) -> Iterator[str]:
    yield f"owed {figures.owed}, optional {figures.optional}, started {figures.started}"
    yield f"never started {figures.missed} ({figures.miss_rate:.2%}), of these without a word {figures.lost}"
    yield f"started twice {figures.doubled} ({figures.duplicate_rate:.2%})"
    if figures.slowest_recovery is not None:
        yield f"slowest recovery {figures.slowest_recovery:.2f} s after a heal"
    yield ""
    lags = [
        (name, str(one.count), f"{one.p50:.3f}", f"{one.p99:.3f}", f"{one.most:.3f}")
        for name, one in figures.lags.items()
    ]
    yield from _table(("lag in seconds", "runs", "p50", "p99", "max"), lags)
    yield ""
    yield from _table(("ended as", "runs"), [(name, str(count)) for name, count in figures.verdicts.most_common()])


def _findings(judgement: Judgement) -> Iterator[str]:
    for rule in Rule:
        mine = [one for one in judgement.findings if one.rule is rule]
        for one in mine[:_SHOWN]:
            yield ""
            yield from _finding(one)
        if len(mine) > _SHOWN:
            yield f"… and {len(mine) - _SHOWN} more of {rule.value}; --json has them all"


def _finding(one: Finding) -> Iterator[str]:
    word = "FOUND" if one.severity is Severity.FAILURE else "note "
    when = f" [{clock(round(one.at, 3))}]" if one.at is not None else ""
    yield f"{one.rule.value} {word}{when} {one.sentence}"
    for entry in one.evidence:
        facts = {key: value for key, value in plain(entry).items() if value is not False and value not in _EMPTY}
        at, source = clock(facts.pop("at")), facts.pop("source")
        shown = " ".join(f"{key}={value}" for key, value in facts.items())
        yield f"    {at} {source} {entry.KIND} {shown}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        first, *rest = (
            cell.ljust(width) if cell[:1].isalpha() or not cell else cell.rjust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        yield "  ".join((first, *rest)).rstrip()


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}" if number else ""
