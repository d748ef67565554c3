"""What people do while it runs: they edit, suspend, trigger, delete and meddle, and no tick runs twice for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.accounting import every_tick_once
from tests.support.place import RARELY, Place, Planted, manifest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.sights import SeenJob
    from tests.support.stack import Stack

WINDOW = "@every 7s"
"""Long enough that there is time to act between the staging of a tick and the tick."""
FINALIZER_OFF = {"metadata": {"finalizers": None}}


def marked(mark: str) -> dict[str, Any]:
    """A job template that tells versions apart."""
    template: dict[str, Any] = manifest("x", RARELY)["spec"]["jobTemplate"]
    template["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "MARK", "value": mark}]
    return template


def mark_of(job: SeenJob) -> str:
    env = job.last["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(one["value"]) for one in env if one["name"] == "MARK")


def strip(place: Place, job: SeenJob) -> None:
    place.stack.cluster.api.merge_patch(f"{place.jobs_path}/{job.name}", FINALIZER_OFF)


def started_by(planted: Planted, job: SeenJob) -> bool:
    return any(row["job_uid"] == job.uid and row["attempt"] == "launched" for row in planted.runs())


# ------------------------------------------------------------------------------------------------ Jobs that are deleted


@pytest.mark.parametrize(
    "stripped", [pytest.param(False, id="as it is"), pytest.param(True, id="after taking its finalizer off")]
)
def test_a_staged_job_that_somebody_deletes_is_made_again_for_its_tick(
    stack: Stack,
    place: Place,
    stripped: bool,  # noqa: FBT001
) -> None:
    planted = place.plant("again", WINDOW)
    staged = planted.wait_seen()
    if stripped:
        strip(place, staged)
    # Not by kubectl, whose start alone may take until the tick on a busy machine: then the run itself is stopped.
    stack.cluster.api.delete(f"{place.jobs_path}/{staged.name}", {"propagationPolicy": "Background"})
    tally = every_tick_once(stack, [planted], until=planted.tick(1))
    assert not tally.late()
    assert planted.launched()[0].uid != staged.uid
    assert staged.let_go_at is None
    eventually(lambda: staged.gone_at is not None, what="the deleted Job is gone")


def test_a_running_job_that_somebody_deletes_is_recorded_as_stopped(stack: Stack, place: Place) -> None:
    planted = place.plant("stopped", RARELY, simulate={"simulate": "hang"})
    planted.trigger("once")
    job = planted.wait_launched()
    eventually(lambda: started_by(planted, job) and place.pods(), what="it runs")
    place.kubectl("delete", "job", job.name, "--wait=false")
    row = planted.wait_run(lambda row: row["state"] != "Running", what="the run is over")
    assert (row["state"], row["reason"], row["log"]) == ("Stopped", "JobDeleted", "Exited")
    eventually(lambda: not place.jobs() and not place.pods(), what="Job and pods are gone")
    assert stack.rows.trail(row["id"])[-1] == "JobDeleted"
    assert len(planted.launched()) == 1


def test_a_running_job_without_its_finalizer_may_vanish_but_never_runs_again(place: Place) -> None:
    planted = place.plant("vanished", RARELY, simulate={"simulate": "hang"})
    planted.trigger("once")
    job = planted.wait_launched()
    eventually(lambda: started_by(planted, job), what="it runs")
    strip(place, job)
    place.kubectl("delete", "job", job.name, "--wait=false")
    row = planted.wait_run(lambda row: row["state"] != "Running", what="the run is over")
    assert (row["state"], row["reason"]) in {("Stopped", "JobDeleted"), ("Unknown", "JobVanished")}
    eventually(lambda: not place.jobs() and not place.pods(), what="Job and pods are gone")
    assert len(planted.launched()) == 1


@pytest.mark.parametrize(
    "simulate",
    [pytest.param({"simulate-seconds": "4"}, id="it runs for a while"), pytest.param({}, id="it is over at once")],
)
def test_a_staged_job_that_somebody_lets_go_early_is_the_run(
    stack: Stack, place: Place, simulate: dict[str, str]
) -> None:
    planted = place.plant("early", WINDOW, simulate=simulate)
    staged = planted.wait_seen()
    stack.cluster.api.merge_patch(f"{place.jobs_path}/{staged.name}", {"spec": {"suspend": False}})
    row = planted.wait_run(lambda row: row["job_uid"] == staged.uid, what="the row says that this Job is the attempt")
    assert row["run_key"] == f"tick:{planted.tick(1)}"
    planted.wait_run(lambda row: row["state"] == "Completed", what="its end is recorded")
    planted.wait_launched(2)
    assert [job.run_key for job in planted.launched()] == [f"tick:{planted.tick(number)}" for number in (1, 2)]


# ------------------------------------------------------------------------------------------- ScheduledJobs that go away


def test_a_recreated_schedule_is_another_one(stack: Stack, place: Place) -> None:
    old = place.plant("twin", "@every 2s")
    old.wait_launched(2)
    old.delete()
    new = place.plant("twin", "@every 2s")
    every_tick_once(stack, [new], until=new.tick(3))
    eventually(lambda: all(job.gone_at is not None for job in old.seen()), what="the old one's Jobs are gone")
    assert max(job.let_go_at or 0 for job in old.launched()) < new.created.timestamp() + 2
    assert {row["state"] for row in old.runs()} <= {"Completed", "Stopped"}
    assert all(len(jobs) == 1 for jobs in stack.sights.launched(old.uid).values())


def test_a_schedule_deleted_in_the_middle_of_a_run_holds_nothing_back(place: Place) -> None:
    planted = place.plant("leaving", "@every 3s", simulate={"simulate": "hang"})
    job = planted.wait_launched()
    eventually(lambda: started_by(planted, job), what="it runs")
    planted.delete()
    eventually(lambda: not place.jobs() and not place.pods(), what="its Jobs and pods are gone")
    eventually(lambda: {row["state"] for row in planted.runs()} == {"Stopped"}, what="every run is over")
    assert {row["reason"] for row in planted.runs()} == {"JobDeleted", "ScheduleDeleted"}


def test_a_namespace_goes_with_everything_in_it(stack: Stack, place: Place) -> None:
    busy = [place.plant(f"busy-{number}", "@every 2s", simulate={"simulate": "hang"}) for number in range(3)]
    for planted in busy:
        planted.wait_launched()
    place.remove()
    eventually(lambda: not place.exists(), what="the namespace is gone", seconds=60)
    uids = [planted.uid for planted in busy]
    eventually(
        lambda: not [row for row in stack.rows.runs(*uids) if row["state"] in {"Pending", "Running"}],
        what="no run of it is open",
    )
    assert all(len(jobs) == 1 for uid in uids for jobs in stack.sights.launched(uid).values())


# ---------------------------------------------------------------------------------------------------------------- edits


def test_a_template_edited_after_the_staging_is_what_runs(stack: Stack, place: Place) -> None:
    planted = place.plant("fresh", WINDOW, jobTemplate=marked("old"))
    staged = planted.wait_seen()
    planted.edit(jobTemplate=marked("new"))
    tally = every_tick_once(stack, [planted], until=planted.tick(1))
    assert not tally.late()
    job = planted.launched()[0]
    assert (mark_of(staged), mark_of(job)) == ("old", "new")
    assert staged.let_go_at is None
    eventually(lambda: staged.gone_at is not None, what="the Job of the old template is gone")


def test_a_tick_that_an_edit_takes_away_is_skipped(place: Place) -> None:
    planted = place.plant("moved", WINDOW)
    tick = planted.tick(1)
    staged = planted.wait_seen()
    planted.edit(schedule=RARELY)
    row = planted.wait_run(lambda row: row["state"] == "Skipped", what="the tick is skipped")
    assert (row["run_key"], row["reason"], row["log"]) == (f"tick:{tick}", "SpecChanged", "Exited")
    eventually(lambda: staged.gone_at is not None, what="its Job is gone")
    eventually(lambda: time.time() > tick + 1, what="the tick has passed")
    assert not planted.launched()
    assert [one["state"] for one in planted.runs()] == ["Skipped"]
    eventually(lambda: "SpecChanged" in {event["reason"] for event in planted.events()}, what="an Event tells why")


@pytest.mark.field("suspend", check="semantics")
@pytest.mark.field("suspend", check="Event")
def test_a_suspension_skips_what_is_staged_and_a_resumption_launches_nothing_older(stack: Stack, place: Place) -> None:
    planted = place.plant("paused", WINDOW)
    staged = planted.wait_seen()
    planted.edit(suspend=True)
    row = planted.wait_run(lambda row: row["state"] == "Skipped", what="the tick is skipped")
    assert (row["run_key"], row["reason"]) == (f"tick:{planted.tick(1)}", "ScheduleSuspended")
    eventually(lambda: "ScheduleSuspended" in {event["reason"] for event in planted.events()}, what="an Event tells it")
    eventually(lambda: staged.gone_at is not None, what="its Job is gone")
    eventually(lambda: time.time() > planted.tick(1) + 0.5, what="the tick has passed")
    planted.edit(suspend=False)
    job = planted.wait_launched()
    assert job.run_key == f"tick:{planted.tick(2)}"
    allowed = {("Skipped", "ScheduleSuspended")}
    tally = every_tick_once(stack, [planted], until=planted.tick(2), allowed=allowed)
    assert len(tally.lags) == 1


@pytest.mark.field("suspend", check="semantics")
def test_a_tick_suspended_and_resumed_before_its_time_still_runs(stack: Stack, place: Place) -> None:
    planted = place.plant("wavering", WINDOW)
    planted.wait_seen()
    planted.edit(suspend=True)
    planted.wait_run(lambda row: row["state"] == "Skipped", what="the tick is skipped")
    planted.edit(suspend=False)
    tally = every_tick_once(stack, [planted], until=planted.tick(1))
    assert not tally.late()
    assert planted.run(planted.tick(1))["stage"] > 1


# ------------------------------------------------------------------------------------------------------------- triggers


@pytest.mark.parametrize("suspended", [pytest.param(False, id="in force"), pytest.param(True, id="suspended")])
def test_each_new_value_of_the_annotation_starts_one_run(place: Place, suspended: bool) -> None:  # noqa: FBT001
    planted = place.plant("asked", RARELY, suspend=suspended)
    planted.trigger("monday")
    planted.wait_status(lambda now: now.get("lastTrigger") == "monday", what="the trigger is acknowledged")
    planted.wait_launched(1)
    planted.patch({"metadata": {"annotations": {"ticklock.dev/trigger": "monday", "note": "touched"}}})
    planted.trigger("tuesday")
    planted.wait_launched(2)
    planted.wait_status(lambda now: now.get("lastTrigger") == "tuesday", what="the second one is acknowledged")
    planted.wait_run(lambda row: row["run_key"] == "trigger:tuesday" and row["state"] == "Completed", what="it is done")
    assert [job.run_key for job in planted.launched()] == ["trigger:monday", "trigger:tuesday"]
    assert [row["run_key"] for row in planted.runs()] == ["trigger:monday", "trigger:tuesday"]
    eventually(lambda: "Triggered" in {event["reason"] for event in planted.events()}, what="an Event tells of it")


def test_a_trigger_waits_where_overlaps_are_forbidden(place: Place) -> None:
    simulate = {"simulate-seconds": "3"}
    planted = place.plant("queueing", RARELY, concurrencyPolicy="Forbid", simulate=simulate)
    planted.trigger("first")
    first = planted.wait_launched(1)
    planted.trigger("second")
    second = planted.wait_launched(2)
    assert first.ended_at is not None
    assert second.let_go_at is not None
    assert second.let_go_at >= first.ended_at
    assert [job.run_key for job in planted.launched()] == ["trigger:first", "trigger:second"]


def test_a_trigger_on_a_spec_that_cannot_be_used_is_refused_in_an_event(place: Place) -> None:
    broken = place.plant("broken", RARELY, timeZone="Europe/Belrin")
    broken.trigger("now")
    eventually(
        lambda: [event for event in broken.events() if event["reason"] == "TriggerRefused"],
        what="an Event says that the trigger cannot be used",
    )
    assert not broken.seen()
