"""Events, as `kubectl describe` finds them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.support.kube import client
from ticklock.domain.errors import Transient
from ticklock.domain.model import ObjectRef, ScheduleUid
from ticklock.domain.reasons import Reason
from ticklock.kube.client import K8sApi
from ticklock.kube.events import LONGEST_NOTE, KubeEvents
from ticklock.kube.events import event_name as name_of
from ticklock.kube.lease import KubeLease
from ticklock.kube.resources import EVENTS, LEASES
from ticklock.ports import ObjectEvent
from tools.devcluster.controlplane import ControlPlane


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[K8sApi]:
    async with client(control_plane) as opened:
        yield opened


@pytest.fixture
def events(api: K8sApi) -> KubeEvents:
    return KubeEvents(api, instance="controller-0", lease=("ticklock-system", "ticklock"))


@pytest.fixture
def event(namespace: str) -> ObjectEvent:
    return ObjectEvent(
        id=7,
        ref=ObjectRef(namespace, "report", ScheduleUid("uid-1")),
        type="Warning",
        reason=Reason.DEADLINE_EXCEEDED,
        action="Judge",
        note="the tick of 16:30 could not start within 60 s",
        at=datetime(2026, 11, 22, 16, 31, 0, 5, tzinfo=UTC),
        related_job="report-1",
        related_uid="job-uid",
    )


def ref(event: ObjectEvent) -> ObjectRef:
    assert event.ref is not None
    return event.ref


def event_name(event: ObjectEvent) -> str:
    return name_of(event, {"uid": ref(event).uid, "name": ref(event).name})


async def test_an_event_says_what_happened_to_which_object(events: KubeEvents, api: K8sApi, event: ObjectEvent) -> None:
    await events.post(event)
    stored = await api.get(EVENTS.one(ref(event).namespace, event_name(event)))
    assert stored["regarding"] == {
        "apiVersion": "ticklock.dev/v1",
        "kind": "ScheduledJob",
        "namespace": ref(event).namespace,
        "name": "report",
        "uid": "uid-1",
    }
    assert stored["related"]["name"] == "report-1"
    assert stored["eventTime"] == "2026-11-22T16:31:00.000005Z"
    assert (stored["type"], stored["reason"], stored["action"]) == ("Warning", "DeadlineExceeded", "Judge")
    assert stored["note"] == event.note
    assert (stored["reportingController"], stored["reportingInstance"]) == ("ticklock.dev/controller", "controller-0")


async def test_an_event_posted_again_stands_once(events: KubeEvents, api: K8sApi, event: ObjectEvent) -> None:
    await asyncio.gather(*(events.post(event) for _ in range(5)))
    await events.post(replace(event, id=8))
    listed = await api.get(EVENTS.within(ref(event).namespace))
    ours = [one["metadata"]["name"] for one in listed["items"] if one["regarding"]["name"] == "report"]
    assert sorted(ours) == sorted([event_name(event), event_name(replace(event, id=8))])


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("x" * 5000, id="plain"),
        pytest.param("é" * 5000, id="letters of two bytes"),
        pytest.param("x" * LONGEST_NOTE, id="exactly as long as may be"),
        pytest.param("", id="nothing to say"),
    ],
)
async def test_a_note_of_any_length_is_posted(events: KubeEvents, api: K8sApi, event: ObjectEvent, note: str) -> None:
    await events.post(replace(event, note=note))
    stored = await api.get(EVENTS.one(ref(event).namespace, event_name(event)))
    assert len(stored.get("note", "").encode()) <= LONGEST_NOTE
    assert note.startswith(stored.get("note", "").removesuffix(" …"))


async def test_the_event_of_an_object_without_a_job_is_posted_too(
    events: KubeEvents, api: K8sApi, event: ObjectEvent
) -> None:
    await events.post(replace(event, related_job=None, related_uid=None))
    assert "related" not in await api.get(EVENTS.one(ref(event).namespace, event_name(event)))


async def test_an_event_about_the_installation_is_about_its_lease(
    api: K8sApi, event: ObjectEvent, namespace: str, control_plane: ControlPlane
) -> None:
    await KubeLease(api, namespace, "mine").create("replica", 15, event.at)
    about = replace(event, ref=None, reason=Reason.QUARANTINE, related_job=None, related_uid=None)
    for _ in range(2):
        await KubeEvents(api, instance="x", lease=(namespace, "mine")).post(about)
    (stored,) = (await api.get(EVENTS.within(namespace)))["items"]
    lease = await api.get(LEASES.one(namespace, "mine"))
    assert stored["regarding"] == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "namespace": namespace,
        "name": "mine",
        "uid": lease["metadata"]["uid"],
    }
    assert stored["note"] in control_plane.kubectl("-n", namespace, "describe", "lease", "mine")


async def test_without_its_lease_there_is_no_installation_to_tell_about(
    api: K8sApi, event: ObjectEvent, namespace: str
) -> None:
    about = replace(event, ref=None, related_job=None, related_uid=None)
    await KubeEvents(api, instance="x", lease=(namespace, "none")).post(about)
    assert (await api.get(EVENTS.within(namespace)))["items"] == []


async def test_in_a_namespace_that_is_gone_there_is_nobody_to_tell(events: KubeEvents, event: ObjectEvent) -> None:
    await events.post(replace(event, ref=replace(ref(event), namespace="nowhere")))


async def test_in_a_namespace_that_ends_there_is_nobody_to_tell(
    events: KubeEvents, event: ObjectEvent, control_plane: ControlPlane
) -> None:
    name = f"ending-{uuid4().hex[:8]}"
    control_plane.api.post("/api/v1/namespaces", {"metadata": {"name": name, "finalizers": ["example.com/wait"]}})
    control_plane.api.delete(f"/api/v1/namespaces/{name}")
    try:
        await events.post(replace(event, ref=replace(ref(event), namespace=name)))
    finally:
        control_plane.api.merge_patch(f"/api/v1/namespaces/{name}", {"metadata": {"finalizers": None}})


async def test_an_event_without_rights_is_kept_for_later(
    control_plane: ControlPlane, event: ObjectEvent, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    control_plane.api.post(path, {"metadata": {"name": "nobody"}})
    async with client(control_plane, service_account=(namespace, "nobody")) as api:
        with pytest.raises(Transient, match="forbidden"):
            await KubeEvents(api, instance="x", lease=("ticklock-system", "ticklock")).post(event)
