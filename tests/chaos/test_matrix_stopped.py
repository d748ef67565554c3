"""The crash matrix: a replica stands still at each step, longer than its claims and its Lease last; then acts late."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.chaos.matrix import Role, Step, cells, settled, struck, wait_past
from tests.chaos.stage import PAUSE_SECONDS, judged, staged
from tests.chaos.traffic import Traffic

CELLS = [pytest.param(step, role, id=f"{step.words}, stopped, {role.value}") for step, role in cells(frozen=True)]


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    yield from staged(tmp_path_factory.mktemp("stopped"), "crash matrix, stopped", cells=len(CELLS))


@pytest.mark.parametrize(("step", "role"), CELLS)
def test_stopped(traffic: Traffic, step: Step, role: Role) -> None:
    with struck(traffic, step, role, "stop") as victim:
        since = time.time()
        wait_past(since + PAUSE_SECONDS)
        settled(traffic, since)
        victim.resume()
    settled(traffic, since + PAUSE_SECONDS)


@pytest.mark.timeout(240)
def test_the_whole_history_keeps_every_promise(traffic: Traffic) -> None:
    judged(traffic)
