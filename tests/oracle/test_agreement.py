"""Some of what `python -m tests.oracle` compares: seconds here, ten thousand expressions there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tests.oracle.agreement import differences, years
from tests.oracle.drawing import TOP_OF_THE_MINUTE, Asked, Drawn, draw, text_of
from tests.oracle.year import Year
from ticklock.domain.expression import Interval, parse_expression


@pytest.fixture(scope="module")
def berlin() -> Year:
    return Year.walk("Europe/Berlin", 2026)


def test_random_expressions_agree_with_the_oracle_over_a_year(berlin: Year) -> None:
    assert [str(difference) for difference in differences(berlin, Random(11), 150)] == []


def test_any_zone_and_year_agrees_too() -> None:
    chance = Random(12)
    (year,) = years(chance, 1)
    assert [str(difference) for difference in differences(year, chance, 50)] == []


def test_the_clock_of_berlin_as_the_oracle_reads_it(berlin: Year) -> None:
    changes = [berlin.begin + timedelta(minutes=at) for at in berlin.changes]
    assert changes == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
    half_past_two = (TOP_OF_THE_MINUTE, Drawn("30", frozenset({30})), Drawn("2", frozenset({2})))
    night = (*half_past_two, *(_any(least, most) for least, most in ((1, 31), (1, 12), (0, 6))))
    ticks = berlin.ticks(Asked(night), 0, berlin.minutes)
    assert len(ticks) == 365
    assert datetime(2026, 3, 29, 1, tzinfo=UTC) in ticks, "half past two does not exist: as the gap ends"
    assert [tick.hour for tick in ticks if f"{tick:%m-%d}" == "10-25"] == [0], "twice there: the first one"


def _any(least: int, most: int) -> Drawn:
    return Drawn("*", frozenset(range(least, most + 1)), bare_star=True, star=True)


def test_what_is_drawn_is_read_as_it_was_meant() -> None:
    chance = Random(5)
    for _ in range(500):
        fields = draw(chance)
        pattern = parse_expression(text_of(fields))
        assert not isinstance(pattern, Interval)
        _, minute, _, day, _, weekday = fields
        assert frozenset(pattern.minutes) == minute.values
        assert (pattern.days, pattern.last_day) == (day.values, day.last)
        assert (pattern.weekdays, pattern.nth) == (weekday.values, weekday.nth)
