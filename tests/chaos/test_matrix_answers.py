"""The crash matrix: the answer to a request or a COMMIT is lost, or it is delivered long after its sender gave up.

All faults of one kind are thrown at one replica at once; each strikes once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.chaos.dblink import CommitFault
from tests.chaos.history import Target
from tests.chaos.matrix import Role, settled, victim_of
from tests.chaos.messages import COMMITS, REQUESTS, Commit, Request
from tests.chaos.stage import judged, staged
from tests.chaos.traffic import Traffic
from tests.support.proxy import Fault
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tools.devcluster.replica import Replica

Message = Request | Commit
_STRIKE_SECONDS = 90
"""Which replica does a step is chance: the one that does not lead un-stages few Jobs, on a busy machine."""
_LIFETIME = 4.0
"""Seconds in which a Job of this traffic is made, has run, is recorded and released."""


@dataclass(frozen=True, slots=True)
class Round:
    """What is thrown at one replica at once."""

    role: Role
    late: bool
    faults: dict[Message, Fault | CommitFault] = field(default_factory=dict, compare=False)

    @property
    def words(self) -> str:
        return "delivered late" if self.late else "its answer lost"


ROUNDS = [Round(role, late) for late in (False, True) for role in Role]


def name_of(message: Message) -> str:
    return f"the COMMIT of {message.words}" if isinstance(message, Commit) else message.words


CELLS = [
    pytest.param(one, message, id=f"{name_of(message)}, {one.words}, {one.role.value}")
    for one in ROUNDS
    for message in (*REQUESTS, *COMMITS)
    if one.role is Role.LEADER or not message.leader
]


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    yield from staged(tmp_path_factory.mktemp("answers"), "crash matrix, answers", cells=len(CELLS))


@pytest.fixture(scope="module")
def thrown() -> dict[Round, None]:
    """The rounds that are over."""
    return {}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("one", "message"), CELLS)
def test_answers(traffic: Traffic, thrown: dict[Round, None], one: Round, message: Message) -> None:
    if one not in thrown:
        thrown[one] = None
        throw(traffic, one)
    fault = one.faults[message]
    assert fault.hits == 1, "the harm was not done"
    if isinstance(fault, CommitFault):
        assert fault.committed == [True], "the server did not take the COMMIT"
    else:
        assert len(fault.answers) == 1, "the API server never got the request"
    assert not traffic.world.doubles()


def throw(traffic: Traffic, one: Round) -> None:
    """Throw everything of a round, wait until each has struck, deliver what is late, and let it all come right."""
    world = traffic.world
    victim = victim_of(world, one.role)
    traffic.unsuspended()
    with world.fault(one.words, Target.API_LINK, replica=victim.pod, role=one.role.value):
        for message in (*REQUESTS, *COMMITS):
            if one.role is Role.LEADER or not message.leader:
                one.faults[message] = _harm(traffic, victim, message, late=one.late)
        if one.role is Role.LEADER:
            traffic.suspend()
        eventually(
            lambda: not [name_of(message) for message, fault in one.faults.items() if not fault.hits],
            what="every fault has struck",
            seconds=_STRIKE_SECONDS,
        )
        struck = time.time()
        if one.late:
            eventually(lambda: time.time() > struck + _LIFETIME, what="what was late has been done again")
            for fault in one.faults.values():
                fault.deliver.set()
        eventually(lambda: all(map(_done, one.faults.values())), what="everything was delivered")
        world.heal()
    settled(traffic, time.time())


def _harm(traffic: Traffic, victim: Replica, message: Message, *, late: bool) -> Fault | CommitFault:
    if isinstance(message, Request):
        return traffic.world.api_link(victim).harm(message.late() if late else message.lost())
    return traffic.world.database_link(victim).harm(message.late() if late else message.lost())


def _done(fault: Fault | CommitFault) -> bool:
    return len(fault.committed if isinstance(fault, CommitFault) else fault.answers) == fault.hits


@pytest.mark.timeout(240)
def test_the_whole_history_keeps_every_promise(traffic: Traffic) -> None:
    judged(traffic)
