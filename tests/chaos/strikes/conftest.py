"""One battlefield for the tests that show that each fault strikes; each fault mends what it broke."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.chaos.battlefield import Battlefield, not_possible
from tests.chaos.faults.fault import FAULTS, Details, Need
from tests.chaos.history import Meta
from tests.chaos.world import Plan

Strike = Callable[[str], AbstractContextManager[Details]]


@pytest.fixture(scope="session")
def impossible() -> dict[Need, str]:
    return dict(not_possible(set(Need)))


@pytest.fixture(scope="session")
def shared_field(tmp_path_factory: pytest.TempPathFactory, impossible: dict[Need, str]) -> Iterator[Battlefield]:
    folder: Path = tmp_path_factory.mktemp("strikes")
    plan = Plan(meta=Meta(seed=1, seconds=0, command="the tests of the faults"))
    needs = set(Need) - impossible.keys()
    with Battlefield(folder, plan, needs=needs, schedules=10, dice=Random(1)) as field:
        field.plant()
        yield field


@pytest.fixture
def field(shared_field: Battlefield) -> Battlefield:
    """Everything in order."""
    shared_field.heal()
    return shared_field


@pytest.fixture
def strike(field: Battlefield, impossible: dict[Need, str]) -> Strike:
    """Throws a fault by its name, for as long as the block lasts."""

    @contextmanager
    def throw(name: str) -> Iterator[Details]:
        kind = FAULTS[name]
        for need in kind.needs & impossible.keys():
            pytest.skip(impossible[need])
        with kind.strike(field, Random(7)) as said:
            yield said

    return throw
