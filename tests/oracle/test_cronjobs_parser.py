"""Timetables beside CronJob's own parser, wherever docs/cronjob-differences.md names no difference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from tests.oracle.cronjob import NotToBeHadError, Question, ask, build
from tests.oracle.drawing import draw, text_of
from ticklock.domain.times import Ambiguous, Nonexistent, Times
from ticklock.domain.timetable import Timetable, TimetableError

ANCHOR = datetime(1970, 1, 1, tzinfo=UTC)
FAR = datetime(2190, 1, 1, tzinfo=UTC)
CRONJOBS = Times(nonexistent=Nonexistent.SKIP, ambiguous=Ambiguous.BOTH)
"""What `dst` must say for the nights of a CronJob."""
USUAL = [
    "UTC",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "Pacific/Auckland",
    "Europe/Dublin",
]
"""Clock changes of one hour, none of them at midnight; or none at all."""


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    try:
        yield build(tmp_path_factory.mktemp("robfig"))
    except NotToBeHadError as missing:
        pytest.skip(str(missing))


def of_ours(question: Question) -> list[datetime]:
    timetable = Timetable.of((question.expression,), time_zone=question.zone, anchor=ANCHOR, times=CRONJOBS)
    return list(islice(timetable.ticks(after=question.after, until=FAR), question.count))


def test_random_expressions_tick_alike(parser: Path) -> None:
    chance, questions = Random(3), []
    for _ in range(1000):
        fields = draw(chance, plain=True)
        questions.append(Question(text_of(fields), chance.choice(USUAL), _moment(chance), 30))
    for question, answer in zip(questions, ask(parser, questions), strict=True):
        assert answer == of_ours(question), question


def _moment(chance: Random) -> datetime:
    return datetime(chance.randint(2000, 2060), chance.randint(1, 12), chance.randint(1, 28), 12, tzinfo=UTC)


PIECES = ["*", "?", "*/2", "*/1", "0", "1", "07", "+5", "5-1", "1-5", "1-5/2", "3/4", "1,,2", ",", "60", "31", "L", "H"]
PIECES += ["mon", "MON-fri", "jan", "x", "1-", "-1", "*/0", "1/2/3", "1-2-3", "1#2", "5L", "*/-1", "*-5", "7", "0-7"]
DOCUMENTED = {",", "*-5", "7", "0-7", "L", "H", "1#2", "5L"}
"""What docs/cronjob-differences.md names; see there."""


def test_both_refuse_the_same(parser: Path) -> None:
    chance = Random(4)
    questions: list[Question] = []
    while len(questions) < 1500:
        fields = [chance.choice(PIECES) if chance.random() < 0.3 else "*" for _ in range(5)]
        if not DOCUMENTED & {*fields} and fields[4] != "07":
            questions.append(Question(" ".join(fields), "UTC", datetime(2026, 1, 1, tzinfo=UTC), 1))
    answers = ask(parser, questions)
    assert {isinstance(answer, str) for answer in answers} == {True, False}
    for question, answer in zip(questions, answers, strict=True):
        assert _refused(question.expression) == isinstance(answer, str), (question, answer)


def _refused(expression: str) -> bool:
    try:
        Timetable.parse(expression, anchor=ANCHOR, seed="shop/report")
    except TimetableError:
        return True
    return False


@pytest.mark.parametrize(
    ("expression", "zone", "after", "theirs", "ours"),
    [
        pytest.param(
            "0 */3 10 3 *",
            "America/Havana",
            "2035-03-11T04:00",
            "2035-03-11T07:00",
            "2036-03-10T04:00",
            id="a tick on the day after, whose midnight does not exist",
        ),
        pytest.param(
            "21 */20 26 * *",
            "America/St_Johns",
            "2003-10-25T12:00",
            "2003-10-26T02:51",
            "2003-10-26T03:51",
            id="a tick on the day before, where midnight comes twice",
        ),
        pytest.param(
            "*/5 16 4 * *",
            "Australia/Lord_Howe",
            "2060-04-03T12:00",
            "2060-04-04T06:00",
            "2060-04-04T05:30",
            id="the first half of an hour lost, on a day that is half an hour longer",
        ),
    ],
)
def test_where_cronjobs_parser_stumbles(  # noqa: PLR0917 - a row of the table
    parser: Path, expression: str, zone: str, after: str, theirs: str, ours: str
) -> None:
    question = Question(expression, zone, datetime.fromisoformat(after).replace(tzinfo=UTC), 1)
    (answer,) = ask(parser, [question])
    assert isinstance(answer, list)
    assert [f"{tick:%Y-%m-%dT%H:%M}" for tick in (*answer, *of_ours(question))] == [theirs, ours]
