"""The tables of docs/figures.md that are made from kept histories."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.case import Case
from tests.chaos.contender import AFTERWARDS
from tests.chaos.figures import ANY_FAULT, NO_FAULT
from tests.chaos.findings import Finding, Judgement, Lags, Rule
from tests.chaos.folder import load
from tests.chaos.history import History
from tests.chaos.judge import judge
from tests.chaos.outside import outcome
from tests.chaos.sabotage import GUARDS
from tests.chaos.stories import STORIES
from tools.bench.figures import Measured, Sheet
from tools.bench.page import seconds

_SOAK = """\
Etcd, API server, controller manager, PostgreSQL and two replicas are real, pods are started by a recorder on the nodes'
side; the faults come in an order that the seed decides; the checker judges the whole history by its seven rules
([reliability.md](reliability.md))."""
_BY_FAULT = """\
The same run. Lag is start minus when it was due and nothing but the system was in the way; a run that felt several
faults counts for each of them."""
_MATRIX = """\
A cell throws one fault at one step of the protocol, at the leader or at the other replica; when all cells of a file are
through, the checker judges the whole history."""
_GUARDS = """\
Each guard is taken out of the real program, and the story is played that it is there for; then the same with the guard.
The checker must find something without it, and nothing with it."""
_CONTENDERS = """\
The same every-minute schedules and the same faults of the same seed, thrown at the CronJob controller and at Ticklock:
only faults that mean the same to both. Counted from outside, by the pods that the nodes started. A tick is owed if its
schedule surely stood and was not suspended then; lost, if no pod was started for it."""


def soak(folders: Sequence[Path]) -> Iterator[Sheet]:
    """Yield the sheets of one soak: what it amounted to, and each fault."""
    (folder,) = folders
    history, case, judgement = _judged(folder)
    found, measured = judgement.figures, _measured(history)
    faults, broken = case.troubles.all, ", ".join(sorted(judgement.rules)) or "none"
    rows = [
        ("seconds of faults", f"{history.meta.seconds:,.0f}"),
        ("schedules, the recreated ones again", f"{len(case.lives):,}"),
        ("ticks and triggers owed", f"{found.owed:,}"),
        ("runs started", f"{found.started:,}"),
        ("faults of machines and links", f"{len(faults):,}, of {len({one.name for one in faults})} kinds"),
        ("started twice", f"{found.doubled:,}"),
        ("lost without a word", f"{found.lost:,}"),
        ("owed, not started, and told why", f"{found.missed - found.lost:,}"),
        ("rules of the checker that are broken", broken),
        ("lag without a fault, p50 and p99", _pair(found.lags.get(NO_FAULT))),
        ("lag under faults, p50 and p99", _pair(found.lags.get(ANY_FAULT))),
        ("slowest recovery after a heal", "-" if found.slowest_recovery is None else seconds(found.slowest_recovery)),
        *((f"ended as {name}", f"{count:,}") for name, count in found.verdicts.most_common()),
    ]
    yield Sheet("Random faults", _SOAK, ("what", "figure"), tuple(rows), 1, measured)
    times = Counter(one.name for one in faults)
    lines = [(name, f"{count:,}", *_lag_cells(found.lags.get(name))) for name, count in sorted(times.items())]
    titles = ("fault", "times", "runs that felt it", "lag p50", "p99", "max")
    yield Sheet("Random faults, by kind", _BY_FAULT, titles, tuple(lines), 1, measured)


def matrix(folders: Sequence[Path]) -> Iterator[Sheet]:
    """Yield the sheet of the crash matrix, a line for each history in these folders."""
    rows, last = [], None
    for folder in sorted(found.parent for top in folders for found in top.rglob("meta.json")):
        history, _, judgement = _judged(folder)
        found, last = judgement.figures, history
        counts = (history.meta.notes["cells"], found.started, found.doubled, found.lost, len(judgement.failures))
        rows.append((history.meta.command, *(f"{count:,}" for count in counts)))
    if last is None:
        raise SystemExit("no history in these folders: run the tests of the matrix with CHAOS_KEEP=FOLDER")
    titles = ("faults", "cells", "runs started", "started twice", "lost without a word", "findings of the checker")
    measured = Measured(_day(last), "CHAOS_KEEP=FOLDER pytest -m chaos tests/chaos/test_matrix_*.py")
    yield Sheet("Crash matrix", _MATRIX, titles, tuple(rows), 1, measured)


def guards(folders: Sequence[Path]) -> Iterator[Sheet]:
    """Yield the sheet of the guards, from the folder that `python -m tests.chaos.guards --folder` has filled."""
    (folder,) = folders
    rows = []
    for guard in GUARDS:
        with_it, without = (_judged(folder / f"{guard}-{place}")[2] for place in ("in", "out"))
        first = next(iter(_broken(without)), None)
        words = f"{first.rule}: {first.sentence.partition(': Job')[0]}" if first else "nothing"
        counts = (str(len(_broken(with_it))), str(len(_broken(without))))
        rows.append((guard, STORIES[guard].sentence, words, *counts))
    titles = ("guard", "the story", "what the checker says without it", "findings with it", "without it")
    day = _day(load(folder / f"{next(iter(GUARDS))}-in"))
    measured = Measured(day, "python -m tests.chaos.guards --folder FOLDER")
    yield Sheet("Guards taken out of the real program", _GUARDS, titles, tuple(rows), 3, measured)


def contenders(folders: Sequence[Path]) -> Iterator[Sheet]:
    """Yield the sheet that sets the CronJob controller beside Ticklock."""
    rows, histories = [], [load(folder) for folder in folders]
    for history in histories:
        found = outcome(history, until=max(entry.at for entry in history.entries) - AFTERWARDS)
        counts = (len(found.owed), len(found.lost), len(found.doubles), len(found.crowds))
        lag = found.lag()
        lags = ("-", "-") if lag is None else (seconds(lag[0]), seconds(lag[1]))
        who = {"cronjob": "CronJob", "ticklock": "Ticklock"}[str(history.meta.notes["contender"])]
        rows.append((who, *(f"{count:,}" for count in counts), *lags))
    titles = ("contender", "ticks owed", "lost", "two Jobs for one tick", "two pods of one Job", "lag p50", "p99")
    yield Sheet("The same faults for both", _CONTENDERS, titles, tuple(rows), 1, _measured(histories[-1]))


def _judged(folder: Path) -> tuple[History, Case, Judgement]:
    history = load(folder)
    case = Case(history)
    return history, case, judge(case)


def _broken(judgement: Judgement) -> list[Finding]:
    """The findings of a story, which is too short to be judged for recovery."""
    return [one for one in judgement.failures if one.rule is not Rule.R0]


def _measured(history: History) -> Measured:
    """Note the day and the command, without the folder that it wrote to: that is of one machine."""
    command = re.sub(r" --out[ =]\S+", "", history.meta.command)
    return Measured(_day(history), command)


def _day(history: History) -> str:
    return datetime.fromtimestamp(history.entries[0].at, UTC).date().isoformat()


def _pair(lags: Lags | None) -> str:
    return "-" if lags is None else f"{seconds(lags.p50)}, {seconds(lags.p99)}"


def _lag_cells(lags: Lags | None) -> tuple[str, str, str, str]:
    if lags is None:
        return "0", "-", "-", "-"
    return f"{lags.count:,}", seconds(lags.p50), seconds(lags.p99), seconds(lags.most)
