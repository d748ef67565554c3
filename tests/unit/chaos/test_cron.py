"""The checker's own idea of when a schedule ticks, against tables written by hand; the product only comes last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.cron import NotUnderstoodError, ticks
from ticklock.domain.timetable import Timetable


def _epoch(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def _ticks(expression: str, first: str, last: str, *, zone: str | None = None, anchor: str = "2026-01-01") -> list[str]:
    """The ticks between two local times, as local times."""
    where = zone or "UTC"
    found = ticks(expression, zone, anchor=_epoch(anchor), first=_epoch(first, where), last=_epoch(last, where))
    return [f"{datetime.fromtimestamp(one, ZoneInfo(where)):%d %H:%M:%S %z}" for one in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("* * * * *", ["10:00:00", "10:01:00", "10:02:00", "10:03:00"], id="a star is every minute"),
        pytest.param("? ? ? ? ?", ["10:00:00", "10:01:00", "10:02:00", "10:03:00"], id="a question mark is a star"),
        pytest.param("1-2 * * * *", ["10:01:00", "10:02:00"], id="a range"),
        pytest.param("*/2 * * * *", ["10:00:00", "10:02:00"], id="a step begins at the least"),
        pytest.param("1/2 * * * *", ["10:01:00", "10:03:00"], id="N/step runs to the end"),
        pytest.param("3,1 10 * * *", ["10:01:00", "10:03:00"], id="a list in any order"),
        pytest.param(",1,,1, 10 * * *", ["10:01:00"], id="empty and repeated items of a list"),
        pytest.param("+01 010 * * *", ["10:01:00"], id="plus signs and leading zeros"),
        pytest.param("*/100 * * * *", ["10:00:00"], id="a step beyond the end leaves the least"),
        pytest.param("0 10 * JUN,8 *", ["10:00:00"], id="names and numbers of months"),
        pytest.param("0 10 * 7 *", [], id="another month"),
        pytest.param("0 10 * * wed", ["10:00:00"], id="the name of the day"),
        pytest.param("0 10 * * 3", ["10:00:00"], id="its number"),
        pytest.param("0 10 * * 7", [], id="Sunday"),
        pytest.param("0 10 * * tue/2", [], id="a step of weekdays from a name"),
        pytest.param("0 10 * * 5-7", [], id="a range that ends with the second Sunday"),
        pytest.param("0 10 * * 1-7", ["10:00:00"], id="all days from Monday"),
        pytest.param("0 10 1 * 3", ["10:00:00"], id="both days restricted: either is enough"),
        pytest.param("0 10 1 * *", [], id="only the date restricted"),
        pytest.param("0 10 */1 * 4", [], id="a star with step one does not restrict"),
        pytest.param("0 10 3,* * 4", [], id="nor does a star inside a list"),
        pytest.param("0 10 */2 * 4", ["10:00:00"], id="a star with step two restricts: 17 is one of its days"),
        pytest.param("0 10 1-31 * 4", ["10:00:00"], id="a full range restricts"),
        pytest.param("@hourly", ["10:00:00"], id="hourly"),
        pytest.param("@daily", [], id="daily"),
        pytest.param(
            "*/50 * * * * *",
            ["10:00:00", "10:00:50", "10:01:00", "10:01:50", "10:02:00", "10:02:50", "10:03:00"],
            id="six fields begin with the second",
        ),
        pytest.param("7 1 10 * * *", ["10:01:07"], id="a single second"),
        pytest.param("0 1 10 * * *", ["10:01:00"], id="a leading zero changes nothing"),
        pytest.param("0 0 31 2 *", [], id="a date that never comes"),
    ],
)
def test_what_ticks_in_three_minutes_of_a_wednesday(expression: str, expected: list[str]) -> None:
    found = _ticks(expression, "2026-06-17 10:00:00", "2026-06-17 10:03:00")
    assert [one[3:11] for one in found] == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("@every 90s", ["00:01:40", "00:03:10", "00:04:40"], id="from the anchor, not from the minute"),
        pytest.param("@every 1m30s", ["00:01:40", "00:03:10", "00:04:40"], id="two units"),
        pytest.param("@every 1.5m", ["00:01:40", "00:03:10", "00:04:40"], id="a fraction"),
        pytest.param("@every 90.9s", ["00:01:40", "00:03:10", "00:04:40"], id="fractions of a second are cut off"),
        pytest.param("@every +3m", ["00:03:10"], id="a sign"),
        pytest.param("@every 1h", [], id="not yet"),
    ],
)
def test_every_counts_from_its_anchor(expression: str, expected: list[str]) -> None:
    found = _ticks(expression, "2026-01-01 00:00:00", "2026-01-01 00:05:00", anchor="2026-01-01 00:00:10")
    assert [one[3:11] for one in found] == expected


def test_the_shortest_interval_is_a_second() -> None:
    assert ticks("@every 1ms", None, anchor=100, first=99, last=103) == [101, 102, 103]


@pytest.mark.parametrize(
    ("expression", "zone", "night", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            ("2026-03-29 01:00", "2026-03-29 04:00"),
            ["29 03:00:00 +0200"],
            id="02:30 does not exist and runs when the gap ends",
        ),
        pytest.param(
            "15,45 2,3 * * *",
            "Europe/Berlin",
            ("2026-03-29 01:00", "2026-03-29 04:00"),
            ["29 03:00:00 +0200", "29 03:15:00 +0200", "29 03:45:00 +0200"],
            id="two skipped times are one tick",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Berlin",
            ("2026-03-29 01:00", "2026-03-29 04:00"),
            [],
            id="with a star a skipped time does not run",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            ("2026-10-25 01:00", "2026-10-25 04:00"),
            ["25 02:30:00 +0200"],
            id="02:30 exists twice and runs the first time",
        ),
        pytest.param(
            "30 * * * *",
            "Europe/Berlin",
            ("2026-10-25 01:45", "2026-10-25 03:15"),
            ["25 02:30:00 +0200", "25 02:30:00 +0100"],
            id="with a star it runs both times",
        ),
        pytest.param(
            "0 0 * * *",
            "America/St_Johns",
            ("2006-10-28 23:00", "2006-10-29 02:00"),
            ["29 00:00:00 -0230"],
            id="a midnight that comes twice is one tick",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            ("2026-10-04 01:00", "2026-10-04 03:00"),
            ["04 02:30:00 +1100"],
            id="half an hour is missing",
        ),
        pytest.param(
            "@daily",
            "America/Sao_Paulo",
            ("2018-11-03 23:00", "2018-11-04 02:00"),
            ["04 01:00:00 -0200"],
            id="a day that begins at one",
        ),
        pytest.param(
            "30 2 * * *",
            "Asia/Kolkata",
            ("2026-03-29 01:00", "2026-03-29 04:00"),
            ["29 02:30:00 +0530"],
            id="a zone without changes",
        ),
    ],
)
def test_the_nights_of_a_clock_change(expression: str, zone: str, night: tuple[str, str], expected: list[str]) -> None:
    assert _ticks(expression, *night, zone=zone) == expected


def test_a_window_that_begins_in_the_repeated_hour_does_not_repeat_what_ran_before_it() -> None:
    second_half_past_two = int(datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp())
    for before in (0, 1, 29, 30, 59, 1800):
        first = second_half_past_two - before
        assert ticks("30 2 * * *", "Europe/Berlin", anchor=0, first=first, last=first + 3600) == []


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "*",
        "* * * *",
        "* * * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "*-5 * * * *",
        "-5 * * * *",
        "1-2-3 * * * *",
        "1/2/3 * * * *",
        ", * * * *",
        "mon * * * *",
        "L * * * *",
        "* * * * 7/2",
        "1.5 * * * *",
        "@Daily",
        "@reboot",
        " @daily",
        "@every",
        "@every 0s",
        "@every -1s",
        "@every 5",
        "@every 1d",
        "TZ=UTC * * * * *",
        "CRON_TZ=UTC * * * * *",
    ],
)
def test_what_means_nothing_is_refused(expression: str) -> None:
    with pytest.raises(NotUnderstoodError):
        ticks(expression, None, anchor=0, first=0, last=60)


@pytest.mark.parametrize("zone", ["Moon/Crater", "", "../etc", "/UTC"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(NotUnderstoodError):
        ticks("* * * * *", zone, anchor=0, first=0, last=60)


_NUMBERS = st.integers(0, 59).map(str)
_MINUTES = st.one_of(st.just("*"), _NUMBERS, st.integers(1, 30).map("*/{}".format), _NUMBERS.map("{}/7".format))
_HOURS = st.one_of(st.just("*"), st.sampled_from(["0", "1", "2", "3", "1-3", "*/2", "2,3"]))
_DAYS = st.sampled_from(["*", "25", "29", "*/2", "1-31", "?"])
_WEEKDAYS = st.sampled_from(["*", "0", "7", "sun", "mon-fri", "*/3"])
_MOMENTS = st.sampled_from(["2026-03-29T00:30", "2026-10-25T00:30", "2026-06-17T08:00", "2026-10-03T15:00"])
_ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"])


@given(
    st.tuples(_NUMBERS, _MINUTES, _HOURS, _DAYS, st.just("*"), _WEEKDAYS).map(" ".join),
    _ZONES,
    _MOMENTS,
    st.integers(0, 7200),
)
@settings(max_examples=40, deadline=None)
def test_product_and_checker_agree_where_neither_was_told_what_to_say(
    expression: str, zone: str, moment: str, offset: int
) -> None:
    start = datetime.fromisoformat(moment).replace(tzinfo=UTC) + timedelta(seconds=offset)
    until = start + timedelta(minutes=90)
    timetable = Timetable.parse(expression, time_zone=zone, anchor=start)
    first, last = int(start.timestamp()) + 1, int(until.timestamp())
    assert ticks(expression, zone, anchor=first - 1, first=first, last=last) == [
        int(tick.timestamp()) for tick in timetable.ticks(after=start, until=until)
    ]
