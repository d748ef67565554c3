"""The plan of a soak: the same for the same seed, every fault in its turn, within its time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.chaos.faults import FAMILIES
from tests.chaos.faults.fault import FAULTS, Details, Kind
from tests.chaos.history import Target
from tests.chaos.plan import CALM_SECONDS, Lane, lane_of, plan

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground


def nothing(_ground: Ground, _dice: Random) -> Iterator[Details]:
    """Do nothing."""
    yield {}


def kind(name: str, target: Target = Target.REPLICA, hold: tuple[float, float] = (1, 5)) -> Kind:
    return Kind(name, target, hold, nothing, frozenset(), for_cronjob=False)


STRIKES = Path(__file__).parents[2] / "chaos" / "strikes"
SOME = [kind("one"), kind("two"), kind("three"), kind("asks", Target.PEOPLE, (0, 0))]


def test_the_same_seed_gives_the_same_plan_whatever_the_order_of_the_list() -> None:
    assert plan(7, 120, SOME) == plan(7, 120, reversed(SOME))
    assert plan(7, 120, SOME) != plan(8, 120, SOME)


def test_each_fault_has_had_its_turn_before_one_comes_again() -> None:
    machines = [strike.kind.name for strike in plan(3, 300, SOME) if strike.lane is Lane.MACHINES]
    assert len(machines) >= 9
    for at in range(0, len(machines) - 2, 3):
        assert set(machines[at : at + 3]) == {"one", "two", "three"}


@pytest.mark.parametrize("seed", range(5))
def test_a_lane_fills_its_time_and_begins_with_a_calm(seed: int) -> None:
    for lane in Lane:
        own = [strike for strike in plan(seed, 200, SOME) if strike.lane is lane]
        assert own[0].after >= CALM_SECONDS
        assert 160 < sum(strike.after + strike.hold for strike in own) <= 201


def test_no_time_no_faults() -> None:
    assert plan(1, CALM_SECONDS, SOME) == ()


def test_what_people_do_has_a_lane_of_its_own() -> None:
    assert lane_of(SOME[-1]) is Lane.PEOPLE
    assert lane_of(SOME[0]) is Lane.MACHINES


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_says_what_it_does_and_how_long(name: str) -> None:
    one = FAULTS[name]
    assert one.sentence.endswith(".")
    assert 0 <= one.hold[0] <= one.hold[1] <= 90


def test_every_family_is_in_the_list() -> None:
    listed = {one.doing.__module__ for one in FAULTS.values()}
    assert listed == {family.__name__ for family in FAMILIES}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_shown_to_strike(name: str) -> None:
    tests = "".join(path.read_text() for path in STRIKES.glob("test_*.py"))
    assert f'"{name}"' in tests
