"""What a spec says of time beside `schedule`: distances, windows, exclusions, both nights, jitter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticklock.domain.clock_note import clock_note
from ticklock.domain.times import NOTHING_MORE, Ambiguous, Nonexistent, Times
from ticklock.domain.timetable import Timetable, TimetableError

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
FAR = datetime(2060, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(  # noqa: PLR0917 - a row of a table
    expressions: tuple[str, ...], times: Times, count: int, after: str = "2026-01-01", zone: str | None = None
) -> list[str]:
    timetable = Timetable.of(expressions, time_zone=zone, anchor=ANCHOR, times=times)
    found = list(islice(timetable.ticks(after=utc(after), until=FAR), count))
    for tick in found:
        assert timetable.next(tick - timedelta(seconds=1)) == tick
        assert timetable.latest(after=tick - timedelta(days=400), until=tick) == tick
    return [f"{tick:%m-%d %H:%M:%S}".removesuffix(":00") for tick in found]


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        pytest.param(
            ("0 9 * * 1-5", "0 12 * * 6"), ["01-01 09:00", "01-02 09:00", "01-03 12:00", "01-05 09:00"], id="merged"
        ),
        pytest.param(
            ("0 */8 * * *", "0 */12 * * *"), ["01-01 08:00", "01-01 12:00", "01-01 16:00"], id="equal ticks are one"
        ),
        pytest.param(("@every 7h", "@daily"), ["01-01 07:00", "01-01 14:00", "01-01 21:00", "01-02 00:00"], id="mixed"),
        pytest.param(("0 0 31 2 *", "@yearly"), ["01-01 00:00"], id="one that never comes takes nothing away"),
        pytest.param((), [], id="none: on demand only"),
    ],
)
@pytest.mark.field("schedules", check="semantics")
def test_several_expressions_are_one_timetable(expressions: tuple[str, ...], expected: list[str]) -> None:
    assert ticks(expressions, NOTHING_MORE, len(expected) or 1) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param(Times(every_seconds=90), ["01-01 00:01:30", "01-01 00:03"], id="from the creation, one later"),
        pytest.param(
            Times(every_seconds=90, start_at=utc("2026-01-05T00:00:10")),
            ["01-05 00:00:10", "01-05 00:01:40"],
            id="from startAt, which is a tick",
        ),
        pytest.param(
            Times(every_seconds=3600, start_at=utc("2025-12-31T22:30")),
            ["01-01 00:30", "01-01 01:30"],
            id="a start before the object keeps the count",
        ),
        pytest.param(
            Times(every_seconds=3600, end_at=utc("2026-01-01T02:00")), ["01-01 01:00", "01-01 02:00"], id="endAt counts"
        ),
        pytest.param(
            Times(every_seconds=3600, end_at=utc("2026-01-01T01:59:59")), ["01-01 01:00"], id="nothing after endAt"
        ),
        pytest.param(
            Times(every_seconds=1, start_at=utc("2026-01-05T00:00:10.5")),
            ["01-05 00:00:11"],
            id="a start within a second",
        ),
    ],
)
@pytest.mark.field("everySeconds", "startAt", check="semantics")
def test_a_distance_in_seconds(times: Times, expected: list[str]) -> None:
    assert ticks((), times, len(expected) + (times.end_at is not None)) == expected


@pytest.mark.parametrize(
    ("expression", "times", "expected"),
    [
        pytest.param(
            "0 9 * * *",
            Times(start_at=utc("2026-02-01T09:00"), end_at=utc("2026-02-02T09:00")),
            ["02-01 09:00", "02-02 09:00"],
            id="both ends count",
        ),
        pytest.param("0 9 * * *", Times(start_at=utc("2026-02-01T09:00:01")), ["02-02 09:00"], id="a second too late"),
        pytest.param("@every 1h", Times(start_at=utc("2026-02-01T09:07")), ["02-01 09:07"], id="@every from startAt"),
        pytest.param("@daily", Times(end_at=utc("2025-01-01T00:00")), [], id="it is over"),
    ],
)
@pytest.mark.field("startAt", "endAt", check="semantics")
def test_a_window(expression: str, times: Times, expected: list[str]) -> None:
    assert ticks((expression,), times, len(expected) + (times.end_at is not None)) == expected


def test_a_start_beyond_the_horizon_is_waited_for() -> None:
    start = utc("2120-01-01T00:00")
    timetable = Timetable.of(("@daily",), anchor=ANCHOR, times=Times(start_at=start))
    assert timetable.next(ANCHOR) == start


@pytest.mark.parametrize(
    ("expression", "exclude", "expected"),
    [
        pytest.param("0 9 * * *", ("* * 2 1 *",), ["01-01 09:00", "01-03 09:00"], id="a day"),
        pytest.param("0 0 * * *", ("0 0 2 1 *",), ["01-03 00:00", "01-04 00:00"], id="a moment"),
        pytest.param("0 9 * * *", ("0 0 2 1 *",), ["01-01 09:00", "01-02 09:00"], id="another moment takes nothing"),
        pytest.param("0 */6 * * *", ("* 12-17 * * *",), ["01-01 06:00", "01-01 18:00", "01-02 00:00"], id="hours"),
        pytest.param(
            "*/20 * * * * *",
            ("1-59 * * * *",),
            ["01-01 00:00:20", "01-01 00:00:40", "01-01 01:00"],
            id="all seconds of the minutes that five fields name",
        ),
        pytest.param("*/20 * * * * *", ("40 * * * * *",), ["01-01 00:00:20", "01-01 00:01"], id="six fields: a second"),
        pytest.param("@every 1h", ("* 2-23 * * *",), ["01-01 01:00", "01-02 00:00", "01-02 01:00"], id="of a distance"),
        pytest.param("@every 25h", ("* 0-3 * * *",), ["01-05 04:00"], id="of one longer than a day"),
        pytest.param("0 9 L * *", ("* * * 1 *", "* * * * sat"), ["03-31 09:00"], id="several exclusions"),
        pytest.param("0 9 * * *", ("* * * 2-12 *", "* * 2-31 1 *"), ["01-01 09:00", "01-01 09:00"], id="once a year"),
    ],
)
@pytest.mark.field("exclude", check="semantics")
def test_exclusions(expression: str, exclude: tuple[str, ...], expected: list[str]) -> None:
    assert ticks((expression,), Times(exclude=exclude), len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "exclude"),
    [
        pytest.param("* * * * * *", ("* * * * *",), id="everything"),
        pytest.param("* * * * * *", ("*/2 * * * *", "1-59/2 * * * *"), id="even and odd minutes"),
        pytest.param("0 * * * * *", ("0 * * * * *",), id="each tick by itself"),
        pytest.param("@every 60s", ("0 * * * * *",), id="a distance that always hits it"),
        pytest.param("@every 7s", ("* * * * *",), id="a distance, everything"),
    ],
)
@pytest.mark.field("exclude", check="validation")
def test_what_leaves_nothing_is_found_out_within_the_horizon(expression: str, exclude: tuple[str, ...]) -> None:
    timetable = Timetable.of((expression,), anchor=ANCHOR, times=Times(exclude=exclude))
    assert timetable.next(ANCHOR) is None


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        pytest.param("@every 1h", "names no local time; write fields", id="a distance names no time"),
        pytest.param("61 * * * *", "minute: 61 is out of range", id="minute 61"),
    ],
)
@pytest.mark.field("exclude", check="validation")
def test_a_bad_exclusion_is_named(exclude: str, message: str) -> None:
    with pytest.raises(TimetableError, match=message):
        Timetable.of(("@daily",), anchor=ANCHOR, times=Times(exclude=(exclude,)))


def dst(nonexistent: str = "Shift", ambiguous: str = "First", exclude: str | None = None) -> Times:
    return Times(
        nonexistent=Nonexistent(nonexistent),
        ambiguous=Ambiguous(ambiguous),
        exclude=() if exclude is None else (exclude,),
    )


MARCH, OCTOBER = "2026-03-29", "2026-10-24T22:00"


@pytest.mark.parametrize(
    ("expression", "times", "expected"),
    [
        pytest.param("30 2 * * *", dst(), ["03-29 01:00", "03-30 00:30"], id="shifted to the end of the gap"),
        pytest.param("30 2 * * *", dst("Skip"), ["03-30 00:30", "03-31 00:30"], id="skipped"),
        pytest.param("0,30 2,3 * * *", dst(), ["03-29 01:00", "03-29 01:30"], id="what meets is one tick"),
        pytest.param("0,30 2,3 * * *", dst("Skip"), ["03-29 01:00", "03-29 01:30"], id="skipped, 03:00 still runs"),
        pytest.param("*/30 2 * * *", dst(), ["03-30 00:00"], id="a star follows real time, whatever dst says"),
        pytest.param("30 2 * * *", dst(exclude="30 2 29 3 *"), ["03-30 00:30"], id="its own time is excluded"),
        pytest.param("30 2 * * *", dst(exclude="0 3 * * *"), ["03-29 01:00"], id="not the time it is shifted to"),
    ],
)
@pytest.mark.field("dst", check="semantics")
def test_the_night_in_march(expression: str, times: Times, expected: list[str]) -> None:
    assert ticks((expression,), times, len(expected), MARCH, "Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("expression", "times", "expected"),
    [
        pytest.param("30 2 * * *", dst(), ["10-25 00:30", "10-26 01:30"], id="the first"),
        pytest.param("30 2 * * *", dst(ambiguous="Last"), ["10-25 01:30", "10-26 01:30"], id="the last"),
        pytest.param("30 2 * * *", dst(ambiguous="Both"), ["10-25 00:30", "10-25 01:30", "10-26 01:30"], id="both"),
        pytest.param("0 2,3 * * *", dst(ambiguous="Last"), ["10-25 01:00", "10-25 02:00"], id="03:00 exists once"),
        pytest.param("*/30 2 * * *", dst(ambiguous="Last"), ["10-25 00:00", "10-25 00:30"], id="a star: real time"),
    ],
)
@pytest.mark.field("dst", check="semantics")
def test_the_night_in_october(expression: str, times: Times, expected: list[str]) -> None:
    assert ticks((expression,), times, len(expected), OCTOBER, "Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("expression", "times", "tick", "note"),
    [
        pytest.param(
            "30 2 * * *", dst(), "2026-03-29T01:00", "02:30 does not exist on this day: shifted to 03:00", id="shifted"
        ),
        pytest.param("0 3 * * *", dst("Skip"), "2026-03-29T01:00", None, id="nothing was shifted"),
        pytest.param("30 2 * * *", dst(), "2026-10-25T00:30", "02:30 exists twice: the first one runs", id="first"),
        pytest.param(
            "30 2 * * *", dst(ambiguous="Last"), "2026-10-25T01:30", "02:30 exists twice: the last one runs", id="last"
        ),
        pytest.param("30 2 * * *", dst(ambiguous="Last"), "2026-10-26T01:30", None, id="the next day has it once"),
        pytest.param(
            "30 2 * * *",
            dst(ambiguous="Both"),
            "2026-10-25T01:30",
            "02:30 exists twice: this is the second one",
            id="the second of both",
        ),
    ],
)
def test_notes_on_both_nights(expression: str, times: Times, tick: str, note: str | None) -> None:
    timetable = Timetable.of((expression, "0 12 * * *"), time_zone="Europe/Berlin", anchor=ANCHOR, times=times)
    assert clock_note(timetable, utc(tick)) == note


class TestJitter:
    """It moves the launch, never the tick."""

    @pytest.mark.field("jitterSeconds", check="semantics")
    def test_it_is_the_same_for_each_tick_of_a_schedule_and_within_its_bounds(self) -> None:
        delays = {Times(jitter_seconds=30).delay(f"shop/{name}") for name in range(500)}
        assert delays == {timedelta(seconds=seconds) for seconds in range(31)}
        assert len({Times(jitter_seconds=30).delay("shop/report") for _ in range(9)}) == 1

    def test_none_is_none(self) -> None:
        assert NOTHING_MORE.delay("shop/report") == timedelta(0)

    def test_ticks_do_not_know_of_it(self) -> None:
        assert ticks(("@hourly",), Times(jitter_seconds=600), 1) == ["01-01 01:00"]


@given(
    schedules=st.lists(st.sampled_from(["@daily", "0 9 * * 1", "*/5 * * * *"]), unique=True).map(tuple),
    every=st.none() | st.integers(1, 9999),
    window=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    exclude=st.lists(st.sampled_from(["* * 25 12 *", "0 0 * * *"]), unique=True).map(tuple),
    night=st.tuples(st.sampled_from(Nonexistent), st.sampled_from(Ambiguous)),
    jitter=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_what_a_ledger_keeps_is_read_back_as_it_was(  # noqa: PLR0917 - all fields
    schedules: tuple[str, ...],
    every: int | None,
    window: datetime | None,
    exclude: tuple[str, ...],
    night: tuple[Nonexistent, Ambiguous],
    jitter: int,
) -> None:
    times = Times(schedules, every, window, window, exclude, *night, jitter)
    assert Times.restored(times.stored()) == times
    assert NOTHING_MORE.stored() is None
