"""docs/figures.md, written as a whole from the figures."""

from collections.abc import Iterable, Iterator, Sequence

from tools.bench.bars import Bar, bars
from tools.bench.counting import Lag, Tally
from tools.bench.figures import Figures, Sheet, TrialFigures
from tools.bench.machine import Machine
from tools.bench.plan import Contender

_MIB = 1 << 20
_BENCH = "`make bench`"
_HEAD = """\
# Figures

This page is written by the commands that it names, from [figures.json](figures.json); edit neither by hand.
"""
_METHOD = """\
Each line is a run of its own: a fresh cluster (etcd and PostgreSQL with fsync; API server, controller manager,
scheduler, simulated nodes that finish the pods at once) and the contender, all on this one machine. So many schedules
of `* * * * *`, each with a pod that does nothing, stand at least 10 seconds before the first tick that counts. A
process of its own watches the Jobs; a launch is the arrival there of the first version of the Job that may start: for
CronJob its creation, for Ticklock the first with `suspend: false`. Lag is launch minus tick, over the launches; a tick
is overdue if the next one comes before its launch, and lost if none was seen until a minute after the last tick.
"Raised" means `--kube-api-qps=3000 --kube-api-burst=6000 --concurrent-cron-job-syncs=64`; the controller manager under
Ticklock has the same, as both need its Job controller.
"""


def page(figures: Figures) -> str:
    """Write the page."""
    parts = [_HEAD, _machine(figures.machine), *_launching(figures), *_pace(figures), *_durations(figures)]
    parts += [part for sheet in figures.sheets for part in _sheet(sheet)]
    return "\n".join(parts)


def seconds(value: float) -> str:
    """Write a duration with three digits that count."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"  # noqa: PLR2004


def lag_cells(lag: Lag | None) -> list[str]:
    """Write the three columns of a lag."""
    return ["-"] * 3 if lag is None else [seconds(value) for value in (lag.p50, lag.p99, lag.max)]


def tally_cells(tally: Tally) -> list[str]:
    """Write the columns of a tally: launched, lost, overdue, doubles and the lags."""
    counts = [f"{tally.launched:,} of {tally.due:,}", *(f"{n:,}" for n in (tally.lost, tally.overdue, tally.doubles))]
    return [*counts, *lag_cells(tally.lag)]


TALLY_TITLES = ["launched", "lost", "overdue", "double", "lag p50", "p99", "max"]


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Write a table; its first columns hold words, the others numbers, aligned to the right."""
    rules = ["---"] * words + ["---:"] * (len(titles) - words)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [titles, rules, *rows])


def _machine(machine: Machine) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    return (
        f"Machine: {machine.processors} processors ({machine.model}), {machine.memory_gib} GiB of memory.\n\n"
        f"Versions: {versions}.\n"
    )


# -------------------------------------------------------------------------------------------------- launching


def _launching(figures: Figures) -> Iterator[str]:
    yield f"## Launch lag of every-minute schedules\n\n{_commands(figures)}"
    if not figures.trials:
        return
    yield _METHOD
    titles = ["schedules", "contender", *TALLY_TITLES]
    yield table(titles, (_row(one) for one in figures.trials), words=2)
    yield from _problems(figures)
    yield from _ratios(figures)
    yield "### Bars\n"
    yield table(["bar", "schedules", "measured", "allowed", ""], (_bar(bar) for bar in bars(figures)))
    yield "### Minute by minute\n"
    titles = ["schedules", "contender", "tick", *TALLY_TITLES]
    yield table(titles, (row for one in figures.trials for row in _minutes(one)), words=2)
    yield from _costs(figures)


def _commands(figures: Figures) -> str:
    if not figures.trials:
        return f"Not measured yet: {_BENCH}.\n"
    commands = sorted({(one.measured.on, one.measured.command) for one in figures.trials})
    return "".join(f"Measured by `{command}` on {on}.\n" for on, command in commands)


def _row(one: TrialFigures) -> list[str]:
    return [f"{one.trial.size:,}", one.trial.contender.label, *tally_cells(one.outcome.count.overall)]


def _minutes(one: TrialFigures) -> Iterator[list[str]]:
    for number, tally in enumerate(one.outcome.count.minutes, start=1):
        yield [f"{one.trial.size:,}", one.trial.contender.label, str(number), *tally_cells(tally)]


def _problems(figures: Figures) -> Iterator[str]:
    found = [f"- {one.trial}: {words}\n" for one in figures.trials for words in one.outcome.count.problems]
    if found:
        yield "**Not to be relied on**, as the count itself found:\n"
        yield "".join(found)


def _ratios(figures: Figures) -> Iterator[str]:
    pairs = [
        (ours, theirs)
        for theirs in figures.trials
        if theirs.trial.contender is not Contender.TICKLOCK
        and (ours := figures.of(Contender.TICKLOCK, theirs.trial.size)) is not None
    ]
    if pairs:
        yield "### Ticklock's figures beside CronJob's\n"
        yield "Ours divided by theirs: below 1 is better, but for the launches.\n"
        yield table(["schedules", "beside", "launched", "lag p50", "p99", "max"], map(_ratio, pairs), words=2)


def _ratio(pair: tuple[TrialFigures, TrialFigures]) -> list[str]:
    ours, theirs = (one.outcome.count.overall for one in pair)
    first = [f"{pair[1].trial.size:,}", pair[1].trial.contender.label]
    if ours.lag is None or theirs.lag is None:
        return [*first, *["-"] * 4]
    mine, other = ours.lag, theirs.lag
    parts = [(ours.launched, theirs.launched), (mine.p50, other.p50), (mine.p99, other.p99), (mine.max, other.max)]
    return [*first, *(f"{left / right:.2f}" for left, right in parts)]


def _bar(bar: Bar) -> list[str]:
    return [bar.promise, f"{bar.size:,}" if bar.size else "", bar.measured, bar.allowed, bar.verdict]


def _costs(figures: Figures) -> Iterator[str]:
    yield "### What it costs\n"
    yield (
        "Milliseconds of processor time, user and system, for each launch, over the minutes counted. `replica 0` and\n"
        "`replica 1` share the launches, so a launch costs the sum of both.\n"
    )
    names = list(dict.fromkeys(name for one in figures.trials for name in one.outcome.costs.cpu_ms_per_launch))
    rows = [
        [*_row(one)[:2], *(_cell(one.outcome.costs.cpu_ms_per_launch.get(name), "{:.1f}") for name in names)]
        for one in figures.trials
    ]
    yield table(["schedules", "contender", *names], rows, words=2)
    yield (
        "Peak resident memory in MiB, and the share of all processors in use in those minutes; strangers are programs\n"
        "that have nothing to do with the run.\n"
    )
    names = list(dict.fromkeys(name for one in figures.trials for name in one.outcome.costs.memory))
    rows = [[*_row(one)[:2], *_memory(one, names), *_shares(one)] for one in figures.trials]
    yield table(["schedules", "contender", *names, "busy", "strangers"], rows, words=2)


def _memory(one: TrialFigures, names: Iterable[str]) -> list[str]:
    used = {name: size / _MIB for name, size in one.outcome.costs.memory.items()}
    return [_cell(used.get(name), "{:.0f}") for name in names]


def _shares(one: TrialFigures) -> list[str]:
    return [f"{share:.0%}" for share in (one.outcome.costs.busy, one.outcome.costs.strangers)]


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


# -------------------------------------------------------------------------------------------------- the others


def _pace(figures: Figures) -> Iterator[str]:
    yield "## Pace of launching\n"
    if figures.pace is None:
        yield "Not measured yet: `python -m tools.bench --rate-only`.\n"
        return
    pace, measured = figures.pace.pace, figures.pace.measured
    yield f"Measured by `{measured.command}` on {measured.on}.\n"
    yield (
        f"{pace.jobs:,} staged Jobs due at once, on one cluster with two replicas; launches a second in the middle\n"
        "nine tenths of the burst. The bare client makes the same calls from two processes, and nothing else.\n"
    )
    rows = [["bare client", f"{pace.bare:.0f}"], ["Ticklock", f"{pace.ticklock:.0f}"], ["share", f"{pace.share:.0%}"]]
    yield table(["", "launches/s"], rows)


def _durations(figures: Figures) -> Iterator[str]:
    yield "## Time of the commands\n"
    if not figures.durations:
        yield "Not measured yet: `python -m tools.bench record --name NAME --seconds SECONDS`.\n"
        return
    yield "Cold: nothing built, nothing installed. Warm: the second time.\n"
    rows = [[one.name, _clock(one.seconds), f"`{one.measured.command}`", one.measured.on] for one in figures.durations]
    yield table(["what", "time", "command", "on"], rows, words=4)


def _sheet(sheet: Sheet) -> Iterator[str]:
    yield f"## {sheet.name}\n"
    yield f"Measured by `{sheet.measured.command}` on {sheet.measured.on}. {sheet.text}\n"
    yield table(sheet.titles, sheet.rows, words=sheet.words)


def _clock(length: float) -> str:
    whole = round(length)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{length:.1f} s"  # noqa: PLR2004
