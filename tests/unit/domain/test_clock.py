"""Whether the database's clock is to be believed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticklock.domain.clock import NEAR, SETTLE_SECONDS, STEP, ClockWatch, Sample

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def watch(*samples: tuple[float, float], wall_off: float = 0, taking: float = 0.01) -> ClockWatch:
    """Return a watch that has seen (monotonic, database) pairs, both in seconds after noon."""
    state = ClockWatch()
    for asked, database in samples:
        sample = Sample(asked, asked + taking, NOON + s(database))
        state = state.seen(sample, wall=NOON + s(asked + wall_off))
    return state


def steady(start: float, count: int, *, ahead: float = 0) -> list[tuple[float, float]]:
    return [(start + i, start + i + ahead) for i in range(count)]


@pytest.mark.parametrize(
    ("samples", "alarmed"),
    [
        pytest.param([], False, id="nothing seen: no opinion"),
        pytest.param([(0, 0)], False, id="one look at a sensible clock"),
        pytest.param(steady(0, 50), False, id="the same rate"),
        pytest.param([(0, 0), (10, 11.9)], False, id="less than two seconds ahead"),
        pytest.param([(0, 0), (10, 12.1)], True, id="more than two seconds ahead"),
        pytest.param([(0, 0), (10, 7.9)], True, id="more than two seconds behind"),
        pytest.param([(0, 0), (10, -3600)], True, id="an hour back"),
        pytest.param([(0, 0), (10, 3610)], True, id="an hour ahead"),
        pytest.param([(0, 0), (10, 3610), (11, 3611)], True, id="the alarm stays when the rate agrees again"),
        pytest.param([(0, 0), (10, 13), *steady(11, 29, ahead=3)], True, id="for less than thirty seconds"),
        pytest.param([(0, 0), (10, 13), *steady(11, 31, ahead=3)], False, id="after thirty seconds it is over"),
        pytest.param([(0, 0), (10, 3610), *steady(11, 99, ahead=3600)], True, id="not while it is far from our own"),
        pytest.param([(0, 0), (10, 13), (20, 26), *steady(21, 29, ahead=6)], True, id="each step begins the wait anew"),
        pytest.param([(0, 3600)], True, id="far from our own at the first look"),
        pytest.param([(0, -3600)], True, id="far behind our own at the first look"),
        pytest.param([(0, NEAR.total_seconds())], False, id="a minute from our own at the first look"),
    ],
)
def test_when_it_is_not_believed(samples: list[tuple[float, float]], alarmed: bool) -> None:  # noqa: FBT001
    assert watch(*samples).alarmed is alarmed


def test_a_pause_of_the_replica_between_question_and_answer_is_no_step() -> None:
    state = watch((0, 0))
    paused = Sample(asked=1.0, answered=301.0, database=NOON + s(1))
    assert not state.seen(paused, wall=NOON + s(301)).alarmed
    late = Sample(asked=1.0, answered=301.0, database=NOON + s(301))
    assert not state.seen(late, wall=NOON + s(301)).alarmed


def test_the_size_of_the_step_is_told() -> None:
    assert round(watch((0, 0), (10, 40)).step.total_seconds()) == 30
    assert round(watch((0, 0), (10, -20)).step.total_seconds()) == -30
    assert watch((0, 500), taking=0).step == s(500)


def test_a_person_may_end_the_alarm() -> None:
    state = watch((0, 0), (10, 3610))
    assert state.alarmed
    assert not state.released().alarmed
    assert not state.released().seen(Sample(11, 11.01, NOON + s(3611)), wall=NOON + s(11)).alarmed


@settings(deadline=None)
@given(
    moments=st.lists(st.tuples(st.floats(0.001, 60), st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=40),
    drift=st.floats(-1e-4, 1e-4),
)
def test_a_clock_that_runs_at_our_rate_is_never_doubted(
    moments: list[tuple[float, float, float]], drift: float
) -> None:
    """However long questions take, and wherever between question and answer the clock was read."""
    state, elapsed = ClockWatch(), 0.0
    for pause, taking, when in moments:
        asked = elapsed + pause
        elapsed = asked + taking
        read = (asked + taking * when) * (1 + drift)
        state = state.seen(Sample(asked, elapsed, NOON + s(read)), wall=NOON + s(read))
        assert not state.alarmed


@settings(deadline=None)
@given(
    before=st.floats(0.1, 100), step=st.floats(min_value=STEP.total_seconds() + 0.1, max_value=1e6), back=st.booleans()
)
def test_a_step_beyond_the_limit_is_always_seen(before: float, step: float, back: bool) -> None:  # noqa: FBT001
    state = watch((0, 0), (before, before + (-step if back else step)), taking=0.0)
    assert state.alarmed
    assert SETTLE_SECONDS > 0
