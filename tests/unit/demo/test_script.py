"""When the leader is killed and comes back; what signals do; what DEMO_SECONDS may be."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from tests.unit.demo.histories import EVERY, START
from tools.demo.__main__ import demo_seconds
from tools.demo.facts import Schedule
from tools.demo.script import plan
from tools.demo.stage import Signals

OTHER_MINUTE = replace(EVERY, uid="u-cron", expression="*/2 * * * *")


@pytest.mark.parametrize(
    ("schedules", "moments"),
    [
        pytest.param([], [60.01, 80.01, 120], id="half-way, and back 20 s later"),
        pytest.param([EVERY], [70.01, 90, 120], id="at the first tick after half-time, and back at three quarters"),
        pytest.param([EVERY], [40.01, 45.01, 60], id="in a short demo it is away for five seconds at least"),
        pytest.param([EVERY, OTHER_MINUTE], [100.01, 120.01, 190], id="at the busiest moment soon after half-time"),
    ],
)
def test_the_plan(schedules: list[Schedule], moments: list[float]) -> None:
    found = plan(schedules, start=START, seconds=moments[-1])
    assert [found.kill_at - START, found.revive_at - START, found.end - START] == pytest.approx(moments)


def test_a_signal_breaks_off_the_start() -> None:
    signals = Signals()
    with pytest.raises(KeyboardInterrupt):
        signals(signal.SIGTERM, None)
    signals(signal.SIGTERM, None)  # while everything is removed
    assert signals.stop.is_set()


def test_a_signal_asks_the_running_demo_to_close_its_books() -> None:
    signals = Signals()
    signals.polite()
    assert not signals.stop.is_set()
    signals(signal.SIGINT, None)
    assert signals.stop.is_set()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("", 120, id="two minutes unless told otherwise"),
        pytest.param("60", 60, id="a number"),
        pytest.param("29", None, id="too short to show anything"),
        pytest.param("1m", None, id="no number"),
        pytest.param("-60", None, id="a negative number"),
    ],
)
def test_demo_seconds(text: str, seconds: int | None) -> None:
    assert demo_seconds(text) == seconds
