"""How often what has failed is asked for again."""

import pytest

from ticklock.kube.budget import RetryBudget


def budget(**changes: float) -> RetryBudget:
    made = RetryBudget(share=0.2, floor=10.0, most=100.0, reserve=25.0, chance=lambda: 0.0)
    made.tokens = changes.pop("tokens", 100.0)
    made.withdraw(0.0, urgent=False)
    made.tokens = changes.pop("then", made.tokens)
    return made


def taken(made: RetryBudget, now: float, *, urgent: bool = True) -> int:
    """How many retries go through at that moment."""
    return next(count for count in range(1000) if made.withdraw(now, urgent=urgent) > 0)


def test_a_full_budget_is_spent_once_and_then_refilled_by_the_floor() -> None:
    made = budget(then=100.0)
    assert taken(made, 0.0) == 100
    assert taken(made, 1.0) == 10
    assert taken(made, 1.0) == 0
    assert taken(made, 1000.0) == 100


def test_a_part_is_kept_for_launches() -> None:
    made = budget(then=100.0)
    assert taken(made, 0.0, urgent=False) == 75
    assert taken(made, 0.0, urgent=True) == 25


def test_successes_pay_for_a_fifth_of_their_number() -> None:
    made = budget(then=0.0)
    for _ in range(100):
        made.succeeded("another", retried=False)
    assert taken(made, 0.0) in {19, 20}


def test_a_retry_that_succeeds_costs_nothing() -> None:
    made = budget(then=1.0)
    for _ in range(50):
        assert made.withdraw(0.0, urgent=True) == 0
        made.succeeded("it", retried=True)
    assert made.tokens > 1.0


@pytest.mark.parametrize(
    ("urgent", "seconds"),
    [
        pytest.param(True, 0.1, id="until there is a token"),
        pytest.param(False, 2.6, id="until the reserve is full too"),
    ],
)
def test_who_gets_none_is_told_how_long_to_wait(urgent: bool, seconds: float) -> None:  # noqa: FBT001
    assert budget(then=0.0).withdraw(0.0, urgent=urgent) == pytest.approx(seconds)


def test_what_failed_is_a_retry_until_it_succeeds_or_is_forgotten() -> None:
    made = budget()
    assert not made.repeats("it", 1.0)
    made.failed("it", 1.0)
    assert made.repeats("it", 2.0)
    assert not made.repeats("another", 2.0)
    assert not made.repeats("it", 62.0)
    made.failed("it", 62.0)
    made.succeeded("it", retried=True)
    assert not made.repeats("it", 63.0)


def test_only_so_many_failures_are_remembered() -> None:
    made = budget()
    for number in range(20_001):
        made.failed(number, 1.0)
    assert not made.repeats(0, 1.0)
    assert made.repeats(1, 1.0)
