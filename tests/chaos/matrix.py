"""The crash matrix: each step of the protocol, and how a fault is thrown at a replica exactly there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tests.chaos.history import Target
from tests.chaos.world import killed, stopped
from tests.support.waiting import eventually
from tools.devcluster.installation import pod_of

if TYPE_CHECKING:
    from tests.chaos.traffic import Traffic
    from tests.chaos.world import World
    from tools.devcluster.replica import Replica


class Role(Enum):
    """Whom a fault hits."""

    LEADER = "on the leader"
    OTHER = "on the other replica"


Provoke = Callable[["Traffic", "Replica"], None]
"""Makes a replica come by a failpoint that everyday traffic does not lead to."""


@dataclass(frozen=True, slots=True)
class Step:
    """A place in the protocol, who comes by there, and what leads there."""

    name: str
    roles: tuple[Role, ...]
    provoke: Provoke | None = None
    both: bool = False
    """Whether the other replica dies too, so that this one comes by."""
    frozen: bool = False
    """Whether a process that stands still there for long does something late afterwards that others may have done."""

    @property
    def words(self) -> str:
        return self.name.replace("-", " ")


def _edit(traffic: Traffic, _: Replica) -> None:
    traffic.suspend()


def _strand(traffic: Traffic, victim: Replica) -> None:
    """Have the peer die right after a bind: the victim takes over what it has bound."""
    world = traffic.world
    peer = next(one for one in world.replicas if one is not victim)
    world.arm(peer, "after-bind=kill")
    eventually(lambda: killed(peer), what="the peer has died after a bind")


def _succeed(traffic: Traffic, victim: Replica) -> None:
    """Have the leader die: the victim begins a term."""
    leader = traffic.world.leader()
    assert leader is not victim
    leader.kill9()
    leader.start()


def _restart_database(traffic: Traffic, _: Replica) -> None:
    with traffic.world.fault("restart", Target.DATABASE):
        traffic.world.database.restart()


_ANY, _LEADER, _OTHER = (Role.LEADER, Role.OTHER), (Role.LEADER,), (Role.OTHER,)

_TRIES = 3
STEPS = (
    Step("before-plan-commit", _ANY, frozen=True),
    Step("after-plan", _ANY),
    Step("before-claim-commit", _ANY, frozen=True),
    Step("after-claim", _ANY),
    Step("before-create", _ANY, frozen=True),
    Step("after-create", _ANY, frozen=True),
    Step("before-staged-commit", _ANY),
    Step("after-staged", _ANY),
    Step("before-bind", _ANY, frozen=True),
    Step("before-bind-commit", _ANY, frozen=True),
    Step("after-bind", _ANY, frozen=True),
    Step("before-launch", _ANY, frozen=True),
    Step("after-launch", _ANY, frozen=True),
    Step("before-rescue-commit", _ANY, _strand, both=True),
    Step("after-rescue", _ANY, _strand, both=True),
    Step("before-mark-commit", _ANY),
    Step("after-mark", _ANY),
    Step("before-record", _LEADER, frozen=True),
    Step("before-record-commit", _LEADER),
    Step("after-record", _LEADER),
    Step("before-witness", _LEADER, frozen=True),
    Step("after-witness", _LEADER, frozen=True),
    Step("after-witness-noted", _LEADER),
    Step("before-release", _LEADER, frozen=True),
    Step("after-release", _LEADER, frozen=True),
    Step("after-release-noted", _LEADER),
    Step("before-verdict-commit", _ANY),
    Step("after-verdict", _ANY, frozen=True),
    Step("before-unstage", _ANY, frozen=True),
    Step("between-unstage", _ANY, frozen=True),
    Step("before-unstage-release", _ANY),
    Step("before-edit-commit", _LEADER, _edit, frozen=True),
    Step("after-edit", _LEADER, _edit, frozen=True),
    Step("after-term", _OTHER, _succeed, both=True, frozen=True),
    Step("quarantine-listed", _LEADER, _restart_database, frozen=True),
    Step("before-quarantine-commit", _LEADER, _restart_database, frozen=True),
    Step("between-quarantine-rounds", _LEADER, _restart_database, frozen=True),
)


def cells(*, frozen: bool) -> Iterator[tuple[Step, Role]]:
    """Yield the cells of one kind of fault, roles by turns: so each finds the replica of the last one back."""
    columns = [
        [(step, role) for step in STEPS if role in step.roles and (step.frozen or not frozen)]
        for role in (Role.LEADER, Role.OTHER)
    ]
    for number in range(max(map(len, columns))):
        for column in columns:
            if number < len(column):
                yield column[number]


def victim_of(world: World, role: Role) -> Replica:
    """Return the replica that has this role now."""
    return world.leader() if role is Role.LEADER else world.other()


@contextmanager
def struck(traffic: Traffic, step: Step, role: Role, action: str) -> Iterator[Replica]:
    """Have a replica of that role killed or stopped at that step; everything is healed on exit.

    A leader may lose its Lease between being chosen and being struck, where the machine is slow: then it is another's
    turn.
    """
    traffic.unsuspended()
    for _ in range(_TRIES):
        with _struck(traffic, step, role, action) as victim:
            if role is Role.OTHER or pod_of(traffic.world.installation.holder()) == victim.pod:
                yield victim
                return
    raise AssertionError(f"each of {_TRIES} leaders had lost its Lease before it was struck")


@contextmanager
def _struck(traffic: Traffic, step: Step, role: Role, action: str) -> Iterator[Replica]:
    world = traffic.world
    victim = victim_of(world, role)
    hit = [one.pod for one in world.replicas if step.both or one is victim]
    with world.fault(action, Target.REPLICA, replicas=hit, step=step.name, role=role.value):
        try:
            _strike(traffic, step, victim, action)
            yield victim
        finally:
            world.heal()


def _strike(traffic: Traffic, step: Step, victim: Replica, action: str) -> None:
    world = traffic.world
    before = world.struck(victim, step.name)
    world.arm(victim, f"{step.name}={action}")
    if step.provoke is not None:
        step.provoke(traffic, victim)
    down = killed if action == "kill" else stopped
    eventually(lambda: down(victim), what=f"{victim.pod} is down {step.words}", seconds=30)
    assert world.struck(victim, step.name) == before + 1


def settled(traffic: Traffic, until: float) -> None:
    """Wait until all that was due until then is launched or told; fail on anything double."""
    found: list[object] = []

    def nothing_is_overdue() -> bool:
        found[:] = traffic.overdue(until)
        return not found

    try:
        eventually(nothing_is_overdue, what="all that was due is launched or has its verdict", interval=0.1)
    except AssertionError as late:
        raise AssertionError(f"{late}: {found}") from late
    assert not traffic.world.doubles()
    traffic.world.check()


def wait_past(moment: float) -> None:
    """Wait until the clock has passed a moment: what is tested is that something lasts so long."""
    eventually(lambda: time.time() > moment, what="the pause is over", seconds=max(moment - time.time(), 0) + 5)
