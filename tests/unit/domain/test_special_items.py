"""What expressions may hold that CronJob's parser does not know: `L`, `5L`, `1#2`, `H`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest

from ticklock.domain.spread import seed_of, spread
from ticklock.domain.timetable import Timetable, TimetableError

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
SEED = seed_of("shop", "report")


def ticks(expression: str, count: int, seed: str | None = SEED) -> list[datetime]:
    timetable = Timetable.parse(expression, anchor=ANCHOR, seed=seed)
    after = ANCHOR - timedelta(seconds=1)
    return list(islice(timetable.ticks(after=after, until=ANCHOR + timedelta(days=90 * 366)), count))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("0 0 L * *", ["2026-01-31", "2026-02-28", "2026-03-31"], id="the last day of the month"),
        pytest.param("0 0 l 2 *", ["2026-02-28", "2027-02-28", "2028-02-29"], id="of February, leap year or not"),
        pytest.param("0 0 15,L * *", ["2026-01-15", "2026-01-31", "2026-02-15"], id="in a list"),
        pytest.param("0 0 31,L 1 *", ["2026-01-31", "2027-01-31"], id="the same day twice is one day"),
        pytest.param("0 0 * * 5L", ["2026-01-30", "2026-02-27", "2026-03-27"], id="the last Friday"),
        pytest.param("0 0 * * FRIL", ["2026-01-30", "2026-02-27", "2026-03-27"], id="by name"),
        pytest.param("0 0 * * 7l", ["2026-01-25", "2026-02-22"], id="the last Sunday, as 7"),
        pytest.param("0 0 * * 1#2", ["2026-01-12", "2026-02-09", "2026-03-09"], id="the second Monday"),
        pytest.param("0 0 * * mon#1,mon#3", ["2026-01-05", "2026-01-19", "2026-02-02"], id="two of them"),
        pytest.param("0 0 * * 4#5", ["2026-01-29", "2026-04-30"], id="a fifth Thursday, where there is one"),
        pytest.param("0 0 * 2 1#5", ["2044-02-29", "2072-02-29"], id="a fifth Monday in February, every 28 years"),
        pytest.param("0 0 * * 0#1,sat", ["2026-01-03", "2026-01-04", "2026-01-10"], id="beside a plain weekday"),
        pytest.param("0 0 L * 1#1", ["2026-01-05", "2026-01-31", "2026-02-02"], id="both days: either is enough"),
        pytest.param("0 0 1 * 5L", ["2026-01-01", "2026-01-30", "2026-02-01"], id="it is a restriction of the weekday"),
        pytest.param("0 0 L * ?", ["2026-01-31", "2026-02-28"], id="a question mark is none"),
    ],
)
@pytest.mark.field("schedule: L", "schedule: #", check="semantics")
def test_days_counted_within_their_month(expression: str, expected: list[str]) -> None:
    assert [f"{tick:%Y-%m-%d}" for tick in ticks(expression, len(expected))] == expected


@pytest.mark.field("schedule: L", check="semantics")
def test_the_last_day_is_that_of_the_zone() -> None:
    timetable = Timetable.parse("0 0 L * *", time_zone="Asia/Tokyo", anchor=ANCHOR)
    assert timetable.next(ANCHOR) == datetime(2026, 1, 30, 15, tzinfo=UTC)


class TestH:
    """A value drawn from namespace and name."""

    @pytest.mark.field("schedule: H", check="semantics")
    def test_it_is_one_time_and_stays_that(self) -> None:
        first, second = ticks("H H * * *", 2)
        assert second - first == timedelta(days=1)
        assert ticks("H H * * *", 2) == [first, second]
        assert f"{first:%H:%M}" == "11:39", "no release may move it"

    def test_fields_are_drawn_apart(self) -> None:
        drawn = {tuple(f"{tick:%H:%M:%S}".split(":")) for tick in ticks("H H H * * *", 3)}
        assert drawn == {("11", "39", "50")}

    @pytest.mark.parametrize(
        ("expression", "field", "low", "high"),
        [
            pytest.param("H * * * *", "%M", 0, 59, id="minutes"),
            pytest.param("0 H * * *", "%H", 0, 23, id="hours"),
            pytest.param("0 H(22-23) * * *", "%H", 22, 23, id="hours of a range"),
            pytest.param("0 0 H * *", "%d", 1, 28, id="a day that every month has"),
            pytest.param("0 0 1 H *", "%m", 1, 12, id="months"),
            pytest.param("0 0 * * H", "%w", 0, 6, id="weekdays"),
        ],
    )
    @pytest.mark.field("schedule: H", check="semantics")
    def test_every_value_of_the_range_is_drawn_and_no_other(
        self, expression: str, field: str, low: int, high: int
    ) -> None:
        drawn = Counter(
            int(tick.strftime(field)) for name in range(2000) for tick in ticks(expression, 1, f"shop/report-{name}")
        )
        assert set(drawn) == set(range(low, high + 1))
        fair = 2000 / len(drawn)
        assert all(0.4 * fair < count < 1.8 * fair for count in drawn.values()), drawn

    @pytest.mark.parametrize(
        ("expression", "distances"),
        [
            pytest.param("H/15 * * * *", {15}, id="a step keeps its distance, over the hour too"),
            pytest.param("H(0-29)/10 * * * *", {10, 40}, id="within a range"),
            pytest.param("H/100 * * * *", {60}, id="a step beyond the field: once"),
            pytest.param("H,H * * * *", {60}, id="the same draw twice is one"),
        ],
    )
    @pytest.mark.field("schedule: H", check="semantics")
    def test_with_a_step_the_begin_is_drawn(self, expression: str, distances: set[int]) -> None:
        found = ticks(expression, 12)
        assert {(later - earlier) // timedelta(minutes=1) for earlier, later in pairwise(found)} == distances

    def test_a_moved_step_goes_on_through_a_repeated_hour_as_a_star_does(self) -> None:
        berlin = Timetable.parse("H/20 2 * * *", time_zone="Europe/Berlin", anchor=ANCHOR, seed=SEED)
        night = datetime(2026, 10, 25, tzinfo=UTC)
        assert len(list(berlin.ticks(after=night - timedelta(hours=1), until=night + timedelta(hours=3)))) == 6

    def test_only_h_depends_on_the_name(self) -> None:
        for expression in ("@hourly", "0 9 * * THU", "30 2 * * *"):
            assert ticks(expression, 3, "a/a") == ticks(expression, 3, "b/b") == ticks(expression, 3, None)

    def test_without_a_name_it_is_refused(self) -> None:
        with pytest.raises(TimetableError, match="drawn from the schedule's name"):
            ticks("H H * * *", 1, None)


def test_draws_do_not_mix_up_what_is_written_alike() -> None:
    assert len({spread(seed, purpose, 2**60) for seed, purpose in [("ab", "c"), ("a", "bc"), ("abc", "")]}) == 3
