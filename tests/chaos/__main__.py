"""`python -m tests.chaos`: random faults on the real thing, judged by the checker. Exit code 1 on any finding."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from tests.chaos import contender, soak
from tests.chaos.case import Case
from tests.chaos.closing import closing
from tests.chaos.faults.fault import FAULTS
from tests.chaos.folder import load
from tests.chaos.judge import judge
from tests.chaos.report import written
from tests.chaos.soak import Order
from tests.chaos.timeline import FILE, page

_SPARE_SECONDS = 480
"""To come up, to heal, to settle and to judge; whoever takes longer is stuck."""


def main() -> int:
    """Run it; 0 if nothing was found, 1 if something was, 2 if the soak itself broke."""
    arguments = _arguments()
    if arguments.list:
        for kind in FAULTS.values():
            print(f"{kind.name:28} {kind.sentence}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end in KeyboardInterrupt, hence in clean-up
    signal.signal(signal.SIGALRM, _stuck)
    signal.alarm(int(arguments.seconds) + _SPARE_SECONDS)
    folder = arguments.out or Path(mkdtemp(prefix="ticklock-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    order = Order(
        seconds=arguments.seconds,
        seed=arguments.seed,
        schedules=arguments.schedules,
        faults=arguments.faults,
        folder=folder,
        command=shlex.join(["python", "-m", "tests.chaos", *sys.argv[1:]]),
    )
    try:
        return _contend(order, arguments.contender) if arguments.contender else _soak(order)
    except KeyboardInterrupt:
        return 130
    finally:
        signal.alarm(0)
        print(f"the history is in {folder}", flush=True)


def _soak(order: Order) -> int:
    soak.run(order, tell=_teller())
    history = load(order.folder)
    case = Case(history)
    judgement = judge(case)
    report = "\n".join([*closing(history, judgement), "", written(case, judgement)])
    (order.folder / "report.txt").write_text(report + "\n")
    timeline = order.folder / FILE
    timeline.write_text(page(case, judgement), encoding="utf-8")
    print(f"{report}\n\nthe timeline is {timeline}")
    return 1 if judgement.failures else 0


def _contend(order: Order, who: str) -> int:
    contender.run(order, who, tell=_teller())
    print("\n".join(contender.table(load(order.folder), who)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long faults are thrown (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="which plan; the same seed gives the same (default: 1)")
    parser.add_argument("--schedules", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--faults", type=_names, default=(), help="only these, by name, with commas (default: all)")
    parser.add_argument("--out", type=Path, help="folder for the history (default: a new one)")
    parser.add_argument(
        "--contender", choices=contender.CONTENDERS, help="every-minute schedules, counted from outside"
    )
    parser.add_argument("--list", action="store_true", help="list the faults")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such fault: {', '.join(unknown)}; --list shows them all")
    return names


def _teller() -> Callable[[str], None]:
    began = time.monotonic()
    return lambda line: print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)


def _stuck(*_: object) -> None:
    raise TimeoutError("the soak is stuck")


if __name__ == "__main__":
    sys.exit(main())
