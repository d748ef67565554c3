"""The nights of a clock change: a fixed local time runs once, a recurring expression follows real time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ticklock.domain.clock_note import clock_note
from ticklock.domain.timetable import Timetable

ANCHOR = datetime(2000, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def local_ticks(expression: str, zone: str, day: str) -> list[str]:
    """Return the ticks between two hours before a local day and two hours after it, as local times with offset."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    timetable = Timetable.parse(expression, time_zone=zone, anchor=ANCHOR)
    ticks = timetable.ticks(after=start - timedelta(hours=2), until=start + timedelta(hours=12))
    return [f"{tick.astimezone(ZoneInfo(zone)):%d %H:%M %z}" for tick in ticks]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("30 2 * * *", ["29 03:00 +0200"], id="02:30 does not exist and runs when the gap ends"),
        pytest.param("0 30 2 * * *", ["29 03:00 +0200"], id="so it does when a second is given"),
        pytest.param("*/20 30 2 * * *", ["29 03:00 +0200"], id="several seconds of a skipped minute are one tick"),
        pytest.param("0,20,40 2 * * *", ["29 03:00 +0200"], id="several skipped times are one tick"),
        pytest.param("0 2,3 * * *", ["29 03:00 +0200"], id="a shifted tick and a real one at 03:00 are one"),
        pytest.param("30 2,3 * * *", ["29 03:00 +0200", "29 03:30 +0200"], id="03:30 stays where it is"),
        pytest.param("59 1 * * *", ["29 01:59 +0100"], id="the minute before the gap"),
        pytest.param("0 3 * * *", ["29 03:00 +0200"], id="the minute after the gap"),
        pytest.param(
            "0 0-3 * * *",
            ["29 00:00 +0100", "29 01:00 +0100", "29 03:00 +0200"],
            id="a range of hours names fixed times",
        ),
        pytest.param("0 2/12 * * *", ["29 03:00 +0200"], id="so does a step from a number"),
        pytest.param("*/30 2 * * *", [], id="a star in the minute follows real time: nothing fits"),
        pytest.param("30 */2 28 * *", ["28 22:30 +0100"], id="the day before is calm"),
        pytest.param(
            "30 */2 29 3 *",
            ["29 00:30 +0100"] + [f"29 {hour:02}:30 +0200" for hour in (4, 6, 8, 10, 12)],
            id="a star in the hour follows real time: 02:30 is left out",
        ),
        pytest.param("30 2 29 3 *", ["29 03:00 +0200"], id="a date that falls on this night"),
        pytest.param("30 2 * * 0", ["29 03:00 +0200"], id="a weekday that falls on this night"),
        pytest.param("30 2 30 3 *", [], id="a date that does not"),
    ],
)
@pytest.mark.field("timeZone", check="semantics")
def test_the_night_that_is_an_hour_short_in_berlin(expression: str, expected: list[str]) -> None:
    assert local_ticks(expression, "Europe/Berlin", "2026-03-29") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("30 2 * * *", ["25 02:30 +0200"], id="02:30 exists twice and runs the first time"),
        pytest.param("0 30 2 * * *", ["25 02:30 +0200"], id="so it does when a second is given"),
        pytest.param("0 2 * * *", ["25 02:00 +0200"], id="the first minute of the repeated hour"),
        pytest.param("0 3 * * *", ["25 03:00 +0100"], id="the first minute after it"),
        pytest.param("0,30 2 * * *", ["25 02:00 +0200", "25 02:30 +0200"], id="two times of the repeated hour"),
        pytest.param(
            "0 1-3 * * *", ["25 01:00 +0200", "25 02:00 +0200", "25 03:00 +0100"], id="a range of hours: each once"
        ),
        pytest.param(
            "*/30 2 * * *",
            ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100"],
            id="a star in the minute follows real time: both",
        ),
        pytest.param(
            "30 */2 25 10 *",
            ["25 00:30 +0200", "25 02:30 +0200"] + [f"25 {hour:02}:30 +0100" for hour in (2, 4, 6, 8, 10)],
            id="a star in the hour follows real time: both",
        ),
        pytest.param(
            "0 * 25 * 2",
            ["25 00:00 +0200", "25 01:00 +0200", "25 02:00 +0200"]
            + [f"25 {hour:02}:00 +0100" for hour in range(2, 12)],
            id="hourly is every real hour",
        ),
    ],
)
@pytest.mark.field("timeZone", check="semantics")
def test_the_night_that_is_an_hour_long_in_berlin(expression: str, expected: list[str]) -> None:
    assert local_ticks(expression, "Europe/Berlin", "2026-10-25") == expected


@pytest.mark.parametrize(
    ("expression", "zone", "day", "expected"),
    [
        pytest.param("30 2 * * *", "America/New_York", "2026-03-08", ["08 03:00 -0400"], id="New York in spring"),
        pytest.param("30 1 * * *", "America/New_York", "2026-11-01", ["01 01:30 -0400"], id="New York in autumn"),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["04 02:30 +1100"], id="half an hour is missing"
        ),
        pytest.param("45 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["04 02:45 +1100"], id="the other half is not"),
        pytest.param("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["05 01:45 +1100"], id="half an hour twice"),
        pytest.param(
            "*/15 1,2 * * *",
            "Australia/Lord_Howe",
            "2026-04-05",
            [f"05 01:{minute} +1100" for minute in ("00", "15", "30", "45")]
            + [f"05 {time} +1030" for time in ("01:30", "01:45", "02:00", "02:15", "02:30", "02:45")],
            id="half an hour twice in real time",
        ),
        pytest.param(
            "*/20 3 * * *",
            "Australia/Lord_Howe",
            "2026-10-04",
            ["04 03:00 +1100", "04 03:20 +1100", "04 03:40 +1100"],
            id="the hour after half an hour is whole",
        ),
        pytest.param(
            "30 0 * * *", "America/Sao_Paulo", "2018-11-04", ["04 01:00 -0200"], id="a day that begins at 01:00"
        ),
        pytest.param("@daily", "America/Sao_Paulo", "2018-11-04", ["04 01:00 -0200"], id="its midnight"),
        pytest.param(
            "30 23 * * *", "America/Sao_Paulo", "2018-02-18", ["17 23:30 -0200"], id="an evening twice: first"
        ),
        pytest.param("@daily", "America/Sao_Paulo", "2018-02-18", ["18 00:00 -0300"], id="midnight after it"),
        pytest.param("30 23 * * *", "America/St_Johns", "2006-10-29", ["28 23:30 -0230"], id="back over midnight"),
        pytest.param("0 0 * * *", "America/St_Johns", "2006-10-29", ["29 00:00 -0230"], id="a midnight twice: first"),
        pytest.param("30 1 * * *", "Antarctica/Troll", "2026-03-29", ["29 03:00 +0200"], id="two hours are missing"),
        pytest.param("30 23 * * *", "Europe/Lisbon", "1912-01-01", ["01 00:00 +0000"], id="a gap that ends the year"),
        pytest.param("30 0 * * *", "Africa/Casablanca", "2063-01-01", ["01 00:30 +0000"], id="a change at new year"),
    ],
)
@pytest.mark.field("timeZone", check="semantics")
def test_other_zones(expression: str, zone: str, day: str, expected: list[str]) -> None:
    assert local_ticks(expression, zone, day) == expected


def test_the_day_that_samoa_left_out() -> None:
    """30 December 2011 did not exist in Apia: what was to run on it runs when the 31st begins."""
    timetable = Timetable.parse("30 2 * * *", time_zone="Pacific/Apia", anchor=ANCHOR)
    ticks = timetable.ticks(after=datetime(2011, 12, 29, tzinfo=UTC), until=datetime(2012, 1, 1, tzinfo=UTC))
    assert [f"{tick.astimezone(ZoneInfo('Pacific/Apia')):%d %H:%M %z}" for tick in ticks] == [
        "29 02:30 -1000",
        "31 00:00 +1400",
        "31 02:30 +1400",
        "01 02:30 +1400",
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca"])
def test_a_daily_expression_runs_once_for_each_date_of_ten_years(zone: str) -> None:
    timetable = Timetable.parse("15 2 * * *", time_zone=zone, anchor=ANCHOR)
    start = datetime(2016, 1, 1, 12, tzinfo=UTC)
    dates = [tick.astimezone(ZoneInfo(zone)).date() for tick in timetable.ticks(after=start, until=start + 3653 * DAY)]
    assert dates == [start.date() + number * DAY for number in range(1, 3654)]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_every_minute_is_every_real_minute(day: str) -> None:
    timetable = Timetable.parse("* * * * *", time_zone="Europe/Berlin", anchor=ANCHOR)
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=2)
    ticks = list(timetable.ticks(after=start, until=start + DAY))
    assert ticks == [start + timedelta(minutes=minutes) for minutes in range(1, 24 * 60 + 1)]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            "02:30 does not exist on this day: shifted to 03:00",
            id="one skipped time",
        ),
        pytest.param(
            "0,30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            "02:00, 02:30 do not exist on this day: one run at 03:00",
            id="two skipped times",
        ),
        pytest.param(
            "*/15 30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            "02:30, 02:30:15, 02:30:30 … do not exist on this day: one run at 03:00",
            id="many skipped times",
        ),
        pytest.param(
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-30T00:00",
            "2011-12-30 09:00 does not exist on this day: shifted to 00:00",
            id="a skipped date is named",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            "02:30 exists twice: the first one runs",
            id="a fixed time that exists twice",
        ),
        pytest.param(
            "30 */2 * * *",
            "Europe/Berlin",
            "2026-10-24T23:00",
            "02:30 exists twice: this is the first one",
            id="the first pass in real time",
        ),
        pytest.param(
            "30 */2 * * *",
            "Europe/Berlin",
            "2026-10-25T00:30",
            "02:30 exists twice: this is the second one",
            id="the second pass in real time",
        ),
        pytest.param("30 3 * * *", "Europe/Berlin", "2026-10-24T12:00", None, id="the hour after"),
        pytest.param("30 1 * * *", "Europe/Berlin", "2026-10-24T12:00", None, id="the hour before"),
        pytest.param("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00", None, id="a real time right after the gap"),
        pytest.param("30 */2 * * *", "Europe/Berlin", "2026-10-25T01:30", None, id="real time after the night"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-05-05T12:00", None, id="a calm day"),
        pytest.param("@every 1h", "Europe/Berlin", "2026-10-25T00:30", None, id="an interval"),
        pytest.param("30 2 * * *", "UTC", "2026-03-28T12:00", None, id="a zone without changes"),
    ],
)
def test_notes_for_people(expression: str, zone: str, after: str, expected: str | None) -> None:
    timetable = Timetable.parse(expression, time_zone=zone, anchor=ANCHOR)
    tick = timetable.next(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert tick is not None
    assert clock_note(timetable, tick) == expected
