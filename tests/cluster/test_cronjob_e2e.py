"""What Kubernetes' own end-to-end tests ask of a CronJob, asked of a ScheduledJob under the names that they have there.

Each test bears the original's name as its id. Where the original waits for minutes, seconds do here: the schedules have
a field for them. What the originals leave out (restarts, several controllers, duplicates) has tests of its own; the
page on reliability lists them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest

from tests.support.place import RARELY, Place, Planted, manifest
from tests.support.waiting import eventually
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import collection
from tools.devcluster.watching import Sight, Watch

if TYPE_CHECKING:
    from tests.support.stack import Stack

EVERY_TWO_SECONDS = "*/2 * * * * *"
SLEEPS = {"simulate": "hang"}
FAILS = {"simulate": "fail"}
TIMESTAMP = "batch.kubernetes.io/cronjob-scheduled-timestamp"
LABEL = "special-label"

_LONG_AGO: LiteralString = """
UPDATE schedule_state SET cursor = cursor - interval '400 seconds', next_tick = cursor - interval '399 seconds'
WHERE uid = %(uid)s
"""
_BORN_BEFORE: LiteralString = """
UPDATE schedules SET created_at = created_at - interval '500 seconds' WHERE uid = %(uid)s
"""


@pytest.fixture(autouse=True)
def original(request: pytest.FixtureRequest) -> object:
    """The name of the original test."""
    return request.param


def once(name: str) -> pytest.MarkDecorator:
    """Give a test the name of the original as its id."""
    return pytest.mark.parametrize("original", [pytest.param(name, id=name)], indirect=True)


def active(planted: Planted) -> list[str]:
    """The names in the status's list of active Jobs."""
    return [str(one["name"]) for one in planted.status().get("active", ())]


def wait_active(planted: Planted, number: int) -> list[str]:
    return eventually(
        lambda: names if len(names := active(planted)) >= number else [], what=f"{number} Jobs are in the active list"
    )


def ended(job: dict[str, Any]) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(one["type"] in {"Complete", "Failed"} and one["status"] == "True" for one in conditions)


def running(place: Place) -> list[str]:
    """The Jobs that were let go and go on."""
    return [job["metadata"]["name"] for job in place.jobs() if not job["spec"].get("suspend") and not ended(job)]


def finished(place: Place) -> list[str]:
    return [job["metadata"]["name"] for job in place.jobs() if ended(job)]


def launched_ticks(planted: Planted) -> list[int]:
    return [job.tick for job in planted.launched() if job.tick is not None]


def pause(planted: Planted) -> None:
    planted.edit(suspend=True)


# ---------------------------------------------------------------------------------------------------------- conformance


@once("should schedule multiple jobs concurrently")
def test_allow_concurrent(place: Place) -> None:
    planted = place.plant("concurrent", EVERY_TWO_SECONDS, concurrencyPolicy="Allow", simulate=SLEEPS)
    wait_active(planted, 2)
    assert len(running(place)) >= 2
    pause(planted)
    planted.delete()


@once("should not schedule jobs when suspended")
@pytest.mark.field("suspend", check="semantics")
@pytest.mark.field("suspend", check="status")
def test_suspend(place: Place) -> None:
    planted = place.plant("suspended", EVERY_TWO_SECONDS, suspend=True, simulate=SLEEPS)
    witness = place.plant("witness", EVERY_TWO_SECONDS)
    planted.wait_status(lambda now: bool(now.get("conditions")), what="it is known")
    witness.wait_launched(5)  # So much time has passed, and so many ticks of the same schedule.
    assert not active(planted)
    assert not planted.seen(), "not even a suspended Job was made"
    assert "nextScheduleTime" not in planted.status()


@once("should not schedule new jobs when ForbidConcurrent")
@pytest.mark.field("concurrencyPolicy", check="semantics")
def test_forbid_concurrent(place: Place) -> None:
    planted = place.plant("forbid", EVERY_TWO_SECONDS, concurrencyPolicy="Forbid", simulate=SLEEPS)
    witness = place.plant("witness", EVERY_TWO_SECONDS)
    (name,) = wait_active(planted, 1)
    assert running(place).count(name) == 1
    # The original looks once and is content. Here every look must find the one Job, over many ticks, and afterwards
    # a bystander who saw every version of every Job must have seen no other one let go.
    before = len(witness.launched())
    eventually(
        lambda: _only(planted, name) and len(witness.launched()) >= before + 6, what="six more ticks have come and gone"
    )
    assert [job.name for job in planted.launched()] == [name]


def _only(planted: Planted, name: str) -> bool:
    assert active(planted) == [name]
    assert {job.name for job in planted.launched()} == {name}
    return True


@once("should replace jobs when ReplaceConcurrent")
@pytest.mark.field("concurrencyPolicy", check="semantics")
def test_replace_concurrent(place: Place) -> None:
    planted = place.plant("replace", "@every 6s", concurrencyPolicy="Replace", simulate=SLEEPS)
    (name,) = wait_active(planted, 1)
    eventually(lambda: name not in running(place), what="the Job is replaced")
    second = planted.wait_launched(2)
    eventually(lambda: active(planted) == [second.name], what="the new one is active, and alone")
    for before, after in pairwise(planted.launched()):
        assert before.ended_at is not None
        assert after.let_go_at is not None
        assert before.ended_at <= after.let_go_at
    pause(planted)


@once("should support CronJob API operations")
def test_api_operations(stack: Stack, place: Place) -> None:
    api, path = stack.cluster.api, collection(place.namespace)
    selector = f"labelSelector={LABEL}={place.namespace}"
    body = manifest("test-api", RARELY)
    body["metadata"]["labels"] = {LABEL: place.namespace}
    created = api.post(path, body)["metadata"]
    assert int(created["resourceVersion"]) > 0
    assert api.get(f"{path}/test-api")["metadata"]["uid"] == created["uid"]
    assert [one["metadata"]["name"] for one in api.get(f"{path}?{selector}")["items"]] == ["test-api"]
    assert [one["metadata"]["name"] for one in api.get(f"{collection()}?{selector}")["items"]] == ["test-api"]

    seen: list[set[str]] = []

    def saw(sight: Sight) -> None:
        seen.append(set(sight.object["metadata"].get("annotations") or ()))

    watches = [Watch(api.credentials, f"{one}?{selector}", saw) for one in (path, collection())]
    for watch in watches:
        watch.start()
    try:
        patched = api.merge_patch(f"{path}/test-api", {"metadata": {"annotations": {"patched": "true"}}})["metadata"]
        assert patched["annotations"]["patched"] == "true"
        assert int(patched["resourceVersion"]) > int(created["resourceVersion"])
        updated = _update(place, "", lambda found: found["metadata"]["annotations"].update(updated="true"))
        assert updated["metadata"]["annotations"]["updated"] == "true"
        eventually(lambda: sum({"patched", "updated"} <= one for one in seen) >= 2, what="both watches have seen both")
    finally:
        for watch in watches:
            watch.close()

    first, second = (datetime(2026, 1, day, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for day in (1, 2))
    status = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"lastScheduleTime": first}}
    assert api.merge_patch(f"{path}/test-api/status", status)["status"]["lastScheduleTime"] == first
    assert _update(place, "/status", lambda found: found["status"].update(lastScheduleTime=second))
    read = api.get(f"{path}/test-api/status")
    assert (read["metadata"]["uid"], read["status"]["lastScheduleTime"]) == (created["uid"], second)

    body["metadata"]["name"] = "for-removal"
    api.post(path, body)
    api.delete(f"{path}/for-removal")
    with pytest.raises(ApiError) as gone:
        api.get(f"{path}/for-removal")
    assert gone.value.status == 404
    api.delete(f"{path}?{selector}")
    eventually(lambda: not api.get(f"{path}?{selector}")["items"], what="the collection is gone")


def _update(place: Place, sub: str, change: Any) -> dict[str, Any]:
    """Change the object by PUT; where somebody was faster, read it again."""
    path = f"{collection(place.namespace)}/test-api"
    while True:
        found = place.stack.cluster.api.get(path)
        change(found)
        try:
            return place.stack.cluster.api.request("PUT", path + sub, found)
        except ApiError as refusal:
            if refusal.status != 409:
                raise


# ----------------------------------------------------------------------------------------------------------- the others


@once("should be able to schedule after more than 100 missed schedule")
def test_more_than_a_hundred_missed(stack: Stack, place: Place) -> None:
    # The original sets times in the past at the creation, which every API server overrules. Here nobody works, and 400
    # ticks really lie behind, as far as the ledger knows, when they come back.
    planted = place.plant("missed", "@every 1s", concurrencyPolicy="Forbid")
    planted.wait_launched()
    for replica in stack.replicas:
        replica.kill9()
    before = len(planted.launched())
    with psycopg.connect(stack.rows.url) as connection:
        connection.execute(_LONG_AGO, {"uid": planted.uid})
        connection.execute(_BORN_BEFORE, {"uid": planted.uid})
    for replica in stack.replicas:
        replica.start()
    for replica in stack.replicas:
        replica.wait_ready()
    planted.wait_launched(before + 1)
    planted.wait_run(lambda row: row["state"] == "Missed", what="what was missed is recorded")
    pause(planted)
    assert len(planted.runs()) < 300, "more than a hundred missed ticks are one record"
    assert all(len(jobs) == 1 for jobs in stack.sights.launched(planted.uid).values())


@once("should not emit unexpected warnings")
def test_no_warnings(place: Place) -> None:
    planted = place.plant("quiet", EVERY_TWO_SECONDS)
    planted.wait_launched(2)
    eventually(lambda: finished(place), what="a Job has finished")
    eventually(lambda: [one for one in planted.events() if one["reason"] == "JobCompleted"], what="Events are posted")
    pause(planted)
    assert {event["type"] for event in planted.events()} == {"Normal"}
    assert not {event["reason"] for event in planted.events()} & {"MissingJob", "UnexpectedJob", "SecondPod"}


@once("should set the cronjob-scheduled-timestamp annotation on a job")
def test_scheduled_timestamp(place: Place) -> None:
    planted = place.plant("stamped", EVERY_TWO_SECONDS)
    job = planted.wait_launched()
    pause(planted)
    stamp = datetime.fromisoformat(job.last["metadata"]["annotations"][TIMESTAMP])
    assert stamp.tzinfo is not None
    assert stamp.timestamp() == job.tick


@once("should remove from active list jobs that have been deleted")
def test_deleted_jobs_are_not_active(place: Place) -> None:
    planted = place.plant("forbid", EVERY_TWO_SECONDS, concurrencyPolicy="Forbid", simulate=SLEEPS)
    (name,) = wait_active(planted, 1)
    place.kubectl("delete", "job", name, "--wait=false")
    eventually(lambda: place.job(name) is None, what="the Job is gone")
    eventually(lambda: name not in active(planted), what="it is not in the active list")
    # CronJob's controller tells MissingJob; here the run itself is recorded.
    eventually(lambda: "JobDeleted" in {event["reason"] for event in planted.events()}, what="an Event tells of it")
    planted.wait_launched(2)
    assert name not in active(planted)
    pause(planted)


@pytest.mark.parametrize(
    ("original", "simulate", "limits"),
    [
        pytest.param(name, simulate, limits, id=name)
        for name, simulate, limits in (
            ("should delete successful finished jobs with limit of one successful job", {}, (1, 0)),
            ("should delete failed finished jobs with limit of one job", FAILS, (0, 1)),
        )
    ],
    indirect=["original"],
)
@pytest.mark.field("successfulJobsHistoryLimit", "failedJobsHistoryLimit", check="semantics")
def test_history_limits(place: Place, simulate: dict[str, str], limits: tuple[int, int]) -> None:
    planted = place.plant(
        "kept",
        "@every 3s",
        simulate=simulate,
        successfulJobsHistoryLimit=limits[0],
        failedJobsHistoryLimit=limits[1],
    )
    (first,) = eventually(lambda: finished(place), what="a Job has finished")
    eventually(lambda: [name for name in finished(place) if name != first], what="another one has finished")
    eventually(lambda: first not in {job["metadata"]["name"] for job in place.jobs()}, what="the first is deleted")
    pause(planted)
    eventually(lambda: not running(place) and len(finished(place)) == 1, what="one Job is left, and it has finished")
    (left,) = finished(place)
    assert left == planted.launched()[-1].name, "the latest is kept"


@once("should support timezone")
@pytest.mark.field("timeZone", check="semantics")
@pytest.mark.field("timeZone", check="status")
def test_timezone(place: Place) -> None:
    # A CRD cannot know the zones: a name that no zone can have is refused at once, another one by a condition.
    with pytest.raises(ApiError) as refusal:
        place.plant("impossible", RARELY, timeZone="bad time zone")
    assert refusal.value.status == 422
    bad = place.plant("unknown", EVERY_TWO_SECONDS, timeZone="bad-time-zone")
    bad.wait_status(lambda now: bool(now.get("conditions")), what="it is judged")
    assert bad.condition("Ready")["reason"] == "UnknownTimeZone"
    assert not bad.seen()
    good = place.plant("half-an-hour", "0 0 1 1 *", timeZone="Asia/Kolkata")
    status = good.wait_status(lambda now: "nextScheduleTime" in now, what="it has a next tick")
    assert datetime.fromisoformat(status["nextScheduleTime"]).minute == 30
