"""Which pods of a Job are too many, and why."""

from datetime import UTC, datetime, timedelta

import pytest

from ticklock.domain.model import PodUid
from ticklock.domain.pods import Cause, Fate, PodStory, causes

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STANDING, FAILED, TAKEN_AWAY = Fate.STANDING, Fate.FAILED, Fate.TAKEN_AWAY


def pod(name: str, created: float, fate: Fate = STANDING, ended: float | None = None) -> PodStory:
    end = None if ended is None else NOON + timedelta(seconds=ended)
    return PodStory(PodUid(name), fate, NOON + timedelta(seconds=created), end)


@pytest.mark.parametrize(
    ("stories", "wanted", "expected"),
    [
        pytest.param([], 1, {}, id="no pod"),
        pytest.param([pod("a", 0)], 1, {}, id="the first"),
        pytest.param([pod("a", 0, FAILED, 1), pod("b", 11)], 1, {"b": Cause.RETRY}, id="one after a failure"),
        pytest.param(
            [pod("a", 0, FAILED, 1), pod("b", 11, FAILED, 12), pod("c", 32)],
            1,
            {"b": Cause.RETRY, "c": Cause.RETRY},
            id="two after two failures",
        ),
        pytest.param([pod("a", 0), pod("b", 0)], 1, {"b": Cause.UNFOUNDED}, id="two in one second"),
        pytest.param([pod("b", 0), pod("a", 1)], 1, {"a": Cause.UNFOUNDED}, id="the order of their names is no order"),
        pytest.param([pod("a", 0, TAKEN_AWAY), pod("b", 5)], 1, {"b": Cause.DELETED}, id="the first was taken away"),
        pytest.param(
            [pod("z", 0, TAKEN_AWAY), pod("a", 0)],
            1,
            {"a": Cause.DELETED},
            id="it was taken away in the second in which it was made",
        ),
        pytest.param(
            [pod("a", 0, TAKEN_AWAY), pod("b", 5), pod("c", 6)],
            1,
            {"b": Cause.DELETED, "c": Cause.UNFOUNDED},
            id="one too many after one that replaced the first",
        ),
        pytest.param(
            [pod("a", 0, FAILED, 3), pod("b", 1)],
            1,
            {"b": Cause.UNFOUNDED},
            id="the first failed only when the second was there",
        ),
        pytest.param(
            [pod("a", 0, FAILED, 1), pod("b", 1)],
            1,
            {"b": Cause.UNFOUNDED},
            id="it failed in the second in which the other was made: nothing is tried again that soon",
        ),
        pytest.param([pod("a", 0, FAILED), pod("b", 20)], 1, {"b": Cause.RETRY}, id="nobody knows when it failed"),
        pytest.param([pod("a", 0), pod("b", 0), pod("c", 0)], 3, {}, id="as many as are asked for"),
        pytest.param(
            [pod("a", 0), pod("b", 0, FAILED, 4), pod("c", 0), pod("d", 14)],
            3,
            {"d": Cause.RETRY},
            id="one of three failed",
        ),
        pytest.param(
            [pod("a", 0), pod("b", 0, TAKEN_AWAY), pod("c", 0), pod("d", 14)],
            3,
            {"d": Cause.DELETED},
            id="one of three was taken away",
        ),
        pytest.param(
            [pod("a", 0), pod("b", 0), pod("c", 0), pod("d", 1)], 3, {"d": Cause.UNFOUNDED}, id="a fourth of three"
        ),
    ],
)
def test_which_are_too_many_and_why(stories: list[PodStory], wanted: int, expected: dict[str, Cause]) -> None:
    assert causes(stories, wanted=wanted) == expected
    assert causes(reversed(stories), wanted=wanted) == expected


def test_a_retry_and_one_that_was_held_back_are_no_alarm() -> None:
    assert {cause for cause in Cause if not cause.alarming} == {Cause.RETRY, Cause.HELD}
