"""The exact answers of a real API server, and what our Jobs make of them."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.support.kube import client
from tests.support.orders import Orders, template
from tests.support.waiting import eventually_async
from ticklock.domain.errors import Conflict, Refused, Transient
from ticklock.domain.model import AttemptState, JobUid
from ticklock.kube.client import Content, K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.resources import JOBS, NAMESPACES
from ticklock.ports import JobView
from tools.devcluster.controlplane import ControlPlane

STRANGER = JobUid("00000000-0000-4000-8000-000000000000")


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[K8sApi]:
    async with client(control_plane) as opened:
        yield opened


@pytest.fixture
def jobs(api: K8sApi) -> KubeJobs:
    return KubeJobs(api)


@pytest.fixture
def orders(control_plane: ControlPlane, namespace: str) -> Orders:
    return Orders.of_an_object(control_plane, namespace)


async def staged(jobs: KubeJobs, orders: Orders, **spec: Any) -> JobView:
    return await jobs.create(orders.namespace, orders.job(orders.order(job_template=template(**spec))))


async def settled(jobs: KubeJobs, job: JobView) -> JobView:
    """Wait until the job controller has written its first status: it would make a resourceVersion stale."""

    async def moved() -> JobView | None:
        now = await jobs.read(job.namespace, job.name)
        return now if now is not None and now.resource_version != job.resource_version else None

    found = await eventually_async(moved, what="the job controller has seen the Job")
    assert found is not None
    return found


async def remove(jobs: KubeJobs, job: JobView) -> None:
    await jobs.delete(job, only_if_unchanged=False)
    assert await jobs.release(job.namespace, job.name, job.uid)


# --------------------------------------------------------------------------------------------------------------- create


async def test_a_created_job_comes_back_suspended_held_and_ours(jobs: KubeJobs, orders: Orders) -> None:
    order = orders.order()
    job = await staged(jobs, orders)
    assert job.suspended
    assert job.held
    assert not job.deleting
    assert (job.key, job.run_key, job.stage) == (order.key, order.run_key, order.stage)
    assert (job.owner_uid, job.owner_name, job.scheduled_time) == (orders.uid, "report", order.scheduled_time)
    assert job.finished is None
    assert await jobs.read(orders.namespace, job.name) is not None
    await remove(jobs, job)


async def test_a_name_is_given_out_once(jobs: KubeJobs, orders: Orders) -> None:
    job = await staged(jobs, orders)
    with pytest.raises(Conflict):
        await staged(jobs, orders)
    await jobs.delete(job, only_if_unchanged=False)
    with pytest.raises(Conflict, match="being deleted"):
        await staged(jobs, orders)
    assert await jobs.release(orders.namespace, job.name, job.uid)


async def test_an_invalid_job_is_refused_for_good(jobs: KubeJobs, orders: Orders) -> None:
    with pytest.raises(Refused, match=r"spec\.completions"):
        await staged(jobs, orders, completions=-1)


async def test_a_body_that_cannot_be_decoded_is_refused_for_good(jobs: KubeJobs, orders: Orders) -> None:
    with pytest.raises(Refused):
        await staged(jobs, orders, completions="many")


async def test_a_namespace_that_is_not_there_may_come(jobs: KubeJobs) -> None:
    with pytest.raises(Transient, match="not found"):
        await staged(jobs, Orders("nowhere"))


async def test_a_quota_may_be_raised(control_plane: ControlPlane, jobs: KubeJobs, orders: Orders) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    control_plane.api.post(f"/api/v1/namespaces/{orders.namespace}/resourcequotas", quota)

    async def refusal() -> str | None:
        try:
            await remove(jobs, await staged(jobs, orders))
        except Transient as refused:
            return str(refused)
        return None

    # The API server sees a new quota through a cache of its own: a Job made in the same moment may pass.
    said = await eventually_async(refusal, what="the quota refuses")
    assert said is not None
    assert re.search("exceeded quota|status unknown", said)


async def test_a_namespace_that_ends_takes_no_job(control_plane: ControlPlane, jobs: KubeJobs) -> None:
    name = f"ending-{uuid4().hex[:8]}"
    body = {"metadata": {"name": name, "finalizers": ["example.com/wait"]}, "spec": {"finalizers": ["kubernetes"]}}
    control_plane.api.post("/api/v1/namespaces", body)
    control_plane.api.delete(f"/api/v1/namespaces/{name}")
    try:
        with pytest.raises(Transient, match="being terminated"):
            await staged(jobs, Orders(name))
    finally:
        control_plane.api.merge_patch(f"/api/v1/namespaces/{name}", {"metadata": {"finalizers": None}})


# --------------------------------------------------------------------------------------------------------------- launch


async def test_a_launch_starts_the_job_and_may_be_repeated(jobs: KubeJobs, orders: Orders) -> None:
    job = await settled(jobs, await staged(jobs, orders))
    assert job.started_at is None
    launched = await jobs.launch(orders.namespace, job.name, job.uid)
    assert launched is not None
    assert not launched.suspended
    assert launched.uid == job.uid
    assert await jobs.launch(orders.namespace, job.name, job.uid) is not None

    async def done() -> JobView | None:
        now = await jobs.read(orders.namespace, job.name)
        return now if now is not None and now.finished else None

    finished = await eventually_async(done, what="the simulated node has finished the pod", seconds=60)
    assert finished is not None
    assert finished.finished is AttemptState.COMPLETED
    assert finished.started_at is not None
    assert finished.finished_at is not None
    assert finished.finished_at >= finished.started_at
    assert finished.held
    # A launch that comes late changes nothing.
    assert await jobs.launch(orders.namespace, job.name, job.uid) is not None
    await remove(jobs, job)


async def test_a_launch_survives_a_version_that_moved_on(jobs: KubeJobs, orders: Orders) -> None:
    job = await staged(jobs, orders)
    await settled(jobs, job)
    assert await jobs.launch(orders.namespace, job.name, job.uid) is not None
    await remove(jobs, job)


async def test_another_uid_under_the_name_is_not_launched(jobs: KubeJobs, orders: Orders) -> None:
    job = await staged(jobs, orders)
    assert await jobs.launch(orders.namespace, job.name, STRANGER) is None
    now = await jobs.read(orders.namespace, job.name)
    assert now is not None
    assert now.suspended
    await remove(jobs, job)


async def test_a_job_that_is_gone_is_not_launched(jobs: KubeJobs, orders: Orders) -> None:
    job = await staged(jobs, orders)
    await remove(jobs, job)
    assert await jobs.read(orders.namespace, job.name) is None
    assert await jobs.launch(orders.namespace, job.name, job.uid) is None


async def test_a_launch_of_a_terminating_job_is_answered_and_starts_nothing(jobs: KubeJobs, orders: Orders) -> None:
    job = await settled(jobs, await staged(jobs, orders))
    terminating = await jobs.delete(job, only_if_unchanged=True)
    assert terminating is not None
    assert terminating.deleting
    assert terminating.suspended
    launched = await jobs.launch(orders.namespace, job.name, job.uid)
    assert launched is not None
    assert launched.deleting
    assert not launched.suspended
    assert launched.started_at is None
    assert await jobs.live_pods(orders.namespace, job.uid) == 0
    assert await jobs.release(orders.namespace, job.name, job.uid)


async def test_a_job_that_waits_for_its_user_is_only_marked(jobs: KubeJobs, orders: Orders, api: K8sApi) -> None:
    job = await staged(jobs, orders, suspend=True)
    assert job.suspended
    for _ in range(2):
        launched = await jobs.launch(orders.namespace, job.name, job.uid)
        assert launched is not None
        assert not launched.suspended
    stored = await api.get(JOBS.one(orders.namespace, job.name))
    assert stored["spec"]["suspend"] is True
    assert stored["metadata"]["annotations"]["ticklock.dev/launched"] == "true"
    await remove(jobs, job)


async def test_a_job_whose_annotations_were_taken_off_is_launched(jobs: KubeJobs, orders: Orders, api: K8sApi) -> None:
    job = await staged(jobs, orders)
    patch = {"metadata": {"annotations": None}}
    await api.request("PATCH", JOBS.one(orders.namespace, job.name), body=patch, content=Content.MERGE_PATCH)
    launched = await jobs.launch(orders.namespace, job.name, job.uid)
    assert launched is not None
    assert not launched.suspended
    await remove(jobs, job)


# ------------------------------------------------------------------------------------ what the answers above rest upon

MERGE, JSON = Content.MERGE_PATCH, Content.JSON_PATCH
ANSWERS = [
    pytest.param(MERGE, {"metadata": {"uid": STRANGER}, "spec": {"suspend": False}}, 422, id="merge-PATCH, wrong uid"),
    pytest.param(
        JSON, [{"op": "test", "path": "/metadata/uid", "value": STRANGER}], 422, id="JSON-patch, test of a wrong uid"
    ),
    pytest.param(
        MERGE, {"metadata": {"resourceVersion": "1"}, "spec": {"suspend": False}}, 409, id="merge-PATCH, stale version"
    ),
]


@pytest.mark.parametrize(("content", "body", "status"), ANSWERS)
async def test_what_the_api_server_answers(
    api: K8sApi, orders: Orders, *, content: Content, body: object, status: int
) -> None:
    jobs = KubeJobs(api)
    job = await staged(jobs, orders)
    with pytest.raises(ApiError) as refusal:
        await api.request("PATCH", JOBS.one(orders.namespace, job.name), body=body, content=content)
    assert refusal.value.status == status
    assert refusal.value.names("metadata.uid") == (content is MERGE and status == 422)
    await remove(jobs, job)


# ------------------------------------------------------------------------------------------------- deletion and release


async def test_a_deletion_of_an_unchanged_job_is_conditional(jobs: KubeJobs, orders: Orders) -> None:
    job = await staged(jobs, orders)
    with pytest.raises(Conflict):
        await jobs.delete(replace(job, resource_version="1"), only_if_unchanged=True)
    with pytest.raises(Conflict):
        await jobs.delete(replace(job, uid=STRANGER), only_if_unchanged=False)
    terminating = await jobs.delete(job, only_if_unchanged=False)
    assert terminating is not None
    assert (terminating.deleting, terminating.suspended, terminating.held) == (True, True, True)
    assert await jobs.release(orders.namespace, job.name, job.uid)
    assert await jobs.delete(job, only_if_unchanged=False) is None


async def test_a_deleted_job_without_finalizer_is_gone(jobs: KubeJobs, orders: Orders) -> None:
    job = await settled(jobs, await staged(jobs, orders))
    assert await jobs.release(orders.namespace, job.name, job.uid)
    assert await jobs.delete(job, only_if_unchanged=False) is None


async def test_a_release_takes_off_ours_and_no_other_finalizer(jobs: KubeJobs, orders: Orders, api: K8sApi) -> None:
    body = orders.job()
    body["metadata"]["finalizers"] = ["example.com/theirs", *body["metadata"]["finalizers"]]
    job = await jobs.create(orders.namespace, body)
    assert await jobs.release(orders.namespace, job.name, job.uid)
    stored = await api.get(JOBS.one(orders.namespace, job.name))
    assert stored["metadata"]["finalizers"] == ["example.com/theirs"]
    assert await jobs.release(orders.namespace, job.name, job.uid)
    patch = {"metadata": {"finalizers": None}}
    await api.request("PATCH", JOBS.one(orders.namespace, job.name), body=patch, content=Content.MERGE_PATCH)


async def test_a_release_leaves_another_job_of_that_name_alone(jobs: KubeJobs, orders: Orders) -> None:
    job = await staged(jobs, orders)
    assert await jobs.release(orders.namespace, job.name, STRANGER)
    now = await jobs.read(orders.namespace, job.name)
    assert now is not None
    assert now.held
    await remove(jobs, job)


async def test_pods_that_have_not_ended_are_counted(
    jobs: KubeJobs, orders: Orders, control_plane: ControlPlane
) -> None:
    job = await staged(jobs, orders)
    pod = {
        "metadata": {"generateName": "pod-", "labels": {"batch.kubernetes.io/controller-uid": job.uid}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "example.invalid/main:1"}]},
    }
    assert await jobs.live_pods(orders.namespace, job.uid) == 0
    control_plane.api.post(f"/api/v1/namespaces/{orders.namespace}/pods", pod)
    assert await jobs.live_pods(orders.namespace, job.uid) == 1
    await remove(jobs, job)


async def test_cluster_scoped_objects_have_a_place_too(api: K8sApi) -> None:
    assert (await api.get(NAMESPACES.one(None, "kube-system")))["metadata"]["uid"]
