"""Random expressions in the nights that matter, beside an oracle that looks at every single minute.

The oracle knows no offsets, spells or searches: it walks through real time, reads the wall clock, and applies the two
sentences of the promise. Expressions are drawn as values, of which the text is one rendering, so that the oracle needs
no parser either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticklock.domain.timetable import Timetable
from ticklock.domain.zones import epoch_of, spells

ANCHOR = datetime(1990, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)

NIGHTS = [
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),
    ("America/Sao_Paulo", "2018-02-18T02:00"),
    ("America/St_Johns", "2006-10-29T02:31"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kosrae", "1998-12-31T12:00"),
    ("Kwajalein", "1969-09-30T13:00"),
    ("Africa/Casablanca", "2062-12-31T02:00"),
    ("Antarctica/Troll", "2026-03-29T01:00"),
    ("Asia/Kolkata", "2026-12-31T20:00"),
    ("UTC", "2024-02-29T00:00"),
]
BOUNDS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}


@dataclass(frozen=True)
class Drawn:
    """One field, as drawn: its text, its values, and the two facts about stars."""

    text: str
    values: frozenset[int]
    bare_star: bool
    star: bool


@dataclass(frozen=True)
class Expression:
    fields: tuple[Drawn, ...]
    """Five, or six with the second first."""

    @property
    def text(self) -> str:
        return " ".join(field.text for field in self.fields)

    def fits(self, wall: datetime) -> bool:
        minute, hour, day, month, weekday = self.fields[-5:]
        seconds = self.fields[0].values if len(self.fields) == 6 else {0}
        by_day, by_weekday = wall.day in day.values, wall.isoweekday() % 7 in weekday.values
        either = not day.bare_star and not weekday.bare_star
        return (
            wall.second in seconds
            and wall.minute in minute.values
            and wall.hour in hour.values
            and wall.month in month.values
            and ((by_day or by_weekday) if either else (by_day and by_weekday))
        )

    @property
    def real_time(self) -> bool:
        return self.fields[-5].star or self.fields[-4].star


@st.composite
def items(draw: st.DrawFn, least: int, most: int) -> Drawn:
    low = draw(st.integers(least, most))
    high = draw(st.integers(low, most))
    step = draw(st.sampled_from([1, 2, 3, 7, 13, 20]))
    whole = range(least, most + 1)
    return draw(
        st.sampled_from(
            [
                Drawn(str(low), frozenset({low}), bare_star=False, star=False),
                Drawn(f"{low}-{high}", frozenset(range(low, high + 1)), bare_star=False, star=False),
                Drawn(f"{low}-{high}/{step}", frozenset(range(low, high + 1)[::step]), bare_star=False, star=False),
                Drawn(f"{low}/{step}", frozenset(range(low, most + 1)[::step]), bare_star=False, star=False),
                Drawn(f"*/{step}", frozenset(whole[::step]), bare_star=step == 1, star=True),
                Drawn("?", frozenset(whole), bare_star=True, star=True),
            ]
        )
    )


@st.composite
def drawn_fields(draw: st.DrawFn, name: str) -> Drawn:
    parts = draw(st.lists(items(*BOUNDS[name]), min_size=1, max_size=2))
    return Drawn(
        ",".join(part.text for part in parts),
        frozenset().union(*(part.values for part in parts)),
        bare_star=any(part.bare_star for part in parts),
        star=any(part.star for part in parts),
    )


EVERY = Drawn("*", frozenset(range(60)), bare_star=True, star=True)


@st.composite
def expressions(draw: st.DrawFn, *, seconds: bool = False) -> Expression:
    """Draw an expression that names the date rarely, so that most have ticks in a window of a day."""
    rarely = st.sampled_from([False, False, True])
    clock = [draw(drawn_fields(name)) for name in (["second"] if seconds else []) + ["minute", "hour"]]
    calendar = [draw(drawn_fields(name)) if draw(rarely) else EVERY for name in ("day", "month", "weekday")]
    return Expression((*clock, *calendar))


def nights(hours: int) -> st.SearchStrategy[tuple[str, datetime]]:
    """Draw a zone and the begin of a window of so many hours that holds a clock change."""
    return st.builds(
        lambda night, back: (night[0], datetime.fromisoformat(night[1]).replace(tzinfo=UTC) - timedelta(minutes=back)),
        st.sampled_from(NIGHTS),
        st.integers(0, hours * 60),
    )


@lru_cache(maxsize=100_000)
def wall_at(zone: str, moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def oracle(expression: Expression, zone: str, after: datetime, until: datetime, *, stride: timedelta) -> list[datetime]:
    """Return the ticks in (after, until] by looking at each stride of real time."""
    lookback = 1 if expression.real_time else 26 * 60
    reached = max(wall_at(zone, after - MINUTE * number) for number in range(lookback))
    found = []
    moment = after
    while moment < until:
        moment += stride
        wall = wall_at(zone, moment)
        if expression.fits(wall) if expression.real_time else newly_shown(expression, reached, wall, stride=stride):
            found.append(moment)
        reached = max(reached, wall)
    return found


def newly_shown(expression: Expression, reached: datetime, wall: datetime, *, stride: timedelta) -> bool:
    """Whether a time that fits lies in (reached, wall]: it was not shown before, and now it or a later one is."""
    return any(expression.fits(reached + stride * number) for number in range(1, (wall - reached) // stride + 1))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(expression=expressions(), night=nights(8))
def test_each_minute_of_a_night_agrees_with_the_oracle(expression: Expression, night: tuple[str, datetime]) -> None:
    zone, after = night
    until = after + timedelta(hours=10)
    timetable = Timetable.parse(expression.text, time_zone=zone, anchor=ANCHOR)
    expected = oracle(expression, zone, after, until, stride=MINUTE)
    assert list(timetable.ticks(after=after, until=until)) == expected
    assert timetable.latest(after=after, until=until) == (expected[-1] if expected else None)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(expression=expressions(seconds=True), night=nights(1))
def test_each_second_of_an_hour_agrees_with_the_oracle(expression: Expression, night: tuple[str, datetime]) -> None:
    zone, after = night
    until = after + timedelta(minutes=90)
    timetable = Timetable.parse(expression.text, time_zone=zone, anchor=ANCHOR)
    assert list(timetable.ticks(after=after, until=until)) == oracle(expression, zone, after, until, stride=SECOND)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    expression=expressions(),
    night=nights(30),
    cuts=st.lists(st.integers(0, 40 * 3600), max_size=12),
    seconds=st.booleans(),
)
def test_any_chunks_give_the_same_ticks(
    expression: Expression, night: tuple[str, datetime], cuts: list[int], *, seconds: bool
) -> None:
    zone, start = night
    text = f"0,59 {expression.text}" if seconds else expression.text
    timetable = Timetable.parse(text, time_zone=zone, anchor=ANCHOR)
    end = start + timedelta(hours=40)
    whole = list(timetable.ticks(after=start, until=end))
    assert all(earlier < later for earlier, later in pairwise(whole)), "strictly increasing"
    assert all(start < tick <= end for tick in whole)
    edges = [start, *sorted(start + timedelta(seconds=cut) for cut in cuts), end]
    chunks = [list(timetable.ticks(after=low, until=high)) for low, high in pairwise(edges)]
    assert [tick for chunk in chunks for tick in chunk] == whole
    for (low, high), chunk in zip(pairwise(edges), chunks, strict=True):
        assert timetable.latest(after=low, until=high) == (chunk[-1] if chunk else None)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(expression=expressions(), night=nights(30))
def test_stepping_from_tick_to_tick_visits_them_all(expression: Expression, night: tuple[str, datetime]) -> None:
    zone, start = night
    timetable = Timetable.parse(expression.text, time_zone=zone, anchor=ANCHOR)
    whole = list(timetable.ticks(after=start, until=start + timedelta(hours=40)))[:50]
    stepped, at = [], start
    for _ in whole:
        upcoming = timetable.next(at)
        assert upcoming is not None
        stepped.append(upcoming)
        at = upcoming
    assert stepped == whole


@settings(max_examples=50, deadline=None, derandomize=True)
@given(period=st.integers(61, 100_000), late=st.floats(0, 2 * 86_400), cut=st.integers(0, 86_400))
def test_intervals_give_the_same_ticks_in_any_chunks(period: int, late: float, cut: int) -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=late)
    timetable = Timetable.parse(f"@every {period}s", anchor=anchor)
    start = datetime(2026, 1, 2, tzinfo=UTC)
    middle, end = start + timedelta(seconds=cut), start + timedelta(days=1)
    whole = list(timetable.ticks(after=start, until=end))
    first = anchor.replace(microsecond=0)
    expected = [first + timedelta(seconds=period * count) for count in range(1, 2 * 86_400 // period + 1)]
    assert whole == [tick for tick in expected if start < tick <= end]
    assert [*timetable.ticks(after=start, until=middle), *timetable.ticks(after=middle, until=end)] == whole
    assert timetable.latest(after=start, until=end) == (whole[-1] if whole else None)


@pytest.mark.parametrize(
    ("zone", "year"),
    [
        pytest.param("Africa/Freetown", 1939, id="the two closest changes on record"),
        pytest.param("Africa/Tunis", 1943, id="back and forth in the war"),
        pytest.param("Europe/Berlin", 1945, id="double summer time"),
        pytest.param("Africa/Casablanca", 2026, id="back for Ramadan"),
        pytest.param("Asia/Gaza", 2040, id="changes far in the future"),
        pytest.param("America/Boa_Vista", 2000, id="summer time of a week"),
        pytest.param("Europe/Lisbon", 1900, id="an offset with seconds"),
    ],
)
def test_spells_cover_a_year_with_its_offsets(zone: str, year: int) -> None:
    begin, end = (epoch_of(datetime(y, 1, 1, tzinfo=UTC)) for y in (year, year + 1))
    found = list(spells(zone, begin, end))
    assert [spell.begin for spell in found] == [begin, *(spell.end for spell in found[:-1])]
    assert found[-1].end == end
    assert list(spells(zone, begin, end, backwards=True)) == found[::-1]
    for spell in found:
        for epoch in (*range(spell.begin, spell.end, 3600), spell.end - 1):
            assert datetime.fromtimestamp(epoch, ZoneInfo(zone)).utcoffset() == timedelta(seconds=spell.offset)
