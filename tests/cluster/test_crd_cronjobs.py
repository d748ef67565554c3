"""A CronJob's manifest with apiVersion and kind changed is accepted as it is, and comes back as it was."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bad_manifests import valid_manifest
from tests.support.crd import collection, install
from tests.support.cronjob_shapes import SHAPES, Shape
from tests.support.cronjob_shapes_more import ALL_SHAPES

if TYPE_CHECKING:
    from tools.devcluster.controlplane import ControlPlane

API_VERSION, KIND = "ticklock.dev/v1", "ScheduledJob"
DEFAULTS = {
    "suspend": False,
    "concurrencyPolicy": "Allow",
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 1,
}
OURS = {"queueName": "default", "priority": "Regular", "launchPolicy": "Job"}


@pytest.fixture(autouse=True, scope="module")
def crd(control_plane: ControlPlane) -> None:
    install(control_plane)


def cases() -> list[object]:
    return [pytest.param(shape, id=shape.name) for shape in ALL_SHAPES]


@pytest.mark.parametrize("shape", cases())
def test_kubectl_takes_it_and_nothing_is_lost(control_plane: ControlPlane, namespace: str, shape: Shape) -> None:
    manifest = shape.manifest(API_VERSION, KIND)
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    stored = control_plane.api.get(f"{collection(namespace)}/{manifest['metadata']['name']}")
    assert without_nulls(stored["spec"]) == without_nulls(DEFAULTS | OURS | manifest["spec"])


def without_nulls(value: Any) -> Any:
    """What a manifest says; null in it says nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("shape", cases())
def test_the_same_is_valid_as_a_cronjob_with_the_same_defaults(
    control_plane: ControlPlane, namespace: str, shape: Shape
) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/cronjobs?dryRun=All"
    as_cronjob = control_plane.api.post(path, shape.manifest())["spec"]
    as_ours = control_plane.api.post(f"{collection(namespace)}?dryRun=All", shape.manifest(API_VERSION, KIND))["spec"]
    for field in as_ours.keys() - OURS.keys() - {"jobTemplate"}:
        assert as_ours[field] == as_cronjob[field], field


@pytest.mark.parametrize("shape", cases())
def test_the_job_made_of_it_is_the_job_that_the_cronjob_would_make(
    control_plane: ControlPlane, namespace: str, shape: Shape
) -> None:
    stored = control_plane.api.post(f"{collection(namespace)}?dryRun=All", shape.manifest(API_VERSION, KIND))
    ours = job_of(control_plane, namespace, stored["spec"]["jobTemplate"])
    theirs = job_of(control_plane, namespace, shape.manifest()["spec"]["jobTemplate"])
    assert ours == theirs


def job_of(control_plane: ControlPlane, namespace: str, template: dict[str, Any]) -> dict[str, Any]:
    """What the API server makes of a template's Job, without the marks of its creation."""
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "made", "labels": template.get("metadata", {}).get("labels")},
        "spec": template["spec"],
    }
    made = control_plane.api.post(f"/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All", job)
    spec: dict[str, Any] = deepcopy(made["spec"])
    del spec["selector"]
    for label in ("batch.kubernetes.io/controller-uid", "controller-uid"):
        del spec["template"]["metadata"]["labels"][label]
    return spec


@pytest.mark.parametrize(
    "path",
    [
        pytest.param([], id="of the job"),
        pytest.param(["template", "spec"], id="of the pod"),
        pytest.param(["template", "spec", "containers", 0], id="of a container"),
        pytest.param(["template", "spec", "containers", 0, "securityContext"], id="of a security context"),
        pytest.param(["template", "spec", "containers", 0, "env", 0, "valueFrom"], id="of a source of a variable"),
        pytest.param(["template", "spec", "volumes", 0], id="of a volume, whose kind is not known"),
    ],
)
def test_fields_of_a_newer_kubernetes_are_kept(
    control_plane: ControlPlane, namespace: str, path: list[str | int]
) -> None:
    manifest = valid_manifest("newer")
    pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["containers"][0] |= {"securityContext": {}, "env": [{"name": "A", "valueFrom": {}}]}
    pod["volumes"] = [{"name": "v"}]
    at(manifest, path)["fromTheFuture"] = {"depth": [1, {"more": True}]}
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    stored = control_plane.api.get(f"{collection(namespace)}/newer")
    assert at(stored, path)["fromTheFuture"] == {"depth": [1, {"more": True}]}


def at(manifest: dict[str, Any], path: list[str | int]) -> dict[str, Any]:
    """The object at this path below the Job's spec."""
    place: Any = manifest["spec"]["jobTemplate"]["spec"]
    for step in path:
        place = place[step]
    assert isinstance(place, dict)
    return place


def test_a_cronjob_read_from_the_cluster_can_be_applied(control_plane: ControlPlane, namespace: str) -> None:
    """With its status, as `kubectl get cronjob -o yaml` prints it; what the server made alone is left out."""
    exported = SHAPES[1].manifest(API_VERSION, KIND)
    job = {"apiVersion": "batch/v1", "kind": "Job", "name": "a", "namespace": namespace, "resourceVersion": "7"}
    exported["status"] = {
        "active": [job | {"uid": "0d5c1c1e-0000-4000-8000-000000000000"}],
        "lastScheduleTime": "2026-11-22T16:05:00Z",
        "lastSuccessfulTime": "2026-11-22T16:05:09Z",
    }
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(exported))
    stored = control_plane.api.get(f"{collection(namespace)}/{exported['metadata']['name']}")
    assert "status" not in stored


def test_a_repeated_name_is_refused_where_batch_refuses_it(control_plane: ControlPlane, namespace: str) -> None:
    manifest = valid_manifest("twins")
    containers = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    containers.append(dict(containers[0]))
    with pytest.raises(RuntimeError, match=r"containers\[1\]: Duplicate value"):
        control_plane.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))


def test_a_misspelt_field_of_ours_is_refused_by_kubectl(control_plane: ControlPlane, namespace: str) -> None:
    manifest = valid_manifest("misspelt")
    manifest["spec"]["timezone"] = "Europe/Berlin"
    with pytest.raises(RuntimeError, match=r'unknown field "spec\.timezone"'):
        control_plane.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
