"""Faults of one replica."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.fault import Details, Need, fault
from tests.chaos.history import Target

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground
    from tools.devcluster.replica import Replica

TEN_MINUTES = 600.0
_NO_MORE = 3
"""A limit below the numbers in use: those stay open, and no other can be had."""


@fault(Target.REPLICA, hold=(1, 14))
def replica_killed(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGKILL to one replica, and another life after a while."""
    victim = dice.choice(ground.replicas)
    victim.kill9()
    yield {"replica": victim.pod}
    revive(victim)


@fault(Target.REPLICA, hold=(1, 6))
def all_replicas_killed(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGKILL to all replicas at once: for a while there is nobody."""
    for victim in ground.replicas:
        victim.kill9()
    yield {"replicas": [one.pod for one in ground.replicas]}
    for victim in ground.replicas:
        victim.start()
    for victim in ground.replicas:
        revive(victim)


@fault(Target.REPLICA, hold=(17, 30))
def replica_paused(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGSTOP to one replica for longer than its Lease, its claims and its transactions last; then it goes on."""
    victim = dice.choice(ground.replicas)
    victim.pause()
    yield {"replica": victim.pod}
    victim.resume()
    revive(victim)


@fault(Target.REPLICA, Need.REPLICA_CLOCK, hold=(8, 20))
def replica_clock_off(ground: Ground, dice: Random) -> Iterator[Details]:
    """The wall clock of one replica steps by ten minutes, ahead or behind, and steps back."""
    victim = dice.choice(ground.replicas)
    step = dice.choice((TEN_MINUTES, -TEN_MINUTES))
    clock = ground.clock(victim)
    clock.step(step)
    yield {"replica": victim.pod, "seconds": step}
    clock.step(0)
    revive(victim)


@fault(Target.REPLICA, hold=(5, 15))
def replica_out_of_handles(ground: Ground, dice: Random) -> Iterator[Details]:
    """One replica may open no more files or connections, and loses those to the database and the API server."""
    victim = dice.choice(ground.replicas)
    before = resource.prlimit(victim.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (_NO_MORE, before[1]))
    ground.api_link(victim).drop()
    ground.database_link(victim).drop()
    yield {"replica": victim.pod, "in_use": handles(victim)}
    if victim.alive:
        resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, before)
    revive(victim)


def revive(replica: Replica) -> None:
    """Start it where it has ended by itself, as a kubelet does; wait until it is ready."""
    replica.start()
    replica.wait_ready()


def handles(replica: Replica) -> int:
    """How many files and connections it has open."""
    return len(list(Path(f"/proc/{replica.pid}/fd").iterdir()))
