"""What is allowed and hardly ever meant: a warning each, and none where all is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.orders import template
from ticklock.domain.advice import advise
from ticklock.domain.forecast import clock_changes
from ticklock.domain.parse import declared
from ticklock.domain.timing import declared_timetable

NOW = datetime(2026, 2, 1, tzinfo=UTC)
METADATA = {"namespace": "shop", "name": "report", "uid": "u", "creationTimestamp": "2026-02-01T00:00:00Z"}


def advice(**spec: Any) -> list[str]:
    item = declared({"metadata": METADATA, "spec": {"jobTemplate": template(), **spec}})
    assert item is not None
    assert item.rule is not None, item.problem
    return advise(item, item.rule, after=NOW)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"schedule": "* * * * *"}, "likely to overlap: ticks are 60 s apart", id="each minute, no limit"),
        pytest.param(
            {"schedule": "0 * * * *", "jobTemplate": template(activeDeadlineSeconds=7200)},
            "may overlap: ticks are 3600 s apart, and a run may take 7200 s",
            id="a limit beyond the distance",
        ),
        pytest.param({"schedule": "* * * * * *", "concurrencyPolicy": "Forbid"}, "every second", id="every second"),
        pytest.param({"everySeconds": 1, "concurrencyPolicy": "Forbid"}, "every second", id="by distance too"),
        pytest.param({"schedules": ["0 0 31 2 *", "@daily"]}, "'0 0 31 2 *' never ticks", id="31 February of several"),
        pytest.param({"schedule": "0 0 31 * *"}, "passes over the months without day 31; L is", id="only long months"),
        pytest.param(
            {"schedule": "@daily", "jobTemplate": template(backoffLimit=None)}, "backoffLimit is unset", id="retries"
        ),
        pytest.param(
            {"schedule": "@daily", "catchUp": {"limit": 5}}, "limit says nothing under policy Latest", id="five latest"
        ),
        pytest.param(
            {"schedule": "@daily", "catchUp": {"policy": "All"}, "startingDeadlineSeconds": 10},
            "catchUp makes up for nothing",
            id="missed after its deadline",
        ),
        pytest.param(
            {"schedule": "@daily", "catchUp": {"windowSeconds": 600}, "startingDeadlineSeconds": 600},
            "windowSeconds is not less than startingDeadlineSeconds, 600",
            id="a window as wide as the deadline",
        ),
        pytest.param({}, "on demand only", id="nothing says when"),
        pytest.param({"schedule": "@daily", "endAt": "2026-01-01T00:00:00Z"}, "no tick to come", id="over"),
        pytest.param({"schedule": "@daily", "suspend": True}, "suspend is true", id="suspended"),
        pytest.param(
            {"schedule": "@daily", "jobTemplate": template(suspend=True)}, "waits until somebody", id="Jobs that wait"
        ),
        pytest.param({"schedule": "@daily", "startingDeadlineSeconds": 0}, "a moment late is Missed", id="no patience"),
        pytest.param({"schedule": "@daily", "jobTemplate": template(completions=0)}, "without any pod", id="no pods"),
        pytest.param(
            {"everySeconds": 600, "jitterSeconds": 600},
            "may start after the next tick",
            id="jitter beyond the distance",
        ),
    ],
)
def test_a_warning(spec: dict[str, Any], words: str) -> None:
    assert [warning for warning in advice(**spec) if words in warning]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"schedule": "30 2 * * *"}, id="every night"),
        pytest.param({"schedule": "0 0 L * *"}, id="the last day of each month"),
        pytest.param(
            {"schedule": "@daily", "catchUp": {"policy": "All", "windowSeconds": 60}, "startingDeadlineSeconds": 90},
            id="a window narrower than the deadline",
        ),
        pytest.param(
            {"schedule": "@daily", "catchUp": {"policy": "Skip"}, "startingDeadlineSeconds": 10}, id="nothing missed"
        ),
        pytest.param({"schedule": "0 0 31 * MON"}, id="day 31 or a Monday"),
        pytest.param({"schedule": "0 0 31 1,3 *"}, id="months that have the day"),
        pytest.param({"schedule": "* * * * *", "concurrencyPolicy": "Forbid"}, id="each minute, one at a time"),
        pytest.param(
            {"schedule": "* * * * *", "jobTemplate": template(activeDeadlineSeconds=50)}, id="each minute, shorter"
        ),
        pytest.param(
            {"schedule": "@daily", "launchPolicy": "StrictPod", "jobTemplate": template(backoffLimit=None)},
            id="one pod at most: no retries",
        ),
    ],
)
def test_no_warning(spec: dict[str, Any]) -> None:
    assert advice(**spec) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"schedule": "30 2 * * *"},
            [
                ("03-29", "02:30 does not exist on this day: shifted to 03:00"),
                ("10-25", "02:30 exists twice: the first one runs"),
            ],
            id="both nights",
        ),
        pytest.param(
            {"schedule": "30 2 * * *", "dst": {"nonexistent": "Skip", "ambiguous": "Last"}},
            [("03-29", "02:30 does not exist on this day: no run"), ("10-25", "02:30 exists twice: the last one runs")],
            id="both nights, otherwise",
        ),
        pytest.param(
            {"schedule": "*/15 2 * * *"},
            [
                ("03-29", "02:00 does not exist on this day: no run"),
                ("10-25", "02:00 exists twice: this is the first one"),
            ],
            id="a star",
        ),
        pytest.param({"schedule": "30 12 * * *"}, [], id="noon"),
        pytest.param({"everySeconds": 60}, [], id="a distance"),
    ],
)
def test_clock_changes_to_come(spec: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    item = declared({"metadata": METADATA, "spec": {"jobTemplate": template(), "timeZone": "Europe/Berlin", **spec}})
    assert item is not None
    assert item.rule is not None
    changes = clock_changes(declared_timetable(item, item.rule), after=NOW, until=NOW + timedelta(days=366))
    assert [(f"{change.at:%m-%d}", change.note) for change in changes] == expected
