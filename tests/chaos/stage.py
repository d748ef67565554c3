"""What the tests of the crash matrix share: a world with traffic, judged as a whole when all of them are through."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.case import Case
from tests.chaos.folder import load
from tests.chaos.history import Bounds, Meta
from tests.chaos.judge import judge
from tests.chaos.matrix import wait_past
from tests.chaos.report import written
from tests.chaos.traffic import Traffic
from tests.chaos.world import QUICK, Plan, World
from tools.devcluster.commands import Options

PAUSE_SECONDS = 5.0
"""Longer than a claim (3 s), a Lease (3 s), and an idle transaction (3 s) last in these worlds."""
BOUNDS = Bounds(recovery=8, settled=3)
_UNDISTURBED_SECONDS = 4.0
KEPT = os.environ.get("CHAOS_KEEP")
"""A folder to which histories are copied."""


def staged(folder: Path, name: str, *, cells: int) -> Iterator[Traffic]:
    """Bring up a world with traffic; at the end let everything come to rest, and judge."""
    meta = Meta(seed=0, seconds=0, command=name, bounds=BOUNDS, notes={"cells": cells})
    plan = Plan(settings=QUICK, cluster=Options(pods=False, fsync=False), meta=meta)
    with World(folder, plan) as world:
        world.heal()
        traffic = Traffic.begin(world)
        yield traffic


def judged(traffic: Traffic) -> None:
    """Go on for a while without faults, let everything come to rest, and hold the whole history to every rule."""
    world = traffic.world
    world.heal()
    wait_past(time.time() + BOUNDS.recovery + _UNDISTURBED_SECONDS + BOUNDS.settled)
    traffic.end()
    world.finish()
    if KEPT:
        shutil.copytree(world.folder, Path(KEPT) / world.folder.name, dirs_exist_ok=True)
    case = Case(load(world.folder))
    judgement = judge(case)
    assert not judgement.failures, written(case, judgement)
    assert not world.doubles()
