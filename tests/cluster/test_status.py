"""What became of each run is written to the object, to Events, to the JobLog and to the audit trail."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import on_time
from tests.support.place import RARELY
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place
    from tests.support.stack import Stack

TRAIL = ["Planned", "Staged", "Bound", "Launched"]


def instant(tick: float) -> str:
    return datetime.fromtimestamp(tick, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.field("schedule", check="status")
@pytest.mark.field("schedule", check="Event")
def test_a_completed_run_is_told_everywhere(stack: Stack, place: Place) -> None:
    good = place.plant("good", "@every 10s")
    first = good.tick(1)
    status = good.wait_status(
        lambda now: now.get("lastRun", {}).get("state") == "Completed" and now["activeCount"] == 0,
        what="the status shows a run completed",
    )
    job = good.launched()[0]
    assert status["observedGeneration"] == 1
    assert status["lastScheduleTime"] == instant(first)
    assert status["nextScheduleTime"] in {instant(good.tick(2)), instant(good.tick(3))}
    assert instant(first) <= status["lastSuccessfulTime"] < instant(first + 5)
    assert status["ledgerSeq"] >= 1
    assert status["active"] == []
    run = status["lastRun"]
    assert (run["scheduledTime"], run["reason"], run["jobName"]) == (instant(first), "JobCompleted", job.name)
    assert 0 <= run["lagSeconds"] <= on_time()
    assert instant(first) <= run["startedAt"] <= run["finishedAt"]
    assert {kind: good.condition(kind)["status"] for kind in ("Ready", "Stalled", "LastRunSucceeded")} == {
        "Ready": "True",
        "Stalled": "False",
        "LastRunSucceeded": "True",
    }
    row = good.run(first)
    assert run["id"] == str(row["id"])
    assert (row["state"], row["attempt"], row["log"], row["remark"]) == ("Completed", "Completed", "Completed", "")
    assert stack.rows.trail(row["id"]) == [*TRAIL, "JobCompleted"]
    eventually(
        lambda: (
            {event["reason"] for event in good.events() if event.get("related", {}).get("uid") == job.uid}
            == {"Launched", "JobCompleted"}
        ),
        what="Events tell of launch and end",
    )
    for event in good.events():
        assert event["type"] == "Normal"
        assert event["reportingController"]


def test_a_failed_run_is_told_everywhere_and_leaves_the_object_ready(stack: Stack, place: Place) -> None:
    bad = place.plant("bad", "@every 10s", simulate={"simulate": "fail"})
    status = bad.wait_status(
        lambda now: now.get("lastRun", {}).get("state") == "Failed", what="the status shows the first run failed"
    )
    assert "lastSuccessfulTime" not in status
    assert bad.condition("LastRunSucceeded")["status"] == "False"
    assert bad.condition("LastRunSucceeded")["reason"] == "JobFailed"
    assert bad.condition("Ready")["status"] == "True"
    row = bad.run(bad.tick(1))
    assert (row["state"], row["reason"], row["log"]) == ("Failed", "JobFailed", "Exited")
    assert "BackoffLimitExceeded" in row["remark"]
    assert stack.rows.trail(row["id"]) == [*TRAIL, "JobFailed"]
    eventually(
        lambda: [event for event in bad.events() if (event["reason"], event["type"]) == ("JobFailed", "Warning")],
        what="a warning tells of it",
    )


def test_a_running_job_is_listed_as_active(place: Place) -> None:
    long = place.plant("long", RARELY, simulate={"simulate": "hang"})
    long.trigger("once")
    job = long.wait_launched()
    status = long.wait_status(
        lambda now: now.get("activeCount") == 1 and now.get("lastRun", {}).get("state") == "Running",
        what="one run is active",
    )
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "namespace": place.namespace}
    assert status["active"] == [{**reference, "uid": job.uid}]
    assert place.pods()[0]["metadata"]["ownerReferences"][0]["uid"] == job.uid


@pytest.mark.field("schedule", check="status")
def test_an_edit_shows_in_observed_generation(place: Place) -> None:
    edited = place.plant("edited", RARELY)
    edited.wait_status(lambda now: now.get("observedGeneration") == 1, what="the first generation is in force")
    edited.edit(schedule="0 0 1 2 *")
    status = edited.wait_status(lambda now: now.get("observedGeneration") == 2, what="the second one is")
    assert re.fullmatch(r"\d{4}-02-01T00:00:00Z", status["nextScheduleTime"])


@pytest.mark.field("suspend", check="status")
def test_a_suspended_schedule_promises_no_next_time(place: Place) -> None:
    resting = place.plant("resting", "@hourly", suspend=True)
    status = resting.wait_status(lambda now: bool(now.get("conditions")), what="the status is there")
    assert "nextScheduleTime" not in status
    resting.edit(suspend=False)
    resting.wait_status(lambda now: "nextScheduleTime" in now, what="after a resumption it does")


def test_kubectl_get_shows_what_a_person_asks_for(place: Place) -> None:
    place.plant("shown", "@every 10s", timeZone="Europe/Berlin").wait_status(
        lambda now: now.get("lastRun", {}).get("state") == "Completed" and now["activeCount"] == 0,
        what="the first run is over",
    )
    header, line = place.kubectl("get", "sjob").splitlines()
    for column in ("SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST RUN", "LAST STATE", "NEXT RUN", "AGE"):
        assert column in header
    cells = re.split(r"\s{2,}", line.strip())
    assert cells[:5] == ["shown", "@every 10s", "Europe/Berlin", "false", "0"]
    assert "Completed" in cells
    assert any(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", cell) for cell in cells)


@pytest.mark.field("successfulJobsHistoryLimit", "failedJobsHistoryLimit", check="semantics")
def test_old_jobs_go_beyond_the_history_limits_once_their_outcome_is_told(place: Place) -> None:
    kept = place.plant("kept", "@every 2s", successfulJobsHistoryLimit=1)
    first = kept.wait_launched(4)
    assert first.uid
    oldest = kept.launched()[0]
    eventually(lambda: oldest.gone_at is not None, what="the oldest Job is gone")
    kept.edit(suspend=True)

    def left() -> bool:
        ended = [job for job in place.jobs() if job["status"].get("completionTime")]
        return len(ended) == len(place.jobs()) == 1 and "finalizers" not in ended[0]["metadata"]

    eventually(left, what="one completed Job is left, without a finalizer")
    assert {row["log"] for row in kept.runs() if row["job_uid"]} == {"Completed"}
    assert kept.launched()[-1].name == place.jobs()[0]["metadata"]["name"]


@pytest.mark.field("successfulJobsHistoryLimit", check="semantics")
def test_a_history_limit_of_zero_keeps_no_job(place: Place) -> None:
    none = place.plant("none", RARELY, simulate={"simulate": "fail"}, failedJobsHistoryLimit=0)
    none.trigger("once")
    none.wait_launched()
    eventually(lambda: not place.jobs() and not place.pods(), what="neither Job nor pod is left")
    assert [row["state"] for row in none.runs()] == ["Failed"]
