"""Bad expressions and zones: each answer names the field, the bad part and the mend."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ticklock.domain.timetable import Timetable, TimetableError, UnknownTimeZone

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
WEEKDAYS = "days of week go from 0 to 6, or sun to sat; Sunday may also be 7"
FIELDS = "write 5 fields (minute, hour, day of month, month, day of week), or 6 with leading seconds"


def error_of(expression: str, time_zone: str | None = None) -> TimetableError:
    with pytest.raises(TimetableError) as caught:
        Timetable.parse(expression, time_zone=time_zone, anchor=ANCHOR)
    return caught.value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("60 * * * *", "minute: 60 is out of range; minutes go from 0 to 59", id="minute 60"),
        pytest.param("0 25 * * *", "hour: 25 is out of range; hours go from 0 to 23", id="hour 25"),
        pytest.param("0 0 0 * *", "day of month: 0 is out of range; days of month go from 1 to 31", id="day 0"),
        pytest.param("0 0 1 13 *", "month: 13 is out of range; months go from 1 to 12, or jan to dec", id="month 13"),
        pytest.param("0 0 * * 8", f"day of week: 8 is out of range; {WEEKDAYS}", id="weekday 8"),
        pytest.param("60 * * * * *", "second: 60 is out of range; seconds go from 0 to 59", id="second 60"),
        pytest.param("0 8-24 * * *", "hour: 24 in '8-24' is out of range; hours go from 0 to 23", id="end of a range"),
        pytest.param("5-1 * * * *", "minute: range 5-1 runs backwards; write 5-59,0-1", id="a reversed range"),
        pytest.param("0 22-0 * * *", "hour: range 22-0 runs backwards; write 22-23,0", id="over midnight"),
        pytest.param(
            "0 22-2/2 * * *",
            "hour: range 22-2 runs backwards; write the smaller end first, or list the values",
            id="a reversed range with a step",
        ),
        pytest.param("*/0 * * * *", "minute: step 0 in '*/0'; a step must be at least 1", id="step 0"),
        pytest.param(
            "*/x * * * *",
            "minute: 'x' in '*/x' is no step; a step is a whole number of at least 1, such as */5",
            id="a step that is no number",
        ),
        pytest.param(
            "1/2/3 * * * *",
            "minute: '1/2/3' has too many slashes; write a step as */5, 3/5 or 10-30/5",
            id="too many slashes",
        ),
        pytest.param(
            "1-2-3 * * * *",
            "minute: '1-2-3' has too many hyphens; write a range as first-last, such as 1-5",
            id="too many hyphens",
        ),
        pytest.param(
            "-5 * * * *",
            "minute: '-5' is negative or lacks the first number; minutes go from 0 to 59",
            id="negative",
        ),
        pytest.param("5- * * * *", "minute: '5-' lacks a number; minutes go from 0 to 59", id="half a range"),
        pytest.param(
            "*-5 * * * *",
            "minute: '*-5' mixes a star and a range; write * alone, */5 for a step, 1-5 for a range",
            id="a star in a range, which robfig reads as a star",
        ),
        pytest.param(", * * * *", "minute: ',' holds nothing; write * for any", id="nothing but a comma"),
        pytest.param(
            "0 0 * mon *",
            "month: 'mon' is a day of week; months go from 1 to 12, or jan to dec",
            id="a weekday in the month's place",
        ),
        pytest.param("0 0 * * jan", f"day of week: 'jan' is a month; {WEEKDAYS}", id="a month in the weekday's place"),
        pytest.param(
            "0 mon * * *", "hour: 'mon' is a day of week; hours go from 0 to 23", id="a name where none belongs"
        ),
        pytest.param(
            "0 0 * * monday",
            "day of week: 'monday' is not known; write mon: names have three letters",
            id="a name in full",
        ),
        pytest.param(
            "٣ * * * *", "minute: '٣' is not a number; minutes go from 0 to 59", id="digits of another script"
        ),
        pytest.param(
            "?-5 * * * *",
            "minute: '?-5' mixes a star and a range; write * alone, */5 for a step, 1-5 for a range",
            id="a question mark in a range",
        ),
        pytest.param(
            "?/0 * * * *", "minute: step 0 in '?/0'; a step must be at least 1", id="step 0 of a question mark"
        ),
        pytest.param(
            "*/? * * * *",
            "minute: '?' in '*/?' is no step; a step is a whole number of at least 1, such as */5",
            id="a question mark as a step",
        ),
        pytest.param(
            "0 0 1? * *",
            "day of month: '1?' is not a number; days of month go from 1 to 31",
            id="a question mark behind a number",
        ),
        pytest.param(
            "0 0 * * ?#2", f"day of week: '?#2' is not known; {WEEKDAYS}", id="a second weekday without a name"
        ),
    ],
)
@pytest.mark.field("schedule", "schedule: 6 fields", "schedule: names", "schedule: ?", check="validation")
def test_a_bad_field_is_named_with_its_mend(expression: str, message: str) -> None:
    assert str(error_of(expression)) == message


@pytest.mark.parametrize("part", ["LW", "15W", "W", "L-3", "5L", "mon#2"])
@pytest.mark.field("schedule: L", check="validation")
def test_what_other_crons_have_in_the_day_of_month_is_told_from_what_is_here(part: str) -> None:
    error = error_of(f"0 0 {part} * *")
    assert error.problem.startswith("day of month: ")
    assert error.problem.endswith("is not supported")
    assert error.mend == "write L for the last day of the month; W is not accepted, # and 5L stand in the day of week"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param(
            "0 0 * * L",
            "day of week: 'L' is not supported; "
            "write 5L or friL for the last Friday of the month; L alone stands in the day of month",
            id="L alone as a day of week",
        ),
        pytest.param(
            "0 0 * * 1#6",
            "day of week: '1#6' is not supported; "
            "write 1#2 or mon#2 for the second Monday (1 to 5), 5L or friL for the last Friday",
            id="a sixth Monday",
        ),
        pytest.param("0 0 * * 8#1", f"day of week: 8 in '8#1' is out of range; {WEEKDAYS}", id="an eighth weekday"),
        pytest.param("0 0 * * 9L", f"day of week: 9 in '9L' is out of range; {WEEKDAYS}", id="the last ninth weekday"),
        pytest.param(
            "0 L * * *",
            "hour: 'L' is not supported; hours go from 0 to 23, with lists, ranges, steps and H",
            id="L of the hours",
        ),
        pytest.param(
            "H 2 * * *",
            "minute: 'H' is drawn from the schedule's name; say whose schedule it is: --of NAMESPACE/NAME",
            id="H of nobody",
        ),
    ],
)
@pytest.mark.field("schedule: L", "schedule: #", check="validation")
def test_a_special_item_in_the_wrong_place_is_named_with_its_mend(expression: str, message: str) -> None:
    assert str(error_of(expression)) == message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param(
            "0 H(8-24) * * *", "hour: 24 in 'H(8-24)' is out of range; hours go from 0 to 23", id="a range too far"
        ),
        pytest.param(
            "0 H(18-8) * * *",
            "hour: range 18-8 in 'H(18-8)' runs backwards; write the smaller end first",
            id="a reversed range",
        ),
        pytest.param("H/0 * * * *", "minute: step 0 in 'H/0'; a step must be at least 1", id="step 0"),
        pytest.param(
            "H(5) * * * *",
            "minute: 'H(5)' is not supported; minutes go from 0 to 59, with lists, ranges, steps and H",
            id="no range in its brackets",
        ),
    ],
)
@pytest.mark.field("schedule: H", check="validation")
def test_a_bad_draw_is_named_with_its_mend(expression: str, message: str) -> None:
    with pytest.raises(TimetableError) as caught:
        Timetable.parse(expression, anchor=ANCHOR, seed="shop/report")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("", f"expression: found 0 fields in ''; {FIELDS}", id="empty"),
        pytest.param("@", "expression: '@' is not known; the macros are @yearly", id="a lonely at sign"),
        pytest.param("0", f"expression: found 1 field in '0'; {FIELDS}", id="one field"),
        pytest.param("* * * *", f"expression: found 4 fields in '* * * *'; {FIELDS}", id="four fields"),
        pytest.param("0 0 0 1 1 ? 2027", f"expression: found 7 fields in '0 0 0 1 1 ? 2027'; {FIELDS}", id="a year"),
        pytest.param(
            "@Daily", "expression: '@Daily' is not known; write @daily in small letters", id="a capital macro"
        ),
        pytest.param("@reboot", "expression: '@reboot' is not known; the macros are @yearly", id="an unknown macro"),
        pytest.param(" @daily", "expression: spaces around '@daily'; remove them", id="a space before a macro"),
        pytest.param(
            "@every90m",
            "expression: '@every90m' is not known; write @every, one space and a duration, such as @every 90m",
            id="@every without its space",
        ),
        pytest.param("@every 90", "duration: '90' in '90' has no unit; put h, m, s or ms behind it", id="no unit"),
        pytest.param("@every m", "duration: 'm' in 'm' has no number; write a duration such as 90s", id="no number"),
        pytest.param(
            "@every 1d", "duration: 'd' in '1d' is no unit; the units are h, m, s", id="days are no unit of Go"
        ),
        pytest.param("@every  1h", "duration: ' ' in ' 1h' has no number", id="two spaces"),
        pytest.param("@every 1h -", "duration: 'h -' in '1h -' is no unit", id="something behind it"),
        pytest.param("@every 9999999h", "duration: '9999999h' is too long; a duration may be 2562047h", id="300 years"),
        pytest.param(
            "@every 0s", "expression: '@every 0s' does not move forward; the duration must be more", id="zero"
        ),
        pytest.param("@every 0", "expression: '@every 0' does not move forward", id="a zero without unit"),
        pytest.param("@every -5m", "expression: '@every -5m' does not move forward", id="negative"),
        pytest.param("@every +", "duration: '+' is empty; write a duration such as 90s", id="a sign alone"),
        pytest.param("TZ=UTC 0 0 * * *", "expression: TZ= is not accepted; use timeZone", id="TZ="),
        pytest.param("CRON_TZ=Asia/Tokyo @daily", "expression: CRON_TZ= is not accepted; use timeZone", id="CRON_TZ="),
        pytest.param("TZ=UTC", "expression: TZ= is not accepted; use timeZone", id="TZ= alone"),
        pytest.param(
            "*" * 257,
            "expression: 257 characters are too many; an expression may have 256 at most",
            id="too long",
        ),
    ],
)
@pytest.mark.field("schedule", "schedule: macros", "schedule: @every", check="validation")
def test_a_bad_expression_is_named_with_its_mend(expression: str, message: str) -> None:
    assert str(error_of(expression)).startswith(message)


def test_256_characters_are_not_too_many() -> None:
    longest = "0 0 * * " + ",".join(["0"] * 124) + "0"
    assert len(longest) == 256
    assert Timetable.parse(longest, anchor=ANCHOR) == Timetable.parse("0 0 * * 0", anchor=ANCHOR)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "Europe/Berln", "time zone: 'Europe/Berln' is not known; did you mean Europe/Berlin?", id="a slip"
        ),
        pytest.param(
            "asia/tokyo", "time zone: 'asia/tokyo' is not known; did you mean Asia/Tokyo?", id="small letters"
        ),
        pytest.param("New York", "time zone: 'New York' is not known; did you mean America/New_York?", id="a city"),
        pytest.param("Local", "time zone: 'Local' is not the same on every machine; use a name", id="Local"),
        pytest.param("local", "time zone: 'local' is not the same on every machine; use a name", id="local"),
        pytest.param("", "time zone: the name is empty; leave it out for UTC, or use a name", id="empty"),
        pytest.param("Europe", "time zone: 'Europe' is not known; use a name of the IANA", id="a folder"),
        pytest.param("../UTC", "time zone: '../UTC' is not known; use a name of the IANA", id="a way out"),
        pytest.param("/etc/passwd", "time zone: '/etc/passwd' is not known; use a name", id="an absolute path"),
        pytest.param("UTC\0", "time zone: 'UTC\\x00' is not known;", id="a zero byte"),
        pytest.param("right/UTC", "time zone: 'right/UTC' is not the same on every machine", id="leap seconds"),
        pytest.param("A" * 300, "time zone: 300 characters are no name; use a name", id="very long"),
    ],
)
@pytest.mark.field("timeZone", check="validation")
def test_a_bad_time_zone_is_named_with_its_mend(name: str, message: str) -> None:
    error = error_of("* * * * *", time_zone=name)
    assert isinstance(error, UnknownTimeZone)
    assert str(error).startswith(message)


def test_an_error_is_one_line_of_problem_and_mend() -> None:
    error = error_of("0 25 * * *")
    assert isinstance(error, ValueError)
    assert (error.problem, error.mend) == ("hour: 25 is out of range", "hours go from 0 to 23")
    assert str(error) == f"{error.problem}; {error.mend}"


@pytest.mark.parametrize("name", ["UTC", "Etc/GMT+5", "EST5EDT", "America/Argentina/Buenos_Aires"])
def test_names_of_the_database_are_accepted(name: str) -> None:
    assert Timetable.parse("@daily", time_zone=name, anchor=ANCHOR).time_zone == name
