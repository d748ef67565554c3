"""`ttlSecondsAfterFinished` of the template is honoured, and never before the outcome is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.place import RARELY, manifest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place, Planted
    from tests.support.stack import Stack


def swept(place: Place, name: str, *, ttl: int, **simulate: str) -> Planted:
    """Plant a schedule whose Jobs Kubernetes takes away so many seconds after their end; we would keep them."""
    notes = {key.replace("_", "-"): value for key, value in simulate.items()}
    body = manifest(name, RARELY, simulate=notes, successfulJobsHistoryLimit=10, failedJobsHistoryLimit=10)
    body["spec"]["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] = ttl
    return place.plant_manifest(body)


@pytest.mark.parametrize(
    ("simulate", "told"),
    [
        pytest.param({}, ("Completed", "Completed"), id="completed"),
        pytest.param({"simulate": "fail"}, ("Failed", "Exited"), id="failed"),
    ],
)
def test_the_job_goes_at_once_and_what_became_of_it_stays(
    stack: Stack, place: Place, simulate: dict[str, str], told: tuple[str, str]
) -> None:
    planted = swept(place, "swept", ttl=0, **simulate)
    planted.trigger("once")
    job = planted.wait_launched()
    eventually(lambda: job.gone_at is not None, what="Kubernetes has taken the Job away", seconds=60)
    (row,) = planted.runs()
    assert (row["state"], row["log"]) == told
    state = told[0]
    assert stack.rows.trail(row["id"])[-1] == f"Job{state}"
    planted.wait_status(lambda now: now.get("lastRun", {}).get("state") == state, what="the status shows its end")


def test_the_job_is_held_while_nobody_is_there_to_record_its_end(stack: Stack, place: Place) -> None:
    planted = swept(place, "held", ttl=0, simulate_seconds="8")
    planted.trigger("once")
    name = planted.wait_launched().name
    planted.wait_run(lambda row: row["state"] == "Running", what="the ledger knows that it runs", seconds=5)
    for replica in stack.replicas:
        replica.kill9()

    def on_its_way() -> bool:
        job = place.job(name)
        assert job is not None, "it went before its end was recorded"
        return bool(job["status"].get("completionTime")) and "deletionTimestamp" in job["metadata"]

    eventually(on_its_way, what="Kubernetes has asked for its deletion", seconds=60)
    assert [row["state"] for row in planted.runs()] == ["Running"]
    stack.heal()
    eventually(lambda: place.job(name) is None, what="it goes once its end is recorded", seconds=60)
    assert [(row["state"], row["log"]) for row in planted.runs()] == [("Completed", "Completed")]


def test_a_job_stays_for_its_time(place: Place) -> None:
    planted = swept(place, "stays", ttl=3600)
    planted.trigger("once")
    planted.wait_launched()
    planted.wait_run(lambda row: row["state"] == "Completed", what="its end is recorded")

    def let_go() -> bool:
        (job,) = place.jobs()
        return "finalizers" not in job["metadata"] and "deletionTimestamp" not in job["metadata"]

    eventually(let_go, what="nothing holds it, and nobody deletes it")
