"""Stories that chance tells too rarely: the faults are arranged, everything else is still drawn from the seed.

Each comes with the guard that it is about, so that it can be told without it: then some seed must fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tests.simulation.ledger import quarantine
from tests.simulation.network import Doom, Weather
from tests.simulation.replica import Knobs
from tests.simulation.sabotage import Patch, Sabotage
from tests.simulation.scenario import Plan, scenario
from tests.simulation.world import Member, World

_CALM: dict[str, Any] = {
    "api": Weather(),
    "database": Weather(),
    "trouble": 20.0,
    "watch_delay": 0.005,
    "watch_dropped": 0.0,
    "lazy": 0.02,
    "people": 0,
    "schedules": (Plan("s0", "@every 2s", "Allow", None, 0, 0, None),),
    "knobs": Knobs(ahead=timedelta(seconds=0.5), prune_after=timedelta(days=1)),
}


@dataclass(frozen=True, slots=True)
class Story:
    """What happens, and which guard makes it end well."""

    arrange: Callable[[World], None]
    guard: Patch

    def world(self, seed: int, *, guarded: bool, traced: bool = False) -> World:
        patches = () if guarded else (self.guard,)
        arranged = Sabotage(patches=patches, arrange=self.arrange)
        return World(replace(scenario(seed), **_CALM), traced=traced, sabotage=arranged)


def _leader(world: World) -> Member:
    pod = world.book.terms[world.book.cluster].pod
    return next(member for member in world.members if member.process is not None and member.process.name == pod)


def _leader_sleeps_over_a_loss(world: World) -> None:
    """It has listed the cluster; another one leads; then the database forgets the other one's term and all it did."""

    def restart() -> None:
        world.book.restart()
        world.tell("db", "has restarted")
        _leader(world).dooms.append(Doom("reconcile_incarnation", 1, after=False, stop_for=9.0))

    def forget() -> None:
        lost = world.book.lose(world.book.commits_since(world.now() - timedelta(seconds=8.5)))
        world.checker.losses += 1
        world.tell("db", f"has lost its last {lost} commits")

    world.loop.after(4.3, restart)
    world.loop.after(13.1, forget)


def _object_goes_before_a_loss(world: World) -> None:
    """Its Jobs are released without a witness; then the database forgets that they ran, and that it is gone."""

    def forget() -> None:
        lost = world.book.lose(world.book.commits_since(world.now() - timedelta(seconds=6)))
        world.checker.losses += 1
        world.tell("db", f"has lost its last {lost} commits")

    world.loop.after(5.2, world.people.delete, "s0")
    world.loop.after(9.0, forget)


def _any_life(tx: Any, life: str | None) -> None:
    del tx, life


def _nobody_is_gone(tx: Any, objects: Any) -> int:
    del tx, objects
    return 0


STORIES = {
    "a leader sleeps over a loss": Story(_leader_sleeps_over_a_loss, (quarantine, "_check_life", _any_life)),
    "an object goes before a loss": Story(_object_goes_before_a_loss, (quarantine, "_give_up_gone", _nobody_is_gone)),
}
"""By name."""
