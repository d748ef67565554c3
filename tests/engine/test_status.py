"""The status that users see: what it says, and that nothing that bears witness goes backwards."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ticklock.domain.model import JobUid, ObjectRef, RunState, ScheduleUid
from ticklock.domain.reasons import Reason
from ticklock.engine.status import build_status, unchanged
from ticklock.ports import ActiveJob, LastRun, Report

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = LastRun(
    id="r-1",
    scheduled_time=NOON,
    state=RunState.COMPLETED,
    reason=Reason.JOB_COMPLETED,
    message="CompletionsReached",
    job_name="payout-1",
    started_at=NOON,
    finished_at=NOON + timedelta(seconds=3),
    lag_seconds=0.0271,
    pod_name="payout-1-x",
)
REPORT = Report(
    ref=ObjectRef("shop", "payout", ScheduleUid("u-1")),
    seq=5,
    generation=2,
    ledger_seq=7,
    expression="0 12 * * *",
    time_zone=None,
    created_at=NOON,
    suspended=False,
    problem_reason=None,
    problem_message=None,
    next_time=NOON + timedelta(days=1),
    witness=NOON,
    last_success=NOON + timedelta(seconds=3),
    last_trigger=None,
    active=[],
    active_count=0,
    last_run=RUN,
    last_ended=RUN,
    now=NOON + timedelta(seconds=4),
)


def report(**changes: Any) -> Report:
    return replace(REPORT, **changes)


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


def test_a_completed_run_is_told_whole() -> None:
    status = build_status(report(), {})
    assert status["lastRun"] == {
        "id": "r-1",
        "scheduledTime": "2026-03-01T12:00:00Z",
        "state": "Completed",
        "reason": "JobCompleted",
        "jobName": "payout-1",
        "podName": "payout-1-x",
        "startedAt": "2026-03-01T12:00:00Z",
        "finishedAt": "2026-03-01T12:00:03Z",
        "lagSeconds": 0.027,
    }
    assert status["lastScheduleTime"] == "2026-03-01T12:00:00Z"
    assert status["nextScheduleTime"] == "2026-03-02T12:00:00Z"
    assert status["ledgerSeq"] == 7


CONDITIONS = [
    pytest.param({}, ("True", "Accepted"), ("False", "Accepted"), ("True", "JobCompleted"), id="all is well"),
    pytest.param(
        {"last_ended": replace(RUN, state=RunState.FAILED, reason=Reason.JOB_FAILED)},
        ("True", "Accepted"),
        ("False", "Accepted"),
        ("False", "JobFailed"),
        id="a failed run does not make the spec bad",
    ),
    pytest.param(
        {"problem_reason": "UnknownTimeZone", "problem_message": "timeZone: Mars is unknown"},
        ("False", "UnknownTimeZone"),
        ("True", "UnknownTimeZone"),
        ("True", "JobCompleted"),
        id="a spec that cannot be followed is stalled",
    ),
    pytest.param(
        {"last_run": None, "last_ended": None},
        ("True", "Accepted"),
        ("False", "Accepted"),
        ("Unknown", "NoRunYet"),
        id="nothing ran yet",
    ),
]


@pytest.mark.parametrize(("changes", "ready", "stalled", "succeeded"), CONDITIONS)
def test_the_conditions(
    changes: dict[str, Any], ready: tuple[str, str], stalled: tuple[str, str], succeeded: tuple[str, str]
) -> None:
    found = conditions(build_status(report(**changes), {}))
    launches = ("True", "Reconciled")
    assert found == {"Ready": ready, "Stalled": stalled, "CanLaunch": launches, "LastRunSucceeded": succeeded}


@pytest.mark.parametrize("reason", [Reason.QUARANTINE, Reason.CLOCK_STEP])
def test_an_installation_that_launches_nothing_says_so_and_leaves_the_spec_as_good_as_it_is(reason: Reason) -> None:
    status = build_status(report(closed_reason=reason, closed_message="nothing is launched since noon"), {})
    found = conditions(status)
    assert found["CanLaunch"] == ("False", reason.value)
    assert (found["Ready"], found["Stalled"]) == (("True", "Accepted"), ("False", "Accepted"))
    (told,) = [item["message"] for item in status["conditions"] if item["type"] == "CanLaunch"]
    assert told == "nothing is launched since noon"


BACKWARDS = [
    pytest.param("ledgerSeq", 9, id="the ledger lost records"),
    pytest.param("lastScheduleTime", "2026-03-01T13:00:00Z", id="the ledger lost a launch"),
    pytest.param("observedGeneration", 3, id="the ledger lost an edit"),
]


@pytest.mark.parametrize(("field", "former"), BACKWARDS)
def test_what_bears_witness_never_goes_backwards(field: str, former: object) -> None:
    assert build_status(report(), {field: former})[field] == former


def test_a_condition_keeps_its_transition_time_while_it_stands() -> None:
    first = build_status(report(), {})
    later = build_status(report(now=NOON + timedelta(hours=1)), first)
    assert [item["lastTransitionTime"] for item in later["conditions"]] == ["2026-03-01T12:00:04Z"] * 4


def test_active_jobs_are_named() -> None:
    status = build_status(report(active=[ActiveJob("payout-2", JobUid("j-2"), "shop")], active_count=1), {})
    assert status["active"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "payout-2", "namespace": "shop", "uid": "j-2"}
    ]


def test_a_status_that_stands_is_not_written_again() -> None:
    stored = {key: value for key, value in build_status(report(), {}).items() if value is not None}
    assert unchanged(build_status(report(now=NOON + timedelta(hours=1)), stored), stored)
    assert not unchanged(build_status(report(ledger_seq=8), stored), stored)
