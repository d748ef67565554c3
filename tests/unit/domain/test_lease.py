import pytest

from ticklock.domain.lease import JITTER, LeaseTimes, Sighting, Trust

TIMES = LeaseTimes()


@pytest.mark.parametrize(
    ("duration", "renew_deadline", "retry_period", "complaint"),
    [
        pytest.param(10, 10, 2, "duration must be greater", id="others take over while the holder still trusts"),
        pytest.param(15, 2, 2, "greater than 1.2 times", id="no second try before the deadline"),
        pytest.param(15, 10, 0, "positive", id="a busy loop"),
    ],
)
def test_unsafe_times_are_refused(duration: float, renew_deadline: float, retry_period: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        LeaseTimes(duration, renew_deadline, retry_period)


def test_trust_begins_when_it_was_asked_for_and_ends_before_others_may_take_over() -> None:
    trust = Trust.granted(asked_at=100.0, times=TIMES)
    seen_by_others = Sighting("us", TIMES.duration, seen_at=100.0)
    assert trust.valid(109.9)
    assert not trust.valid(110.0)
    assert not seen_by_others.expired(114.9)
    assert seen_by_others.expired(115.0)


def test_a_released_lease_is_free_at_once() -> None:
    assert Sighting("", TIMES.duration, seen_at=100.0).expired(100.0)


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 2.0), (1.0, 2.0 * (1 + JITTER))])
def test_pauses_are_jittered_upwards(chance: float, pause: float) -> None:
    assert TIMES.pause(chance) == pytest.approx(pause)


def test_one_hung_attempt_does_not_end_a_term() -> None:
    assert 2 * TIMES.attempt_timeout < TIMES.renew_deadline
