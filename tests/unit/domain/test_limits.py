"""Specs beyond what an installation allows: the field is named, and the setting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.orders import template
from ticklock.domain.limits import NO_LIMITS, Limits, within
from ticklock.domain.model import Declared
from ticklock.domain.parse import declared
from ticklock.domain.reasons import Reason

METADATA = {"namespace": "shop", "name": "report", "uid": "u", "creationTimestamp": "2026-02-01T00:00:00Z"}
A_MINUTE = Limits(min_interval=timedelta(seconds=60))


def item(**spec: Any) -> Declared:
    found = declared({"metadata": METADATA, "spec": {"jobTemplate": template(), **spec}})
    assert found is not None
    assert found.rule is not None, found.problem
    return found


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"schedule": "* * * * * *"}, "spec.schedule: ticks are 1 s apart", id="every second"),
        pytest.param({"schedule": "*/7 0 0 * * *"}, "spec.schedule: ticks are 7 s apart", id="in one minute of a day"),
        pytest.param({"schedule": "0,59 0 0 1 1 *"}, "spec.schedule: ticks are 59 s apart", id="twice a year"),
        pytest.param({"schedule": "@every 59s"}, "spec.schedule: ticks are 59 s apart", id="an interval"),
        pytest.param({"everySeconds": 30}, "spec.everySeconds: ticks are 30 s apart", id="a distance"),
        pytest.param(
            {"schedules": ["0 * * * *", "10 0 9 * * *"]}, "spec.schedules: ticks are 10 s apart", id="two together"
        ),
    ],
)
@pytest.mark.field("schedule", "schedules", "everySeconds", check="validation")
def test_ticks_that_lie_too_close_are_refused(spec: dict[str, Any], words: str) -> None:
    refused = within(item(**spec), A_MINUTE)
    assert refused.rule is None
    assert refused.problem is not None
    assert refused.problem.reason is Reason.INVALID_SCHEDULE
    assert refused.problem.message.startswith(words)
    assert "let 60 s at least lie between them (min_interval_seconds)" in refused.problem.message


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"schedule": "* * * * *"}, id="every minute"),
        pytest.param({"everySeconds": 60}, id="every sixty seconds"),
        pytest.param({"schedule": "* * * * * *", "exclude": ["1-59 * * * * *"]}, id="exclusions leave them apart"),
        pytest.param({}, id="on demand"),
        pytest.param({"schedule": "* * * * * *", "endAt": "2020-01-01T00:00:00Z"}, id="over"),
        pytest.param({"schedules": ["0 9 * * *", "* 9 * * *"]}, id="the same moment twice is one tick"),
    ],
)
def test_ticks_far_enough_apart_are_not(spec: dict[str, Any]) -> None:
    asked = item(**spec)
    assert within(asked, A_MINUTE) is asked


@pytest.mark.parametrize(
    ("catch_up", "refused"),
    [
        pytest.param({"policy": "All", "limit": 51}, True, id="more than is allowed"),
        pytest.param({"policy": "All", "limit": 50}, False, id="as much as is allowed"),
        pytest.param({"policy": "Latest", "limit": 51}, False, id="a limit that says nothing of the latest"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_more_may_not_be_made_up_for_than_is_allowed(*, catch_up: dict[str, Any] | None, refused: bool) -> None:
    found = within(item(schedule="@daily", catchUp=catch_up), Limits(max_catch_up=50))
    assert (found.rule is None) is refused
    if refused:
        assert found.problem is not None
        assert found.problem.reason is Reason.INVALID_SCHEDULE
        assert found.problem.message.startswith("spec.catchUp.limit: 51 missed ticks are more than")
        assert "make it 50 at most (max_catch_up)" in found.problem.message


def test_by_default_every_second_is_allowed() -> None:
    asked = item(schedule="* * * * * *")
    assert within(asked, NO_LIMITS) is asked


def test_what_has_a_problem_already_keeps_it() -> None:
    broken = declared({"metadata": METADATA, "spec": {"jobTemplate": template(), "schedule": "61 * * * *"}})
    assert broken is not None
    assert within(broken, A_MINUTE) is broken
