"""Runs seeds, and tells what came of each."""

from __future__ import annotations

import gc
import logging
import random
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from tests.simulation.sabotage import NOTHING, Sabotage
from tests.simulation.scenario import Scenario, scenario
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed showed."""

    seed: int
    failures: tuple[str, ...]
    ticks: int
    launches: int
    steps: int
    seconds: float
    """Of simulated time."""
    faults: Counter[str]
    lines: tuple[str, ...] = ()

    @property
    def story(self) -> str:
        return "\n".join(self.lines) + "\n"


def quiet() -> None:
    """Let the engine log nothing: most of the time of a run would go there."""
    logging.disable(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=True
    )


def telling() -> None:
    """Let what the engine logs become part of the story."""
    logging.disable(logging.CRITICAL)
    structlog.configure(processors=[structlog.processors.format_exc_info, _into_the_story])


def _into_the_story(_: Any, name: str, event: MutableMapping[str, Any]) -> str:
    world = _TELLING[-1] if _TELLING else None
    words = event.pop("event")
    facts = " ".join(f"{key}={value}" for key, value in event.items())
    if world is not None and world.loop.current is not None and not world.loop.current.dead:
        world.tell(world.loop.current.name, f"log {name}: {words}", facts)
    raise structlog.DropEvent


_TELLING: list[World] = []


def run_seed(seed: int, *, traced: bool = False, sabotage: Sabotage = NOTHING, plan: Scenario | None = None) -> Outcome:
    """Run one seed to its end."""
    plan = replace(plan or scenario(seed), **sabotage.changes)
    return run_world(World(plan, traced=traced, sabotage=sabotage))


def run_world(world: World) -> Outcome:
    """Let one world live to its end."""
    seed = world.scenario.seed
    random.seed(seed)  # the adapters of ticklock.kube draw their jitter from there
    _TELLING[:] = [world]
    gc.disable()
    try:
        with world.sabotage:
            _live(world)
    finally:
        gc.enable()
        _TELLING.clear()
    book = world.book
    return Outcome(
        seed,
        tuple(world.checker.failures),
        ticks=len(book.runs.rows),
        launches=sum(map(len, world.checker.started.values())),
        steps=world.loop.steps,
        seconds=world.loop.time() - 1_000.0,
        faults=world.faults,
        lines=tuple(world.lines or ()),
    )


def _live(world: World) -> None:
    try:
        world.loop.run(world.live())
    except AssertionError as error:
        world.checker.fail(f"{error}")
    world.lines, lines = None, world.lines
    for member in world.members:
        if member.process is not None:
            world.loop.kill(member.process)
    world.loop.drain()
    world.lines = lines
