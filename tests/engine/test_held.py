"""For how long Jobs have kept our finalizer, by what they wait for."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.engine.views import NOON, job
from ticklock.domain.model import AttemptState
from ticklock.engine.held import Held, ages

NOW = NOON + timedelta(hours=1)


def ago(minutes: float) -> Any:
    return NOW - timedelta(minutes=minutes)


STARTED = {"created_at": ago(50), "suspended": False, "started_at": ago(40)}
ENDED = {**STARTED, "finished": AttemptState.COMPLETED, "finished_at": ago(30)}


@pytest.mark.parametrize(
    ("changes", "held", "minutes"),
    [
        pytest.param({"created_at": ago(50)}, Held.STAGED, 50, id="staged, since it was created"),
        pytest.param(STARTED, Held.RUNNING, 40, id="running, since it started"),
        pytest.param({**STARTED, "started_at": None}, Held.RUNNING, 50, id="just let go, since it was created"),
        pytest.param(
            {"created_at": ago(50), "generation": 3}, Held.RUNNING, 50, id="paused by its user, since it was created"
        ),
        pytest.param(ENDED, Held.FINISHED, 30, id="finished, since it ended"),
        pytest.param(
            {**ENDED, "deleting": True, "deleting_since": ago(20)}, Held.DELETING, 20, id="deleted, since it was asked"
        ),
        pytest.param({"created_at": None}, Held.STAGED, 0, id="a moment that is not told counts as none"),
    ],
)
def test_each_state_counts_from_its_own_moment(changes: Mapping[str, Any], held: Held, minutes: float) -> None:
    expected = dict.fromkeys(Held, 0.0) | {held: minutes * 60}
    assert ages([job(**changes)], NOW) == expected


def test_of_several_the_oldest_counts() -> None:
    jobs = [job(created_at=ago(5)), job(created_at=ago(9)), job(created_at=ago(7))]
    assert ages(jobs, NOW)[Held.STAGED] == 540


def test_without_any_all_are_zero() -> None:
    assert ages([], NOW) == dict.fromkeys(Held, 0.0)
