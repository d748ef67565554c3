"""The status: written through its subresource, and its witnesses only grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.support.bad_manifests import valid_manifest
from tests.support.crd import collection, install
from tools.devcluster.kubeapi import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.devcluster.controlplane import ControlPlane

Patch: TypeAlias = "Callable[[dict[str, Any]], dict[str, Any]]"

WITNESSES = [
    pytest.param("lastScheduleTime", "2026-11-22T16:05:00Z", "2026-11-22T16:04:59Z", id="the last tick launched"),
    pytest.param("lastScheduleTime", "2026-11-22T16:05:00Z", "2026-11-22T17:04:59+01:00", id="the same, in a zone"),
    pytest.param("ledgerSeq", 2**40, 2**40 - 1, id="how far the ledger had come"),
    pytest.param("observedGeneration", 3, 2, id="the generation in force"),
]


@pytest.fixture(autouse=True, scope="module")
def crd(control_plane: ControlPlane) -> None:
    install(control_plane)


@pytest.fixture
def patch(control_plane: ControlPlane, namespace: str) -> Patch:
    """Merge-PATCH the status of an object that was just made."""
    control_plane.api.post(collection(namespace), valid_manifest("watched"))
    path = f"{collection(namespace)}/watched/status"
    return lambda status: dict(control_plane.api.merge_patch(path, {"status": status})["status"])


@pytest.mark.parametrize(("field", "value", "earlier"), WITNESSES)
def test_it_may_stay_and_grow_but_not_shrink(patch: Patch, field: str, value: object, earlier: object) -> None:
    assert patch({field: earlier})[field] == earlier
    assert patch({field: value})[field] == value
    assert patch({field: value, "activeCount": 1})[field] == value
    with pytest.raises(ApiError, match=rf"status\.{field}.*{field} must not go backwards nor disappear"):
        patch({field: earlier})


@pytest.mark.parametrize(("field", "value", "earlier"), WITNESSES)
def test_it_may_not_disappear(patch: Patch, field: str, value: object, earlier: object) -> None:
    patch({field: earlier})
    patch({field: value})
    with pytest.raises(ApiError, match=rf"{field} must not go backwards nor disappear"):
        patch({field: None})


def test_it_may_not_disappear_with_the_whole_status(control_plane: ControlPlane, namespace: str, patch: Patch) -> None:
    patch({"ledgerSeq": 1})
    path = f"{collection(namespace)}/watched"
    bare = control_plane.api.get(path)
    del bare["status"]
    with pytest.raises(ApiError, match="status must not be removed"):
        control_plane.api.request("PUT", f"{path}/status", bare)


def test_who_edits_the_spec_leaves_the_status_alone(control_plane: ControlPlane, namespace: str, patch: Patch) -> None:
    patch({"ledgerSeq": 5})
    path = f"{collection(namespace)}/watched"
    edited = control_plane.api.get(path)
    edited["spec"]["suspend"] = True
    edited["status"] = {"ledgerSeq": 1}
    stored = control_plane.api.request("PUT", path, edited)
    assert (stored["spec"]["suspend"], stored["status"]["ledgerSeq"]) == (True, 5)


def test_a_recreated_object_begins_anew(control_plane: ControlPlane, namespace: str, patch: Patch) -> None:
    patch({"ledgerSeq": 5})
    control_plane.api.delete(f"{collection(namespace)}/watched")
    again = control_plane.api.post(collection(namespace), valid_manifest("watched") | {"status": {"ledgerSeq": 1}})
    assert "status" not in again


def test_all_that_the_controller_writes_is_kept(patch: Patch) -> None:
    whole = full_status()
    assert patch(whole) == whole


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"active": [{"name": "j", "uid": "u"}] * 21}, "at most 20 items", id="more than twenty active"),
        pytest.param({"lastTrigger": "x" * 257}, "256", id="a trigger of 257 characters"),
        pytest.param({"conditions": [{"type": "Ready", "status": "True"}]}, "reason", id="a condition with no reason"),
        pytest.param({"nextScheduleTime": "tomorrow"}, "date-time", id="a next run without a date"),
        pytest.param({"activeCount": -1}, "greater than or equal to 0", id="fewer than no runs"),
    ],
)
def test_what_a_status_cannot_be(patch: Patch, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ApiError, match=complaint):
        patch(change)


def full_status() -> dict[str, Any]:
    """A status with everything in it."""
    reference = {"apiVersion": "batch/v1", "kind": "Job", "namespace": "n", "uid": "u"}
    condition = {"status": "True", "observedGeneration": 3, "lastTransitionTime": "2026-11-22T16:00:00Z"}
    return {
        "observedGeneration": 3,
        "conditions": [
            {"type": "Ready", "reason": "Accepted", "message": "next run at 16:10"} | condition,
            {"type": "Stalled", "reason": "Accepted", "message": ""} | condition | {"status": "False"},
        ],
        "active": [reference | {"name": f"j-{number}"} for number in range(20)],
        "activeCount": 25,
        "lastScheduleTime": "2026-11-22T16:05:00Z",
        "lastSuccessfulTime": "2026-11-22T16:05:09Z",
        "nextScheduleTime": "2026-11-22T16:10:00Z",
        "lastTrigger": "2026-11-22 by hand",
        "ledgerSeq": 123456789012,
        "lastRun": {
            "id": "0d5c1c1e-0000-5000-8000-000000000000",
            "scheduledTime": "2026-11-22T16:05:00Z",
            "state": "Completed",
            "reason": "JobCompleted",
            "jobName": "j-1",
            "startedAt": "2026-11-22T16:05:00.021Z",
            "finishedAt": "2026-11-22T16:05:09Z",
            "lagSeconds": 0.021,
        },
    }
