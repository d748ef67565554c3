"""Each guard taken out of the real program, and what the checker finds then: `python -m tests.chaos.guards [GUARD …]`.

Each story is played twice: with the guard, where the checker must find nothing, and without it, where it must find
something. Exit status 1 where it is otherwise.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.clients import Client
from tests.chaos.findings import Rule
from tests.chaos.folder import load
from tests.chaos.history import Bounds, Meta
from tests.chaos.judge import judge
from tests.chaos.sabotage import GUARDS
from tests.chaos.stories import STORIES, Scene
from tests.chaos.world import QUICK, Plan, World, environment_of_tests
from tools.devcluster.commands import Options
from tools.devcluster.pgharm import HarmablePostgres


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the checker says of one play."""

    guard: str
    out: bool
    """Whether the guard was taken out."""
    findings: tuple[str, ...]
    seconds: float
    spoilt: str | None = None
    """Why the story could not be played to its end; then nothing is shown."""

    @property
    def as_promised(self) -> bool:
        """Whether it is so: nothing with the guard, something without it."""
        return self.spoilt is None and bool(self.findings) == self.out


def play(guard: str, *, out: bool, folder: Path) -> Outcome:
    """Play one story, with the guard or without, and judge."""
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)  # a recorder appends: two runs would be judged as one
    story = STORIES[guard]
    name = f"{guard}, {'out' if out else 'in'}"
    program = (sys.executable, "-m", "tests.chaos.sabotage", guard) if out else None
    plan = Plan(
        replicas=story.replicas,
        settings=QUICK,
        cluster=Options(pods=False, fsync=False),
        program=program,
        env=environment_of_tests() if out else {},
        meta=Meta(seed=0, seconds=0, command=name, bounds=Bounds(settled=0)),
    )
    with World(folder, plan, database=HarmablePostgres()) as world:
        world.heal()
        people = Client("people", world.cluster.api.credentials, world.recorder)
        scene = Scene(world, people, world.namespace("story"))
        story.play(scene)
        scene.end()
        world.rest()
        world.finish()
        people.close()
    judgement = judge(load(folder))
    # a story is short, and tests no recovery: that it is too short to be judged for it is no finding here
    findings = tuple(f"{one.rule} {one.sentence}" for one in judgement.failures if one.rule is not Rule.R0)
    return Outcome(guard, out, findings, time.monotonic() - began)


def attempt(guard: str, *, out: bool, folder: Path) -> Outcome:
    """Play one story; where it cannot be played to its end, go on to the next."""
    began = time.monotonic()
    try:
        return play(guard, out=out, folder=folder)
    except (AssertionError, TimeoutError) as problem:
        return Outcome(guard, out, (), time.monotonic() - began, spoilt=str(problem)[:2000])


def main(argv: list[str]) -> int:
    """Play the stories asked for, all by default, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.guards", description=__doc__)
    parser.add_argument("guards", nargs="*", metavar="GUARD", help=f"of {', '.join(GUARDS)}")
    parser.add_argument("--folder", type=Path, help="where the histories are kept; else they are removed")
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        place = wanted.folder or Path(scratch)
        outcomes = [
            _told(attempt(guard, out=out, folder=place / f"{guard}-{'out' if out else 'in'}"))
            for guard in wanted.guards or GUARDS
            for out in (False, True)
        ]
    return 0 if all(one.as_promised for one in outcomes) else 1


def _told(one: Outcome) -> Outcome:
    mark = "as it should be" if one.as_promised else "NOT AS IT SHOULD BE"
    place = "out" if one.out else "in"
    lines = [f"| {one.guard} | {place} | {len(one.findings)} findings, {mark} | {one.seconds:.0f} s |"]
    spoilt = [f"could not be played: {one.spoilt}"] if one.spoilt else []
    sys.stdout.write("\n    ".join([*lines, *spoilt, *one.findings[:4]]) + "\n")
    sys.stdout.flush()
    return one


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
