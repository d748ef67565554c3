"""The soak: random faults over many schedules on the real thing, a history of it, and the verdict of the checker.

Promise: the same seed throws the same faults in the same order. It stops by itself; whatever it started is gone
afterwards, and the history stays. What breaks the soak itself is told apart from what it finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg

from tests.chaos.battlefield import Battlefield, not_possible
from tests.chaos.faults import FAMILIES
from tests.chaos.faults.fault import FAULTS, Kind
from tests.chaos.faults.ground import Watched
from tests.chaos.heartbeat import Heartbeat
from tests.chaos.history import Bounds, Meta
from tests.chaos.lanes import LaneRunner, Pace, as_planned
from tests.chaos.plan import Lane, Strike, plan
from tests.chaos.world import Plan
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.process import wait_until

BOUNDS = Bounds(recovery=45.0, settled=20.0)
"""A stepped clock must have run straight for 30 s before it is believed again: hence the long recovery."""
_HEAL_SECONDS = 300.0
"""In which the last fault of a lane is healed, or the soak itself is broken."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a soak."""

    seconds: float
    seed: int
    schedules: int
    faults: Sequence[str]
    """Names; empty for all."""
    folder: Path
    command: str


def kinds(names: Collection[str], *, tell: Callable[[str], None]) -> list[Kind]:
    """Return the faults of these names, all where there is none; those that cannot be made here are told and left out.

    Raises KeyError for a name that is none.
    """
    assert FAMILIES
    wanted = [FAULTS[name] for name in names] if names else list(FAULTS.values())
    missing = not_possible({need for kind in wanted for need in kind.needs})
    for kind in wanted:
        for need in kind.needs & missing.keys():
            tell(f"left out: {kind.name}: {missing[need]}")
    return [kind for kind in wanted if not kind.needs & missing.keys()]


def run(order: Order, *, tell: Callable[[str], None]) -> None:
    """Bring everything up, throw the faults, wait until it is quiet, write the last entry."""
    chosen = kinds(order.faults, tell=tell)
    strikes = plan(order.seed, order.seconds, chosen)
    tell(f"the plan of seed {order.seed}: {len(strikes)} strikes in {order.seconds:g} s")
    for strike in strikes:
        tell(f"  {strike}")
    meta = Meta(
        seed=order.seed,
        seconds=order.seconds,
        command=order.command,
        bounds=BOUNDS,
        notes={"replicas": 2, "plan": [str(strike) for strike in strikes]},
    )
    needs = {need for kind in chosen for need in kind.needs}
    dice = Random(order.seed)
    field = Battlefield(order.folder, Plan(meta=meta), needs=needs, schedules=order.schedules, dice=dice)
    began = time.monotonic()
    with field, Heartbeat(field.recorder):
        tell(f"up after {time.monotonic() - began:.1f} s; {order.schedules} schedules")
        field.plant()
        throw(strikes, field, seconds=order.seconds, tell=tell)
        tell("the last fault is healed")
        quiet(field, field.bear_load(), tell=tell)
        _dump(field)


def throw(
    strikes: Sequence[Strike], field: Watched, *, seconds: float, tell: Callable[[str], None], pace: Pace = as_planned
) -> None:
    """Throw the strikes, each lane by itself; return when all are healed. Raises what broke a lane."""
    until = time.monotonic() + seconds
    own = {lane: [strike for strike in strikes if strike.lane is lane] for lane in Lane}
    lanes = [
        LaneRunner(mine, field, field.recorder, until=until, tell=tell, pace=pace) for mine in own.values() if mine
    ]
    for lane in lanes:
        lane.start()
    try:
        while any(lane.is_alive() for lane in lanes) and time.monotonic() < until + _HEAL_SECONDS:
            if any(lane.failure is not None for lane in lanes):
                break
            field.check()
            time.sleep(0.2)
        if all(lane.failure is None for lane in lanes):
            _rest(max(0.0, until - time.monotonic()), field)
    finally:
        for lane in lanes:
            lane.stop()
        for lane in lanes:
            lane.join(_HEAL_SECONDS)
    for lane in lanes:
        if lane.failure is not None:
            raise lane.failure
        if lane.is_alive():
            raise TimeoutError(f"{lane.name} did not heal within {_HEAL_SECONDS:g} s")
    tell(f"{sum(lane.thrown for lane in lanes)} of {len(strikes)} strikes were thrown")


def quiet(field: Battlefield, bounds: Bounds, *, tell: Callable[[str], None]) -> None:
    """Mend what is still broken; go on for as long as it takes to see that all is well again, and settled."""
    field.heal()
    seconds = bounds.recovery + bounds.settled + bounds.on_time
    tell(f"on without faults for {seconds:.0f} s")
    _rest(seconds, field)


def _dump(field: Battlefield) -> None:
    """Write the last entry, while nobody launches: ledger and cluster are read one after the other."""
    for replica in field.replicas:
        replica.pause()
    try:
        wait_until(lambda: _finished(field), what="everything is read for the last entry", seconds=60, interval=0.5)
    finally:
        for replica in field.replicas:
            replica.resume()


def _finished(field: Battlefield) -> bool:
    # a connection that was idle over a restart of its server breaks at the next request
    with suppress(OSError, ApiError, psycopg.OperationalError):
        field.finish()
        return True
    return False


def _rest(seconds: float, field: Watched) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        field.check()
        time.sleep(min(left, 0.5))
