"""A second pod of one attempt is noticed, counted and told: two controller managers, a deletion, a suspension.

Kubernetes promises one Job of a name, and never one pod of a Job. What it does here it does in every cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.place import RARELY, manifest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.place import Place, Planted
    from tests.support.sights import SeenJob, SeenPod
    from tests.support.stack import Stack

HANGS = {"simulate": "hang"}


def plant(place: Place, name: str, *, simulate: dict[str, str], backoff: int = 0, **job: Any) -> Planted:
    """A schedule with one triggered run."""
    body = manifest(name, RARELY, simulate=simulate)
    body["metadata"]["annotations"] = {"ticklock.dev/trigger": "now"}
    body["spec"]["jobTemplate"]["spec"].update({"backoffLimit": backoff, **job})
    return place.plant_manifest(body)


def pods(place: Place, job: SeenJob) -> list[SeenPod]:
    return place.stack.sights.pods(job.uid)


def wait_started(place: Place, job: SeenJob, number: int = 1, seconds: float = 60) -> list[SeenPod]:
    def started() -> list[SeenPod]:
        found = [pod for pod in pods(place, job) if pod.started_at is not None]
        return found if len(found) >= number else []

    return eventually(started, what=f"{number} pods of {job.name} have started", seconds=seconds)


def counted(stack: Stack, cause: str) -> float:
    return sum(one.metrics().value("ticklock_further_pods_total", cause=cause) for one in stack.replicas)


def roles(stack: Stack, planted: Planted) -> list[str]:
    run = planted.runs()[0]["id"]
    return [row["role"] for row in stack.rows.all("SELECT role FROM pods WHERE run_id = %(run)s", run=run)]


def alarms(planted: Planted) -> list[dict[str, Any]]:
    return [event for event in planted.events() if event["reason"] == "SecondPod"]


def wait_alarm(stack: Stack, planted: Planted, cause: str) -> None:
    """Wait until everybody who should tell of it has: the ledger, an Event, the audit trail, the log."""
    eventually(lambda: cause in roles(stack, planted), what=f"a pod is written down as {cause}")
    (event, *_) = eventually(lambda: alarms(planted), what="an Event tells of it")
    assert event["type"] == "Warning"
    assert event["related"]["kind"] == "Job"
    run = planted.runs()[0]["id"]
    assert "SecondPod" in stack.rows.trail(run)
    told = [fact for fact in stack.facts("second pod of an attempt") if fact["run"] == str(run)]
    assert cause in {fact["cause"] for fact in told}


def test_a_failed_pod_that_is_tried_again_is_counted_and_no_alarm(stack: Stack, place: Place) -> None:
    before = counted(stack, "retry")
    planted = plant(place, "retried", simulate={"simulate": "fail"}, backoff=1)
    job = planted.wait_launched()
    wait_started(place, job, 2)
    eventually(lambda: roles(stack, planted) == ["retry"], what="the second pod is written down as a retry")
    assert counted(stack, "retry") == before + 1
    planted.wait_run(lambda row: row["state"] == "Failed", what="the run has failed")
    assert not alarms(planted)


def test_a_single_pod_leaves_no_trace(stack: Stack, place: Place) -> None:
    planted = plant(place, "single", simulate={})
    planted.wait_run(lambda row: row["state"] == "Completed", what="the run has completed")
    assert len(pods(place, planted.launched()[0])) == 1
    assert roles(stack, planted) == []


def test_as_many_pods_as_a_job_asks_for_are_no_alarm(stack: Stack, place: Place) -> None:
    planted = plant(place, "parallel", simulate={"simulate-seconds": "2"}, completions=3, parallelism=3)
    planted.wait_run(lambda row: row["state"] == "Completed", what="the run has completed")
    assert len(pods(place, planted.launched()[0])) == 3
    assert roles(stack, planted) == []


def test_a_pod_that_replaces_a_deleted_one_is_told(stack: Stack, place: Place) -> None:
    before = counted(stack, "deleted")
    planted = plant(place, "deleted", simulate=HANGS, backoff=3)
    job = planted.wait_launched()
    (first,) = wait_started(place, job)
    place.kubectl("delete", "pod", first.name, "--grace-period=0", "--force", "--wait=false")
    wait_started(place, job, 2)
    wait_alarm(stack, planted, "deleted")
    assert counted(stack, "deleted") == before + 1


def test_a_suspension_and_resumption_by_its_user_start_a_second_pod_which_is_told(stack: Stack, place: Place) -> None:
    planted = plant(place, "resumed", simulate=HANGS)
    job = planted.wait_launched()
    wait_started(place, job)
    for suspend in (True, False):
        stack.cluster.api.merge_patch(f"{place.jobs_path}/{job.name}", {"spec": {"suspend": suspend}})
        eventually(
            lambda: not place.pods() if suspend else place.pods(),  # noqa: B023
            what="its pods go" if suspend else "it has a pod again",
        )
    wait_started(place, job, 2)
    wait_alarm(stack, planted, "deleted")


@pytest.fixture
def rival(own_stack: Stack) -> Iterator[None]:
    """A second job controller that waits for no Lease either, as after a partition."""
    with own_stack.cluster.rival():
        yield


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("rival")
def test_two_controller_managers_make_second_pods_and_each_is_told(own_stack: Stack, own_place: Place) -> None:
    def doubled() -> list[SeenJob]:
        jobs = [job for planted in schedules for job in planted.launched()]
        return [job for job in jobs if len(pods(own_place, job)) > 1]

    schedules = [
        own_place.plant(f"twice-{number}", "@every 3s", simulate={"simulate-seconds": "2"}) for number in range(4)
    ]
    eventually(doubled, what="two job controllers make two pods of one Job", seconds=90)
    for planted in schedules:
        planted.edit(suspend=True)
    job = doubled()[0]
    planted = next(one for one in schedules if one.uid == job.owner)
    eventually(lambda: alarms(planted), what="an Event tells of it")
    assert counted(own_stack, "unfounded") + counted(own_stack, "deleted") > 0
    assert all(len(jobs) == 1 for one in schedules for jobs in own_stack.sights.launched(one.uid).values())
