"""Our own enumeration of ticks, beside ticks counted by hand and, for what both know, beside the product's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from ticklock.domain.timetable import Timetable
from tools.demo.enumeration import ticks
from tools.devcluster.manifests import EXAMPLES


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    expression: str
    after: str
    until: str
    expected: str
    zone: str | None = None


DAY = ("2026-05-04T00:00:00", "2026-05-05T00:00:00")  # a Monday
TEN = "2026-05-04T10:00:00"


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            Case("@every 10s", "2026-05-04T10:00:03", "2026-05-04T10:00:33", "10:00:13 10:00:23 10:00:33"),
            id="every ten seconds, from the moment after, the end included",
        ),
        pytest.param(Case("@every 1m30s", TEN, "2026-05-04T10:02:59", "10:01:30"), id="minutes and seconds"),
        pytest.param(
            Case("*/2 * * * *", TEN, "2026-05-04T10:05:00", "10:02:00 10:04:00"),
            id="every other minute; the moment itself is not after itself",
        ),
        pytest.param(Case("@hourly", "2026-05-04T10:30:00", "2026-05-04T12:30:00", "11:00:00 12:00:00"), id="a word"),
        pytest.param(Case("30 2 * * *", *DAY, "00:30:00", zone="Europe/Berlin"), id="a time in a zone"),
        pytest.param(
            Case("30 2 * * *", "2026-10-24T23:00:00", "2026-10-25T03:00:00", "00:30:00", zone="Europe/Berlin"),
            id="a time that comes twice in this night counts once",
        ),
        pytest.param(Case("0 12 1 * 1", *DAY, "12:00:00"), id="the first or a Monday"),
        pytest.param(Case("0 12 1 * *", *DAY, ""), id="the first only"),
        pytest.param(Case("5,10-12 8 * * *", *DAY, "08:05:00 08:10:00 08:11:00 08:12:00"), id="a list with a range"),
    ],
)
def test_ticks_counted_by_hand(case: Case) -> None:
    found = ticks(case.expression, case.zone, after=at(case.after), until=at(case.until))
    assert [f"{tick:%H:%M:%S}" for tick in found] == case.expected.split()


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("* * * *", id="four fields"),
        pytest.param("0 0 * * MON", id="a name"),
        pytest.param("@every 1.5h", id="a fraction"),
        pytest.param("@reboot", id="an unknown word"),
    ],
)
def test_what_it_does_not_understand_it_refuses_to_count(expression: str) -> None:
    with pytest.raises(ValueError, match="the demo cannot count"):
        ticks(expression, None, after=at("2026-05-04T00:00:00"), until=at("2026-05-05T00:00:00"))


@pytest.mark.parametrize(
    "expression", ["*/2 * * * *", "*/3 * * * *", "@hourly", "0 * * * *", "@every 10s", "7-50/4 */5 * * 1-5"]
)
def test_two_that_counted_independently_agree(expression: str) -> None:
    after, until = at("2026-05-04T10:00:07"), at("2026-05-04T10:00:07") + timedelta(days=3)
    theirs = Timetable.parse(expression, time_zone=None, anchor=after).ticks(after=after, until=until)
    assert ticks(expression, None, after=after, until=until) == list(theirs)


def test_it_understands_every_example() -> None:
    expressions = [line.split(": ", 1)[1].split("  #")[0].strip().strip('"')
                   for file in EXAMPLES.glob("*.yaml") for line in file.read_text().splitlines()
                   if line.startswith("  schedule:")]  # fmt: skip
    assert len(expressions) >= 10
    for expression in expressions:
        assert ticks(expression, None, after=at("2026-05-04T00:00:00"), until=at("2026-05-05T12:00:00"))
