"""What waits for launches waits while they go on, and not for long."""

from collections.abc import Iterator

import pytest

from ticklock.engine.courtesy import Courtesy


@pytest.mark.parametrize(
    ("launching", "waits"),
    [
        pytest.param([False, False], [False, False], id="nothing is launched: nothing waits"),
        pytest.param([True, True, False], [True, True, False], id="it waits as long as launches go on"),
        pytest.param([True] * 5, [True, True, True, False, False], id="but not for longer than it may"),
        pytest.param(
            [True, True, False, True, True, True], [True, True, False, True, True, True], id="a pause counts anew"
        ),
    ],
)
def test_each_second_it_is_asked(launching: list[bool], waits: list[bool]) -> None:
    answers: Iterator[bool] = iter(launching)
    seconds = iter(range(len(launching)))
    courtesy = Courtesy(lambda: next(answers), longest=3, monotonic=lambda: float(next(seconds)))
    assert [courtesy.waits() for _ in launching] == waits
