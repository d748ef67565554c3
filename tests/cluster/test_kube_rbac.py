"""The adapters with no more rights than a replica has."""

import asyncio
import queue
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.bad_manifests import valid_manifest
from tests.support.crd import RBAC_FILE, collection, install
from tests.support.kube import client
from tests.support.orders import Orders
from tests.support.waiting import eventually
from ticklock.domain.model import ObjectRef, ScheduleUid
from ticklock.domain.reasons import Reason
from ticklock.kube.client import K8sApi
from ticklock.kube.events import KubeEvents
from ticklock.kube.feed import KubeJobFeed, KubePodFeed
from ticklock.kube.front import KopfFront
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.lease import KubeLease
from ticklock.kube.objects import KubeObjects
from ticklock.kube.pods import KubePods
from ticklock.kube.resources import NAMESPACES
from ticklock.ports import JobView, ObjectEvent, PodPhase, PodView
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.manifests import has_account

SYSTEM = "ticklock-system"


@pytest.fixture(autouse=True, scope="module")
def rights(control_plane: ControlPlane) -> None:
    install(control_plane)
    namespace = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SYSTEM}}}\n"
    control_plane.kubectl("apply", "-f", "-", stdin=namespace)
    control_plane.kubectl("apply", "-f", str(RBAC_FILE))


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[K8sApi]:
    async with client(control_plane, service_account=(SYSTEM, "ticklock")) as opened:
        yield opened


async def test_a_job_is_staged_launched_counted_ended_and_released(
    api: K8sApi, namespace: str, control_plane: ControlPlane
) -> None:
    jobs, orders = KubeJobs(api), Orders.of_an_object(control_plane, namespace)
    job = await jobs.create(namespace, orders.job())
    assert await jobs.launch(namespace, job.name, job.uid) is not None
    assert await jobs.read(namespace, job.name) is not None
    assert await jobs.live_pods(namespace, job.uid) <= 1
    await jobs.delete(job, only_if_unchanged=False)
    assert await jobs.release(namespace, job.name, job.uid)


async def test_a_status_is_written_and_an_event_is_posted(
    api: K8sApi, namespace: str, control_plane: ControlPlane
) -> None:
    created = control_plane.api.post(collection(namespace), valid_manifest("watched"))["metadata"]
    ref = ObjectRef(namespace, "watched", ScheduleUid(created["uid"]))
    objects = KubeObjects(api)
    listed, _ = await objects.list_all()
    assert ref in [one.ref for one in listed]
    assert await objects.standing(namespace, "watched") is not None
    assert await objects.write_status(ref, created["resourceVersion"], {"ledgerSeq": 1}) is not None
    event = ObjectEvent(1, ref, "Normal", Reason.ACCEPTED, "Reconcile", "accepted", datetime(2026, 11, 22, tzinfo=UTC))
    await KubeEvents(api, instance="x", lease=(SYSTEM, "ticklock")).post(event)


async def test_the_lease_is_held_and_an_event_about_it_is_posted(api: K8sApi, control_plane: ControlPlane) -> None:
    lease, at = KubeLease(api, SYSTEM, "ticklock"), datetime(2026, 11, 22, tzinfo=UTC)
    seen = await lease.read() or await lease.create("x", 15, at)
    assert (await lease.update(seen, "x", 15, at, transitions=0, acquired=False)).holder == "x"
    event = ObjectEvent(2, None, "Normal", Reason.RECONCILED, "Gate", "over", at)
    await KubeEvents(api, instance="x", lease=(SYSTEM, "ticklock")).post(event)
    control_plane.api.delete(f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/ticklock")


async def test_the_cluster_is_identified(api: K8sApi) -> None:
    assert (await api.get(NAMESPACES.one(None, "kube-system")))["metadata"]["uid"]


async def test_jobs_are_watched(api: K8sApi, namespace: str, control_plane: ControlPlane) -> None:
    told: asyncio.Queue[JobView] = asyncio.Queue()
    listed = asyncio.Event()

    async def on_change(job: JobView, gone: bool) -> None:  # noqa: FBT001 - as the port says
        del gone
        await told.put(job)

    async def on_listed() -> None:
        listed.set()

    async with asyncio.TaskGroup() as group:
        feed = group.create_task(KubeJobFeed(api).run(on_change, on_listed))
        await asyncio.wait_for(listed.wait(), 20)
        job = await KubeJobs(api).create(namespace, Orders.of_an_object(control_plane, namespace).job())
        while (await asyncio.wait_for(told.get(), 20)).uid != job.uid:
            pass
        feed.cancel()
    assert await KubeJobs(api).release(namespace, job.name, job.uid)


async def test_pods_are_watched(api: K8sApi, namespace: str, control_plane: ControlPlane) -> None:
    told: asyncio.Queue[tuple[PodView, bool]] = asyncio.Queue()

    async def on_change(pod: PodView, gone: bool) -> None:  # noqa: FBT001 - as the port says
        await told.put((pod, gone))

    async def on_listed() -> None:
        pass

    async def wait(job: JobView, *, gone: bool) -> PodView:
        while True:
            pod, went = await asyncio.wait_for(told.get(), 20)
            if pod.job_uid == job.uid and went is gone:
                return pod

    jobs, orders = KubeJobs(api), Orders.of_an_object(control_plane, namespace)
    await asyncio.to_thread(eventually, lambda: has_account(control_plane, namespace), what="pods may be made")
    async with asyncio.TaskGroup() as group:
        feed = group.create_task(KubePodFeed(api).run(on_change, on_listed))
        job = await jobs.create(namespace, orders.job())
        await jobs.launch(namespace, job.name, job.uid)
        appeared = await wait(job, gone=False)
        assert (appeared.key, appeared.job_name, appeared.tracked) == (orders.order().key, job.name, True)
        assert appeared.phase is None, "only metadata are asked for"
        ended = await wait(job, gone=True)
        assert (ended.uid, ended.deleting) == (appeared.uid, False), "one that has ended is gone"
        (whole,) = await KubePods(api).of_job(namespace, job.uid)
        assert (whole.uid, whole.phase) == (appeared.uid, PodPhase.SUCCEEDED)
        assert whole.ended_at is not None
        feed.cancel()
    await jobs.delete(job, only_if_unchanged=False)
    assert await jobs.release(namespace, job.name, job.uid)


async def test_kopf_watches_scheduled_jobs(control_plane: ControlPlane, namespace: str, api: K8sApi) -> None:
    control_plane.api.post(collection(namespace), valid_manifest("report"))
    heard: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
    front = KopfFront(api.access, lambda _, body: heard.put(body))
    front.start()
    try:
        while heard.get(timeout=20)["metadata"]["namespace"] != namespace:
            pass
    finally:
        await front.stop()
