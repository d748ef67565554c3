"""`python -m tests.chaos.timeline FOLDER`: draw a history as one HTML file that needs nothing else.

A lane for each schedule: what was owed, what started and for how long, verdicts, what people did; above them the
faults; and a ring around each finding, linked to its sentence. Zoom with the slider or the keys + and -.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tests.chaos.case import Case
from tests.chaos.drawing import BAND, Scale, axis, bands, lanes
from tests.chaos.findings import Finding, Judgement, Rule, Severity
from tests.chaos.folder import HistoryError, load
from tests.chaos.judge import judge
from tests.chaos.operations import clock
from tests.chaos.report import SENTENCES

FILE = "timeline.html"
_PAGE = Path(__file__).parent / "page"
_LEGEND = (
    ("owed", "│ owed"),
    ("optional", "┊ in doubt"),
    ("Completed", "▬ ran, completed"),
    ("Failed", "▬ failed"),
    ("Stopped", "▬ stopped"),
    ("Open", "▬ open"),
    ("Missed", "◆ missed"),
    ("Skipped", "◆ skipped"),
    ("Unknown", "◆ unknown"),
    ("op", "▾ somebody asked"),
    ("lag", "─ late"),
)


def page(case: Case, judgement: Judgement) -> str:
    """Return the whole document."""
    style, script = ((_PAGE / name).read_text() for name in ("timeline.css", "timeline.js"))
    title = escape(f"{case.history.meta.command}, seed {case.history.meta.seed}")
    body = "\n".join((*_head(case, judgement, title), *_findings(judgement), _bar(), _frame(case, judgement)))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head><body>\n{body}\n<script>{script}</script></body></html>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, judge, draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.timeline", description="Draw a history as HTML.")
    parser.add_argument("folder", type=Path, help="where history.jsonl and meta.json are")
    parser.add_argument("--out", type=Path, help=f"the file to write; {FILE} in the folder unless given")
    options = parser.parse_args(arguments)
    try:
        case = Case(load(options.folder))
    except HistoryError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - a command talks on the terminal
        return 2
    out: Path = options.out or options.folder / FILE
    out.write_text(page(case, judge(case)), encoding="utf-8")
    print(out)  # noqa: T201 - a command prints its answer
    return 0


def _head(case: Case, judgement: Judgement, title: str) -> Iterator[str]:
    failures = len(judgement.failures)
    word = f"{failures} finding{'s' * (failures != 1)}" if failures else "nothing found"
    figures = judgement.figures
    yield f'<h1>{title} <span class="verdict{" failed" * bool(failures)}">{word}</span></h1>'
    seconds = f"{case.history.meta.seconds:.0f} s"
    yield (
        f'<p class="dim">{seconds}, {len(case.lives)} schedules, {len(case.troubles.all)} faults; '
        f"owed {figures.owed}, in doubt {figures.optional}, started {figures.started}, never started {figures.missed} "
        f"({figures.miss_rate:.2%}), lost {figures.lost}, started twice {figures.doubled}</p>"
    )
    rules = ((rule.value, SENTENCES[rule], "broken" if rule in judgement.rules else "holds") for rule in Rule)
    lags = (
        (name, one.count, f"{one.p50:.2f}", f"{one.p99:.2f}", f"{one.most:.2f}") for name, one in figures.lags.items()
    )
    yield '<div class="facts">'
    yield _table(("rule", "", ""), rules)
    yield _table(("lag in seconds", "runs", "p50", "p99", "max"), lags)
    yield _table(("ended as", "runs"), figures.verdicts.most_common())
    yield "</div>"


def _findings(judgement: Judgement) -> Iterator[str]:
    if not judgement.findings:
        return
    yield "<h2>Findings</h2><ol>"
    for number, one in enumerate(judgement.findings, start=1):
        when = f"[{clock(round(one.at, 3))}] " if one.at is not None else ""
        note = "note: " if one.severity is Severity.NOTE else ""
        text = escape(f"{one.rule.value} {when}{note}{one.sentence}")
        yield f'<li id="finding-{number}" class="{one.severity.value}"><a href="#mark-{number}">{text}</a></li>'
    yield "</ol>"


def _bar() -> str:
    legend = "".join(f"<span>{_sample(kind, text)}</span>" for kind, text in _LEGEND)
    return (
        '<div class="bar"><button id="out">&minus;</button>'
        '<input id="zoom" type="range" min="0" max="8" step="0.1" value="0" aria-label="zoom">'
        '<button id="in">+</button><button id="fit">fit</button>'
        f'<span class="legend dim">{legend}</span></div>'
    )


def _sample(kind: str, text: str) -> str:
    sign, _, words = text.partition(" ")
    return f'<svg class="sample"><text class="mark {kind}" x="7" y="12">{sign}</text></svg>{words}'


def _frame(case: Case, judgement: Judgement) -> str:
    scale = Scale.of(case)
    uids = sorted(case.lives, key=lambda uid: (case.evidence.label(uid), case.lives[uid].created_at))
    faults, rows = bands(case, scale)
    names = "".join(_name(case, uid, judgement.findings) for uid in uids)
    height = max(rows, 1) * BAND
    head = f'<div class="name dim">UTC</div><div class="name fault" style="height:{height}px">faults</div>'
    return (
        '<div class="frame"><div class="sheet">'
        f'<div class="corner axis">{head}</div><div class="axis">{axis(scale)}{faults}</div>'
        f'<div class="names"><div class="name dim">the run as a whole</div>{names}</div>'
        f"<div>{lanes(case, scale, uids, judgement.findings)}</div></div></div>"
    )


def _name(case: Case, uid: str, findings: Sequence[Finding]) -> str:
    mine = Counter(one.severity for one in findings if one.run is not None and one.run.schedule == uid)
    failed = mine[Severity.FAILURE]
    specs = " → ".join(
        f"{one.spec.schedule} {one.spec.concurrency}{' suspended' if one.spec.suspend else ''}"
        for one in case.lives[uid].versions
    )
    label = escape(case.evidence.label(uid)) + (f" ({failed})" if failed else "")
    return f'<div class="name{" failure" * bool(failed)}" title="{escape(f"{uid}: {specs}")}">{label}</div>'


def _table(head: Sequence[str], rows: Iterator[Sequence[object]] | Sequence[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("".join(_cell(cell) for cell in row) for row in rows)
    return f"<table><tr>{top}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(value: object) -> str:
    text = str(value)
    return f'<td class="number">{escape(text)}</td>' if text[:1].isdigit() else f"<td>{escape(text)}</td>"


if __name__ == "__main__":
    sys.exit(main())
