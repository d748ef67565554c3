"""What expressions mean: five fields as CronJob reads them, and what is ours beyond it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from ticklock.domain.timetable import Kind, Timetable

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first(expression: str, count: int, after: str = "2026-01-01") -> list[str]:
    """Return the first ticks after a moment, short enough to be read in a table."""
    timetable = Timetable.parse(expression, anchor=ANCHOR)
    ticks = islice(timetable.ticks(after=utc(after), until=utc(after) + timedelta(days=3660)), count)
    return [f"{tick:%m-%d %H:%M}" for tick in ticks]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("* * * * *", ["01-01 00:01", "01-01 00:02"], id="a star is every value; the start is left out"),
        pytest.param("? ? ? ? ?", ["01-01 00:01", "01-01 00:02"], id="a question mark is a star"),
        pytest.param("30 2 * * *", ["01-01 02:30", "01-02 02:30"], id="a fixed time"),
        pytest.param("5,35 * * * *", ["01-01 00:05", "01-01 00:35"], id="a list"),
        pytest.param(
            "35,5,,5, * * * *", ["01-01 00:05", "01-01 00:35"], id="empty and repeated items count for nothing"
        ),
        pytest.param("58-59 * * * *", ["01-01 00:58", "01-01 00:59"], id="a range"),
        pytest.param("7-7 * * * *", ["01-01 00:07", "01-01 01:07"], id="a range of one"),
        pytest.param("*/25 1 * * *", ["01-01 01:00", "01-01 01:25", "01-01 01:50"], id="a step begins at the least"),
        pytest.param("50/4 * * * *", ["01-01 00:50", "01-01 00:54", "01-01 00:58"], id="N/step runs to the end"),
        pytest.param("5-5/2 * * * *", ["01-01 00:05", "01-01 01:05"], id="a step over a range of one stays one"),
        pytest.param("0-10/4 * * * *", ["01-01 00:04", "01-01 00:08", "01-01 01:00"], id="a step over a range"),
        pytest.param("*/100 * * * *", ["01-01 01:00", "01-01 02:00"], id="a step beyond the end leaves the least"),
        pytest.param("+7 007 * * *", ["01-01 07:07", "01-02 07:07"], id="plus signs and leading zeros are read"),
        pytest.param("0 0 1 JUL,Dec *", ["07-01 00:00", "12-01 00:00"], id="names of months in any case"),
        pytest.param("0 0 1 oct-12 *", ["10-01 00:00", "11-01 00:00"], id="names and numbers mix in a range"),
        pytest.param("0 0 * * SUN", ["01-04 00:00", "01-11 00:00"], id="names of days in any case"),
        pytest.param("0 0 * * fri/1", ["01-02 00:00", "01-03 00:00", "01-09 00:00"], id="a name with a step"),
        pytest.param("0 0 * * 5/2", ["01-02 00:00", "01-09 00:00"], id="a step of weekdays ends with Saturday"),
        pytest.param("0 0 31 * *", ["01-31 00:00", "03-31 00:00"], id="months without the day are passed over"),
        pytest.param("0 0 29 2 *", ["02-29 00:00", "02-29 00:00"], id="29 February waits for its year"),
        pytest.param("\t0  0 1\n1 * ", ["01-01 00:00", "01-01 00:00"], id="any white space parts fields"),
    ],
)
@pytest.mark.field("schedule", "schedule: names", "schedule: ?", "schedule: macros", check="semantics")
def test_five_fields(expression: str, expected: list[str]) -> None:
    assert first(expression, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "same_as"),
    [
        pytest.param("@yearly", "0 0 1 1 *", id="yearly"),
        pytest.param("@annually", "0 0 1 1 *", id="annually"),
        pytest.param("@monthly", "0 0 1 * *", id="monthly"),
        pytest.param("@weekly", "0 0 * * 0", id="weekly, on Sunday"),
        pytest.param("@daily", "0 0 * * *", id="daily"),
        pytest.param("@midnight", "0 0 * * *", id="midnight is daily"),
        pytest.param("@hourly", "0 * * * *", id="hourly"),
        pytest.param("0 0 * * 7", "0 0 * * 0", id="ours: 7 is Sunday too"),
        pytest.param("0 0 * * 5-7", "0 0 * * 0,5,6", id="ours: 7 ends a range"),
        pytest.param("0 0 * * 0-7", "0 0 * * 0-6", id="ours: 0-7 is every day, Sunday once"),
        pytest.param("0 0 * * fri-7", "0 0 * * fri,sat,sun", id="ours: 7 ends a range of names"),
        pytest.param("0 30 2 * * *", "30 2 * * *", id="ours: a leading second of 0 changes nothing"),
        pytest.param("@every 90m", "@every 1h30m", id="two spellings of a duration"),
        pytest.param("@every 1.5h", "@every 90m", id="a fraction of an hour"),
        pytest.param("@every 10.9s", "@every 10s", id="fractions of a second are cut off"),
        pytest.param("@every 1ms", "@every 1s", id="one second is the least"),
        pytest.param("@every 1h1m1s1ms1us1\N{MICRO SIGN}s1ns", "@every 3661s", id="all units of Go"),
        pytest.param("@every +.5m", "@every 30s", id="a sign and no whole number"),
    ],
)
@pytest.mark.field("schedule", "schedule: macros", "schedule: names", "schedule: ?", check="semantics")
def test_two_spellings_mean_the_same(expression: str, same_as: str) -> None:
    one, other = (Timetable.parse(text, time_zone="Asia/Tokyo", anchor=ANCHOR) for text in (expression, same_as))
    assert (one, hash(one)) == (other, hash(other))
    assert list(islice(one.ticks(after=ANCHOR, until=utc("2030-01-01")), 9)) == list(
        islice(other.ticks(after=ANCHOR, until=utc("2030-01-01")), 9)
    )


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        pytest.param("0 0 13 * 5", [2, 9, 13, 16, 23, 30], id="both restricted: either is enough"),
        pytest.param("0 0 */13 * 3", [1, 7, 14, 21, 27, 28], id="a stepped star is a restriction"),
        pytest.param("0 0 13 * */3", [3, 4, 7, 10, 11, 13, 14, 17, 18, 21, 24, 25, 28, 31], id="for the weekday too"),
        pytest.param("0 0 13 * *", [13], id="a bare star leaves the other one"),
        pytest.param("0 0 ? * 5", [2, 9, 16, 23, 30], id="a question mark too"),
        pytest.param("0 0 */1 * 5", [2, 9, 16, 23, 30], id="*/1 is still a bare star"),
        pytest.param("0 0 7,* * 5", [2, 9, 16, 23, 30], id="so is a star inside a list"),
        pytest.param("0 0 1-31 * 5", list(range(1, 32)), id="a full range is a restriction"),
        pytest.param("0 0 13 * 0-6", list(range(1, 32)), id="a full range of weekdays is one"),
        pytest.param("0 0 31,13 1-3 */7", [4, 11, 13, 18, 25, 31], id="*/7 of the weekday is Sunday alone"),
    ],
)
@pytest.mark.field("schedule", "schedule: ?", check="semantics")
def test_day_of_month_and_day_of_week(expression: str, days: list[int]) -> None:
    timetable = Timetable.parse(expression, anchor=ANCHOR)
    ticks = timetable.ticks(after=utc("2025-12-31T23:59:59"), until=utc("2026-01-31T23:59"))
    assert [tick.day for tick in ticks] == days


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("*/20 * * * * *", ["00:00:20", "00:00:40", "00:01:00"], id="every twenty seconds"),
        pytest.param("7,30 0 */12 * * *", ["00:00:07", "00:00:30", "12:00:07"], id="two seconds of a minute"),
        pytest.param("59 59 23 * * *", ["23:59:59", "23:59:59"], id="the last second of a day"),
    ],
)
@pytest.mark.field("schedule: 6 fields", check="semantics")
def test_six_fields_begin_with_the_second(expression: str, expected: list[str]) -> None:
    timetable = Timetable.parse(expression, anchor=ANCHOR)
    ticks = timetable.ticks(after=ANCHOR, until=ANCHOR + timedelta(days=9))
    assert [f"{tick:%H:%M:%S}" for tick in islice(ticks, len(expected))] == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(
            "2025-06-01T00:00:00", "2026-01-01T01:30:07", id="the first tick is one interval after the anchor"
        ),
        pytest.param("2026-01-01T00:00:07", "2026-01-01T01:30:07", id="the anchor itself is no tick"),
        pytest.param("2026-01-01T01:30:07", "2026-01-01T03:00:07", id="a tick is not after itself"),
        pytest.param("2026-01-01T01:30:06.999", "2026-01-01T01:30:07", id="a fraction of a second before it"),
        pytest.param("2031-01-01T00:00:00", "2031-01-01T00:00:07", id="years later it still counts from the anchor"),
    ],
)
@pytest.mark.field("schedule: @every", check="semantics")
def test_every_counts_from_the_anchor(after: str, expected: str) -> None:
    timetable = Timetable.parse("@every 90m", anchor=datetime(2026, 1, 1, 0, 0, 7, 900_000, tzinfo=UTC))
    assert timetable.next(utc(after)) == utc(expected)


@pytest.mark.field("schedule: @every", check="semantics")
def test_every_knows_no_clock_changes() -> None:
    anchor = utc("2026-03-28T22:30")
    timetable = Timetable.parse("@every 1h", time_zone="Europe/Berlin", anchor=anchor)
    ticks = list(timetable.ticks(after=anchor, until=anchor + timedelta(hours=6)))
    assert ticks == [anchor + timedelta(hours=hours) for hours in range(1, 7)]


def test_the_interval_is_open_at_its_start_and_closed_at_its_end() -> None:
    hourly = Timetable.parse("@hourly", anchor=ANCHOR)
    at = utc("2026-05-05T10:00")
    assert list(hourly.ticks(after=at, until=at)) == []
    assert list(hourly.ticks(after=at - timedelta(microseconds=1), until=at)) == [at]
    assert list(hourly.ticks(after=at, until=at + timedelta(minutes=59, seconds=59, microseconds=999_999))) == []
    assert hourly.latest(after=at - timedelta(hours=9), until=at) == at
    assert hourly.latest(after=at, until=at + timedelta(minutes=59)) is None


@pytest.mark.parametrize("expression", ["0 0 31 2 *", "0 0 30,31 2 ?", "0 0 31 2,4,jun,9-9 *"])
@pytest.mark.field("schedule", check="semantics")
def test_a_day_that_no_calendar_has_never_ticks(expression: str) -> None:
    never = Timetable.parse(expression, time_zone="Europe/Berlin", anchor=ANCHOR)
    assert never.next(ANCHOR) is None
    assert never.latest(after=ANCHOR, until=utc("2900-01-01")) is None
    assert list(never.ticks(after=ANCHOR, until=utc("2900-01-01"))) == []


def test_31_february_with_a_weekday_ticks_on_the_weekday() -> None:
    assert first("0 0 31 2 1", 2) == ["02-02 00:00", "02-09 00:00"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("* * * * * *", "2026-06-30T23:59:59", id="every second"),
        pytest.param("* * * * *", "2026-06-30T23:59:00", id="every minute"),
        pytest.param("0 12 1 1 *", "2026-01-01T12:00:00", id="yearly"),
        pytest.param("0 0 29 2 *", "2024-02-29T00:00:00", id="in leap years"),
        pytest.param("@every 8s", "2026-06-30T23:59:52", id="an interval"),
    ],
)
def test_the_latest_of_a_century_is_found_from_its_end(expression: str, expected: str) -> None:
    timetable = Timetable.parse(expression, anchor=utc("1926-07-01T00:00:00"))
    assert timetable.latest(after=utc("1926-07-01"), until=utc("2026-06-30T23:59:59")) == utc(expected)


def test_ticks_are_in_utc_and_made_one_at_a_time() -> None:
    timetable = Timetable.parse("0 9 * * *", time_zone="Asia/Kolkata", anchor=ANCHOR)
    ticks = timetable.ticks(after=ANCHOR, until=datetime.max.replace(tzinfo=UTC))
    assert [tick.isoformat() for tick in islice(ticks, 2)] == ["2026-01-01T03:30:00+00:00", "2026-01-02T03:30:00+00:00"]


def test_there_is_an_end_of_time_and_it_is_quiet() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    for expression in ("* * * * *", "30 2 * * *", "@every 24h"):
        timetable = Timetable.parse(expression, time_zone="Pacific/Auckland", anchor=ANCHOR)
        assert timetable.next(end) is None


def test_what_was_given_stays_readable() -> None:
    cron = Timetable.parse("@daily", anchor=ANCHOR)
    every = Timetable.parse("@every 90m", time_zone="Europe/Berlin", anchor=ANCHOR)
    assert (cron.expression, cron.time_zone, cron.kind) == ("@daily", "UTC", Kind.CRON)
    assert (every.expression, every.time_zone, every.kind) == ("@every 90m", "Europe/Berlin", Kind.EVERY)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("0 0 * * *", "UTC"), ("0 0 * * *", "Asia/Tokyo"), id="another zone"),
        pytest.param(("0 0 * * *", "UTC"), ("0 1 * * *", "UTC"), id="another hour"),
        pytest.param(("0 0 * * 1", "UTC"), ("0 0 1-31 * 1", "UTC"), id="another way to join the days"),
        pytest.param(("@every 24h", "UTC"), ("@daily", "UTC"), id="an interval is no time of day"),
    ],
)
def test_different_meanings_are_not_equal(one: tuple[str, str], other: tuple[str, str]) -> None:
    left, right = (Timetable.parse(text, time_zone=zone, anchor=ANCHOR) for text, zone in (one, other))
    assert left != right


def test_the_anchor_counts_only_where_it_matters() -> None:
    later = ANCHOR + timedelta(seconds=1)
    assert Timetable.parse("@daily", anchor=ANCHOR) == Timetable.parse("@daily", anchor=later)
    assert Timetable.parse("@every 2s", anchor=ANCHOR) != Timetable.parse("@every 2s", anchor=later)


def test_times_without_offset_are_a_mistake_of_the_caller() -> None:
    timetable = Timetable.parse("* * * * *", anchor=ANCHOR)
    with pytest.raises(TypeError, match="no offset"):
        timetable.next(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
