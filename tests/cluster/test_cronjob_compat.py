"""Manifests of CronJobs, with apiVersion and kind changed: they launch what the CronJob controller would launch."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.cronjob_shapes_more import ALL_SHAPES
from tests.support.place import RARELY, manifest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.cronjob_shapes import Shape
    from tests.support.place import Place
    from tests.support.stack import Stack

INJECTED = {"TICKLOCK_RUN_ID", "TICKLOCK_SCHEDULED_TIME", "TICKLOCK_ATTEMPT", "TICKLOCK_FENCING_TOKEN"}
OWN_DEFAULTS = {"podReplacementPolicy": "Failed"}


def differences(wanted: object, found: object, path: str = "spec") -> list[str]:
    """What of the template is not in the Job. The API server may have added defaults, and we our variables."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            text
            for key, value in wanted.items()
            if value is not None
            for text in differences(value, found.get(key), f"{path}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list):
        ours = [one for one in found if not (isinstance(one, dict) and one.get("name") in INJECTED)]
        if len(ours) != len(wanted):
            return [f"{path} has {len(ours)} entries instead of {len(wanted)}"]
        return [
            text
            for at, (a, b) in enumerate(zip(wanted, ours, strict=True))
            for text in differences(a, b, f"{path}[{at}]")
        ]
    if wanted in ({}, []) and not found:
        return []
    return [] if _same(wanted, found) else [f"{path}: {wanted!r} became {found!r}"]


def _same(wanted: object, found: object) -> bool:
    """Quantities are rewritten by the API server: `0.5` and `500m` are one."""
    return wanted == found or (found is not None and _quantity(wanted) == _quantity(found))


def _quantity(value: object) -> object:
    units = {"": 1.0, "m": 1e-3, "k": 1e3, "Ki": 2**10, "M": 1e6, "Mi": 2**20, "G": 1e9, "Gi": 2**30}
    match = re.fullmatch(r"([0-9.e]+)([kKMGim]*)", str(value))
    if match is None or match[2] not in units:
        return value
    return round(float(match[1]) * units[match[2]], 6)


@pytest.mark.parametrize("shape", ALL_SHAPES, ids=lambda shape: shape.name)
def test_every_shape_of_cronjob_launches_its_job(place: Place, shape: Shape) -> None:
    body = shape.manifest("ticklock.dev/v1", "ScheduledJob")
    body["metadata"].setdefault("annotations", {})["ticklock.dev/trigger"] = "now"
    planted = place.plant_manifest(body)
    job = planted.wait_launched()
    template = body["spec"]["jobTemplate"]
    found = job.last["spec"]
    wanted = {key: value for key, value in template["spec"].items() if key not in {"suspend", "template", "selector"}}
    assert not differences({**OWN_DEFAULTS, **wanted}, found)
    assert not differences(template["spec"]["template"]["spec"], found["template"]["spec"], "pod")
    for kind in ("labels", "annotations"):
        given = (template.get("metadata") or {}).get(kind) or {}
        assert given.items() <= job.last["metadata"].get(kind, {}).items()
    assert found["suspend"] is bool(template["spec"].get("suspend"))


def test_every_container_knows_its_run(place: Place) -> None:
    body = manifest("informed", "@every 6s")
    pod = body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["initContainers"] = [{"name": "before", "image": "busybox:1.37"}]
    pod["containers"][0]["env"] = [{"name": "TICKLOCK_ATTEMPT", "value": "mine"}, {"name": "OWN", "value": "x"}]
    planted = place.plant_manifest(body)
    job = planted.wait_launched()
    spec = job.last["spec"]["template"]["spec"]
    ours, own = (
        {one["name"]: one["value"] for one in spec[kind][0]["env"]} for kind in ("initContainers", "containers")
    )
    row = planted.run(planted.tick(1))
    assert ours.keys() == INJECTED
    assert ours["TICKLOCK_RUN_ID"] == str(row["id"])
    assert datetime.fromisoformat(ours["TICKLOCK_SCHEDULED_TIME"]).timestamp() == planted.tick(1)
    assert ours["TICKLOCK_ATTEMPT"] == "1"
    assert int(ours["TICKLOCK_FENCING_TOKEN"]) >= 1
    assert (own["TICKLOCK_ATTEMPT"], own["OWN"]) == ("mine", "x"), "what the user says of a variable stays"


@pytest.mark.parametrize(
    "zone", [pytest.param(None, id="no time zone"), pytest.param("Asia/Kolkata", id="a time zone with half an hour")]
)
@pytest.mark.field("timeZone", check="semantics")
def test_the_job_carries_cronjobs_annotation_of_its_time(place: Place, zone: str | None) -> None:
    planted = place.plant("annotated", "@every 6s", timeZone=zone) if zone else place.plant("annotated", "@every 6s")
    notes = planted.wait_launched().last["metadata"]["annotations"]
    moment = datetime.fromisoformat(notes["batch.kubernetes.io/cronjob-scheduled-timestamp"])
    assert moment.astimezone(UTC).timestamp() == planted.tick(1)
    if zone is not None:
        assert notes["batch.kubernetes.io/cronjob-scheduled-timestamp"].endswith("+05:30")


@pytest.mark.parametrize("policy", [None, "TerminatingOrFailed", "Failed"])
def test_pods_are_replaced_only_after_they_are_gone_unless_the_user_says_otherwise(
    place: Place, policy: str | None
) -> None:
    body = manifest("replacing", RARELY)
    body["metadata"]["annotations"] = {"ticklock.dev/trigger": "now"}
    if policy is not None:
        body["spec"]["jobTemplate"]["spec"]["podReplacementPolicy"] = policy
    job = place.plant_manifest(body).wait_launched()
    assert job.last["spec"]["podReplacementPolicy"] == (policy or "Failed")


def test_a_job_whose_template_says_suspend_waits_for_its_user(stack: Stack, place: Place) -> None:
    body = manifest("waiting", RARELY)
    body["metadata"]["annotations"] = {"ticklock.dev/trigger": "now"}
    body["spec"]["jobTemplate"]["spec"]["suspend"] = True
    planted = place.plant_manifest(body)
    job = planted.wait_launched()
    planted.wait_run(lambda row: row["state"] == "Running", what="the run is on its way")
    assert job.last["spec"]["suspend"] is True
    assert not place.pods()
    stack.cluster.api.merge_patch(f"{place.jobs_path}/{job.name}", {"spec": {"suspend": False}})
    planted.wait_run(lambda row: row["state"] == "Completed", what="once its user lets it go it completes")
    assert [one.uid for one in planted.seen()] == [job.uid]


@pytest.mark.field("startingDeadlineSeconds", check="semantics")
@pytest.mark.field("startingDeadlineSeconds", check="Event")
@pytest.mark.field("startingDeadlineSeconds", check="metric")
def test_a_deadline_that_has_passed_makes_the_tick_missed(stack: Stack, place: Place) -> None:
    simulate = {"simulate-seconds": "6"}
    planted = place.plant(
        "tardy", "@every 4s", concurrencyPolicy="Forbid", startingDeadlineSeconds=1, simulate=simulate
    )
    planted.wait_launched()
    row = planted.wait_run(lambda row: row["state"] == "Missed", what="the blocked tick is missed")
    assert (row["reason"], row["log"], row["run_key"]) == ("DeadlineExceeded", "Exited", f"tick:{planted.tick(2)}")
    eventually(lambda: "DeadlineExceeded" in {event["reason"] for event in planted.events()}, what="an Event tells it")
    labels = {"namespace": place.namespace, "name": "tardy", "state": "Missed", "reason": "DeadlineExceeded"}
    eventually(
        lambda: sum(one.metrics().value("ticklock_runs_total", **labels) for one in stack.replicas) >= 1,
        what="a metric counts it",
    )
    assert f"tick:{planted.tick(2)}" not in stack.sights.launched(planted.uid)
