"""The command line of the bench: `python -m tools.bench`, and `python -m tools.bench record`."""

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.bench.bars import bars
from tools.bench.figures import Duration, Figures, Measured, PaceFigures, TrialFigures, load, save
from tools.bench.machine import this_machine
from tools.bench.pace import measure_pace
from tools.bench.page import page
from tools.bench.plan import Contender, Plan
from tools.bench.screen import Screen
from tools.bench.trial import perform
from tools.devcluster.manifests import ROOT

DOCS = ROOT / "docs"
_SMOKE_SIZE = 20


def main(argv: Sequence[str]) -> int:
    """Run a command; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends in KeyboardInterrupt, hence in clean-up
    if argv[:1] == ["record"]:
        return _record(_record_parser().parse_args(argv[1:]), argv)
    arguments = _bench_parser().parse_args(argv)
    try:
        return _bench(_plan(arguments), None if arguments.smoke else arguments.docs, argv)
    except KeyboardInterrupt:
        print("ended early; what was measured until now is kept", file=sys.stderr)
        return 130


def _bench_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=sys.modules["tools.bench"].__doc__)
    parser.add_argument("--sizes", type=_sizes, default=(300, 1000), help="how many schedules (default: 300,1000)")
    parser.add_argument("--minutes", type=_number, default=3, help="how many ticks (default: 3)")
    parser.add_argument(
        "--only", choices=[one.value for one in Contender], action="append", help="this contender alone"
    )
    parser.add_argument(
        "--rate", type=_number, default=0, metavar="JOBS", help="also the pace of launching so many at once"
    )
    parser.add_argument("--rate-only", action="store_true", help="nothing but the pace")
    parser.add_argument("--smoke", action="store_true", help=f"{_SMOKE_SIZE} schedules, one tick; writes no page")
    parser.add_argument(
        "--docs", type=Path, default=DOCS, help="where figures.md and figures.json stand (default: docs)"
    )
    return parser


def _record_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.bench record", description="Note how long a command took.")
    parser.add_argument("--name", required=True, help="what it was: make demo, warm")
    parser.add_argument("--seconds", type=float, required=True, help="how long it took")
    parser.add_argument("--command", help="the command that took so long (default: the name up to its first comma)")
    parser.add_argument(
        "--docs", type=Path, default=DOCS, help="where figures.md and figures.json stand (default: docs)"
    )
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_number(part) for part in text.split(","))


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _plan(arguments: argparse.Namespace) -> Plan:
    contenders = tuple(one for one in Contender if one in (arguments.only or Contender))
    if arguments.smoke:
        return Plan((_SMOKE_SIZE,), 1, contenders)
    sizes = () if arguments.rate_only else arguments.sizes
    return Plan(sizes, arguments.minutes, contenders, arguments.rate or (1000 if arguments.rate_only else 0))


def _bench(plan: Plan, docs: Path | None, argv: Sequence[str]) -> int:
    machine, measured = this_machine(), _measured(argv)
    figures = load(docs / "figures.json", machine) if docs is not None else Figures(machine)
    with Screen(plan) as screen:
        for trial in plan.trials():
            screen.begin(trial)
            outcome = perform(trial, processors=machine.processors, tell=screen.tell)
            figures = figures.with_trial(TrialFigures(trial, outcome, measured))
            _write(docs, figures)
        if plan.rate:
            screen.begin(None)
            figures = replace(figures, pace=PaceFigures(measure_pace(plan.rate, tell=screen.tell), measured))
            _write(docs, figures)
    return _conclude(figures, plan)


def _conclude(figures: Figures, plan: Plan) -> int:
    """Say what was measured now; 1 where it cannot be relied on. A bar that is not met is a figure, not an error."""
    sizes = {*plan.sizes, *([0] if plan.rate else [])}
    for bar in (bar for bar in bars(figures) if bar.size in sizes):
        of = f" of {bar.size:,} schedules" if bar.size else ""
        print(f"{bar.promise}{of}: {bar.measured}, {bar.allowed}: {bar.verdict.replace('**', '')}")
    new = [one for one in figures.trials if one.trial in set(plan.trials())]
    problems = [f"{one.trial}: {words}" for one in new for words in one.outcome.count.problems]
    for words in problems:
        print(f"not to be relied on: {words}", file=sys.stderr)
    return 1 if problems else 0


def _record(arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    command = arguments.command or arguments.name.partition(",")[0]
    figures = load(arguments.docs / "figures.json", this_machine())
    new = Duration(arguments.name, arguments.seconds, replace(_measured(argv), command=command))
    _write(arguments.docs, figures.with_duration(new))
    return 0


def _measured(argv: Sequence[str]) -> Measured:
    """Note the date and the command, without the place of the page: that is of this machine."""
    places = [number for number, word in enumerate(argv) if word == "--docs"]
    told = [word for number, word in enumerate(argv) if number not in places and number - 1 not in places]
    command = shlex.join(["python", "-m", "tools.bench", *told]) if told else "make bench"
    return Measured.today(command)


def _write(docs: Path | None, figures: Figures) -> None:
    if docs is not None:
        docs.mkdir(exist_ok=True)
        save(docs / "figures.json", figures)
        (docs / "figures.md").write_text(page(figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
