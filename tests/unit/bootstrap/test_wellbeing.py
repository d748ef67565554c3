"""What /healthz tells of a replica whose loop has just come loose."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ticklock.bootstrap.watchdog import Watchdog
from ticklock.bootstrap.wellbeing import Wellbeing

METER: Any = None


@pytest.mark.parametrize(
    ("silent", "stuck"),
    [
        pytest.param(0.2, [], id="it makes its turns"),
        pytest.param(16.0, ["loop"], id="it was stuck for longer than the limit"),
    ],
)
def test_the_loops_last_turn_is_told_beside_the_duties(silent: float, stuck: list[str]) -> None:
    watchdog = Watchdog(15.0, METER, _beaten_at=time.monotonic() - silent)
    replica = SimpleNamespace(beats={"planner": time.monotonic()})
    alive = Wellbeing(cast("Any", replica), watchdog).liveness()
    assert set(alive.ages) == {"planner", "loop"}
    assert alive.stuck == stuck
    assert alive.ages["loop"].limit == 15.0


def test_before_there_is_a_replica_nothing_is_stuck() -> None:
    assert Wellbeing().liveness().stuck == []
