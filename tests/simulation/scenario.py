"""What a seed stands for: how many replicas, which schedules, which faults. Everything is drawn from the seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from tests.simulation.network import Weather
from tests.simulation.replica import Knobs
from ticklock.domain.lease import LeaseTimes


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule at its beginning."""

    name: str
    expression: str
    policy: str
    deadline: int | None
    keep: int
    backoff_limit: int
    ttl: int | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of the simulation."""

    seed: int
    replicas: int
    schedules: tuple[Plan, ...]
    knobs: Knobs
    trouble: float
    """Seconds with faults and people."""
    recovery: float
    """Seconds in which nothing more goes wrong, before everything is asked to come to an end."""
    disorder: float
    lazy: float
    api: Weather
    database: Weather
    watch_delay: float
    watch_dropped: float
    crashes: int
    pauses: int
    stops: int
    """A replica is asked to stop, as in an update, and another one starts."""
    api_outages: int
    database_outages: int
    restarts: int
    """PostgreSQL comes back with everything; nobody can know that."""
    losses: int
    """PostgreSQL comes back without its last commits."""
    people: int
    """What people do to schedules and Jobs."""


_CALM = Weather()


def stream(seed: int, name: str) -> random.Random:
    """A source of chance of its own for each purpose, so that one more draw here changes nothing there."""
    return random.Random(f"ticklock/{seed}/{name}")


def scenario(seed: int) -> Scenario:
    chance = stream(seed, "scenario")
    storm = chance.choice((0.0, 0.01, 0.03, 0.08))
    return Scenario(
        seed=seed,
        replicas=chance.choice((2, 2, 3)),
        schedules=tuple(_plan(chance, f"s{number}") for number in range(chance.choice((1, 2)))),
        knobs=_knobs(chance),
        trouble=chance.uniform(8, 16),
        recovery=16.0,
        disorder=chance.choice((0.0, 0.3, 1.0)),
        lazy=chance.choice((0.02, 0.2, 1.0)),
        api=_weather(chance, storm),
        database=replace(_weather(chance, storm / 2), twice=0.0, refused=0.0),
        watch_delay=chance.choice((0.005, 0.1, 1.0)),
        watch_dropped=chance.choice((0.0, 0.0, 0.02)),
        crashes=chance.choice((0, 1, 2, 3)),
        pauses=chance.choice((0, 0, 1)),
        stops=chance.choice((0, 0, 0, 1)),
        api_outages=chance.choice((0, 0, 0, 1)),
        database_outages=chance.choice((0, 0, 0, 1)),
        restarts=chance.choice((0, 0, 0, 1)),
        losses=chance.choice((0, 0, 1)),
        people=chance.choice((0, 0, 2, 4)),
    )


def _plan(chance: random.Random, name: str) -> Plan:
    every = chance.choice((2, 3, 4, 7))
    return Plan(
        name=name,
        expression=chance.choice((f"@every {every}s", f"*/{every} * * * * *")),
        policy=chance.choice(("Allow", "Forbid", "Replace")),
        deadline=chance.choice((None, None, 5, 10)),
        keep=chance.choice((0, 1, 3)),
        backoff_limit=chance.choice((0, 1)),
        ttl=chance.choice((None, None, None, 1)),
    )


def _knobs(chance: random.Random) -> Knobs:
    return Knobs(
        ahead=timedelta(seconds=chance.choice((0.5, 2, 4))),
        claim=timedelta(seconds=chance.choice((2, 3))),
        batch=chance.choice((2, 50)),
        launchers=chance.choice((1, 4)),
        lease=LeaseTimes(4.0, 2.5, 0.5),
        list_every=chance.choice((5.0, 20.0)),
        relist_jobs=chance.choice((5.0, 20.0)),
        prune_after=timedelta(seconds=chance.choice((5, 86_400))),
    )


def _weather(chance: random.Random, storm: float) -> Weather:
    if not storm:
        return replace(_CALM)
    share = [chance.random() for _ in range(6)]
    total = sum(share) / storm
    lost, unanswered, late, twice, refused, slow = (one / total for one in share)
    return Weather(lost, unanswered, late, twice, refused, slow)
