"""`python -m tests.simulation --seeds 0..2000`: run seeds. `--seed 7 --trace`: tell the story of one."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.crew import Crew
from tests.simulation.run import Outcome, quiet, run_seed, run_world, telling
from tests.simulation.sabotage import NOTHING, SABOTAGES
from tests.simulation.stories import STORIES
from tools.bench.figures import Measured, Sheet
from tools.bench.publishing import put


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    if asked.seed is not None:
        return _one(asked)
    first, _, end = asked.seeds.partition("..")
    return _many(range(int(first), int(end)), asked)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="0..2000", help="first..end, the end not included")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--story", choices=sorted(STORIES), help="with --seed: with the faults of this story")
    parser.add_argument("--trace", action="store_true", help="with --seed: tell its story")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES), help="switch a guard off: then seeds must fail")
    parser.add_argument("--docs", type=Path, help="where figures.md is, to put what was simulated into it")
    parser.add_argument("--unguarded", action="store_true", help="with --story: without the guard that it is about")
    return parser.parse_args(argv)


def _one(asked: argparse.Namespace) -> int:
    seed = asked.seed
    (telling if asked.trace else quiet)()
    if asked.story:
        world = STORIES[asked.story].world(seed, guarded=not asked.unguarded, traced=asked.trace)
        outcome = run_world(world)
    else:
        outcome = run_seed(seed, traced=asked.trace, sabotage=SABOTAGES.get(asked.sabotage, NOTHING))
    if asked.trace:
        sys.stdout.write(outcome.story)
    for failure in outcome.failures:
        print(f"FAILED seed {seed}: {failure}")
    verdict = "FAILED" if outcome.failures else "ok"
    print(f"seed {seed}: {verdict}, {outcome.seconds:.0f} s simulated, {outcome.steps} steps")
    return int(bool(outcome.failures))


def _many(seeds: range, asked: argparse.Namespace) -> int:
    began, sabotage, jobs = time.monotonic(), asked.sabotage, asked.jobs
    more = f" --sabotage '{sabotage}'" if sabotage else ""
    outcomes = []
    with Crew(jobs) as crew:
        for outcome in crew.outcomes(seeds, sabotage):
            outcomes.append(outcome)
            if outcome.failures:
                print(f"FAILED seed {outcome.seed}: {outcome.failures[0]}")
                print(f"       replay: python -m tests.simulation --seed {outcome.seed} --trace{more}", flush=True)
    took = time.monotonic() - began
    print(summary(outcomes, took, jobs))
    if asked.docs:
        put(sheet(outcomes, took, f"python -m tests.simulation --seeds {seeds.start}..{seeds.stop}"), asked.docs)
    return int(any(outcome.failures for outcome in outcomes))


def summary(outcomes: Sequence[Outcome], took: float, jobs: int) -> str:
    """Tell what the seeds amounted to."""
    faults: Counter[str] = sum((outcome.faults for outcome in outcomes), Counter())
    rate, failed = len(outcomes) / took, sum(bool(outcome.failures) for outcome in outcomes)
    ticks, launches = (sum(getattr(outcome, what) for outcome in outcomes) for what in ("ticks", "launches"))
    hours, steps = sum(outcome.seconds for outcome in outcomes) / 3600, sum(outcome.steps for outcome in outcomes)
    lines = [
        f"{len(outcomes)} seeds in {took:.1f} s, {rate:.1f} seeds/s on {jobs} processes; {failed} failed",
        f"{ticks} runs, {launches} launches, {hours:.1f} simulated hours, {steps} steps",
        "faults: " + ", ".join(f"{name} {number}" for name, number in sorted(faults.items())),
    ]
    return "\n".join(lines)


def sheet(outcomes: Sequence[Outcome], took: float, command: str) -> Sheet:
    """Return what the seeds amounted to, for the page of figures."""
    faults: Counter[str] = sum((outcome.faults for outcome in outcomes), Counter())
    rows = (
        ("seeds", f"{len(outcomes):,}"),
        ("of these that failed", f"{sum(bool(outcome.failures) for outcome in outcomes):,}"),
        ("seconds", f"{took:.0f}"),
        ("hours simulated", f"{sum(outcome.seconds for outcome in outcomes) / 3600:,.1f}"),
        ("runs", f"{sum(outcome.ticks for outcome in outcomes):,}"),
        ("launches", f"{sum(outcome.launches for outcome in outcomes):,}"),
        *((f"fault: {name}", f"{count:,}") for name, count in faults.most_common()),
    )
    text = (
        "Whole replicas of the real code under a seeded scheduler and virtual time; a seed that fails can be replayed."
    )
    return Sheet("Simulation", text, ("what", "figure"), rows, 1, Measured.today(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
