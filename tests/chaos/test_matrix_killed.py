"""The crash matrix: a replica is killed at each step of the protocol. Nothing is double, nothing is silently lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.chaos.matrix import Role, Step, cells, settled, struck
from tests.chaos.stage import judged, staged
from tests.chaos.traffic import Traffic

CELLS = [pytest.param(step, role, id=f"{step.words}, killed, {role.value}") for step, role in cells(frozen=False)]


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    yield from staged(tmp_path_factory.mktemp("killed"), "crash matrix, killed", cells=len(CELLS))


@pytest.mark.parametrize(("step", "role"), CELLS)
def test_killed(traffic: Traffic, step: Step, role: Role) -> None:
    with struck(traffic, step, role, "kill"):
        dead = time.time()
    settled(traffic, dead)


@pytest.mark.timeout(240)
def test_the_whole_history_keeps_every_promise(traffic: Traffic) -> None:
    judged(traffic)
