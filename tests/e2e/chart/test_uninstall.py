"""`helm uninstall`, while schedules tick and Jobs run: nothing is left that hangs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.chart.planting import OFTEN, RARELY, Bystander, Planted, manifest
from tests.support.pods import Room
from tests.support.waiting import eventually
from ticklock.domain import names
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import collection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.chart.release import Release

WITHIN = (
    "all,secrets,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets,networkpolicies,leases,"
    "persistentvolumeclaims"
)
BEYOND = (
    "clusterroles,clusterrolebindings,priorityclasses,crds,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings"
)
KEPT = {
    "secret/ticklock-postgresql",
    "persistentvolumeclaim/data-ticklock-postgresql-0",
    "customresourcedefinition.apiextensions.k8s.io/scheduledjobs.ticklock.dev",
}
"""What the values promise to keep: the data with the password that opens them, and the schedules."""


@pytest.fixture(scope="module")
def room(release: Release) -> Iterator[Room]:
    with Room.lend(release.cluster, "uninstalling") as lent:
        yield lent


@pytest.fixture(scope="module")
def running(room: Room, bystander: Bystander) -> Planted:
    """A Job that outlives the release."""
    planted = bystander.plant(room, manifest("runs", "sleep", "600", schedule=RARELY, trigger="now"))
    job = planted.wait_launched()
    eventually(lambda: active(room, job.name), what="its pod runs", seconds=60)
    return planted


@pytest.fixture(scope="module")
def uninstalled(release: Release, room: Room, running: Planted, bystander: Bystander) -> Planted:
    """The release is gone, in the middle of ticks and with a Job staged; what still ran is given."""
    bystander.plant(room, manifest("ticks", schedule=OFTEN)).wait_launched(2)
    eventually(lambda: [job for job in jobs(release) if job["spec"].get("suspend")], what="a Job is staged")
    with bystander.figures.measured("`helm uninstall --wait`, its hook included"):
        release.uninstall()
    return running


def jobs(release: Release) -> list[dict[str, Any]]:
    return list(release.cluster.control_plane.api.get("/apis/batch/v1/jobs")["items"])


def active(room: Room, job: str) -> bool:
    found = room.get("jobs", job, "apis/batch/v1") or {}
    return bool(found.get("status", {}).get("ready"))


@pytest.mark.usefixtures("uninstalled")
def test_what_is_left_is_what_the_values_keep(release: Release) -> None:
    selector = ("--selector=app.kubernetes.io/instance=ticklock", "--output=name", "--ignore-not-found")

    def left() -> set[str]:
        kubectl = release.cluster.control_plane.kubectl
        return {*release.kubectl("get", WITHIN, *selector).split(), *kubectl("get", BEYOND, *selector).split()}

    eventually(lambda: left() == KEPT, what="nothing but what is kept is left", seconds=60)


@pytest.mark.usefixtures("uninstalled")
def test_there_is_no_lease(release: Release) -> None:
    leases = release.cluster.control_plane.api.get(
        f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases"
    )
    assert leases["items"] == []


@pytest.mark.usefixtures("uninstalled")
def test_no_job_has_our_finalizer_and_none_waits_for_its_tick(release: Release) -> None:
    left = jobs(release)
    assert [one["metadata"]["name"] for one in left if names.FINALIZER in json.dumps(one["metadata"])] == []
    assert [one["metadata"]["name"] for one in left if one["spec"].get("suspend")] == []


def test_a_job_that_was_running_goes_on(uninstalled: Planted) -> None:
    (job,) = uninstalled.launched()
    assert active(uninstalled.room, job.name)


@pytest.mark.usefixtures("uninstalled")
def test_the_schedules_are_kept(room: Room) -> None:
    items = room.cluster.control_plane.api.get(collection(room.namespace))["items"]
    assert {one["metadata"]["name"] for one in items} == {"runs", "ticks"}


@pytest.mark.usefixtures("uninstalled")
def test_their_namespace_and_that_of_the_release_can_be_deleted(release: Release, room: Room) -> None:
    kubectl = release.cluster.control_plane.kubectl
    kubectl("delete", "namespace", room.namespace, release.namespace, "--timeout=90s")
    for namespace in (room.namespace, release.namespace):
        with pytest.raises(ApiError) as gone:
            release.cluster.control_plane.api.get(f"/api/v1/namespaces/{namespace}")
        assert gone.value.status == 404
