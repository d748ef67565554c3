"""ScheduledJobs and their status on a real API server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.bad_manifests import valid_manifest
from tests.support.crd import collection, install
from tests.support.kube import client
from ticklock.domain.errors import Conflict, Refused
from ticklock.domain.model import ObjectRef, ScheduleUid
from ticklock.kube.client import K8sApi
from ticklock.kube.objects import KubeObjects
from tools.devcluster.controlplane import ControlPlane


@pytest.fixture(autouse=True, scope="module")
def crd(control_plane: ControlPlane) -> None:
    install(control_plane)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[K8sApi]:
    async with client(control_plane) as opened:
        yield opened


@pytest.fixture
def objects(api: K8sApi) -> KubeObjects:
    return KubeObjects(api)


@pytest.fixture
def created(control_plane: ControlPlane, namespace: str) -> dict[str, Any]:
    return control_plane.api.post(collection(namespace), valid_manifest("watched"))


@pytest.fixture
def ref(created: dict[str, Any]) -> ObjectRef:
    metadata = created["metadata"]
    return ObjectRef(metadata["namespace"], metadata["name"], ScheduleUid(metadata["uid"]))


async def test_every_object_is_listed_with_the_lists_version(
    objects: KubeObjects, ref: ObjectRef, monkeypatch: pytest.MonkeyPatch, control_plane: ControlPlane
) -> None:
    for n in range(4):
        control_plane.api.post(collection(ref.namespace), valid_manifest(f"other-{n}"))
    monkeypatch.setattr("ticklock.kube.client.PAGE", 2)
    listed, version = await objects.list_all()
    found = [one for one in listed if one.ref.namespace == ref.namespace]
    assert sorted(one.ref.name for one in found) == ["other-0", "other-1", "other-2", "other-3", "watched"]
    assert all(one.rule is not None for one in found)
    assert int(version) > 0


async def test_its_standing_is_read(objects: KubeObjects, ref: ObjectRef, control_plane: ControlPlane) -> None:
    standing = await objects.standing(ref.namespace, ref.name)
    assert standing is not None
    assert (standing.uid, standing.suspended, standing.deleting) == (ref.uid, False, False)
    path = f"{collection(ref.namespace)}/{ref.name}"
    control_plane.api.merge_patch(path, {"spec": {"suspend": True}, "metadata": {"finalizers": ["example.com/wait"]}})
    control_plane.api.delete(path)
    standing = await objects.standing(ref.namespace, ref.name)
    assert standing is not None
    assert (standing.suspended, standing.deleting) == (True, True)
    control_plane.api.merge_patch(path, {"metadata": {"finalizers": None}})
    assert await objects.standing(ref.namespace, ref.name) is None


async def test_a_status_is_written_and_answered(objects: KubeObjects, ref: ObjectRef) -> None:
    seen = await objects.read_status(ref)
    assert seen is not None
    status = {"observedGeneration": 1, "lastScheduleTime": "2026-11-22T16:05:00Z", "ledgerSeq": 12}
    written = await objects.write_status(ref, seen.resource_version, status)
    assert written is not None
    assert written.status == {**seen.status, **status}
    assert await objects.read_status(ref) == written
    listed, _ = await objects.list_all()
    [found] = [one for one in listed if one.ref == ref]
    assert found.witness is not None
    assert found.ledger_seq == 12


async def test_a_field_is_taken_out_of_the_status_by_null(objects: KubeObjects, ref: ObjectRef) -> None:
    seen = await objects.read_status(ref)
    assert seen is not None
    first = await objects.write_status(ref, seen.resource_version, {"ledgerSeq": 1, "lastTrigger": "a"})
    assert first is not None
    second = await objects.write_status(ref, first.resource_version, {"lastTrigger": None})
    assert second is not None
    assert "lastTrigger" not in second.status


async def test_a_status_is_not_written_over_one_not_seen(objects: KubeObjects, ref: ObjectRef) -> None:
    seen = await objects.read_status(ref)
    assert seen is not None
    await objects.write_status(ref, seen.resource_version, {"ledgerSeq": 1})
    with pytest.raises(Conflict):
        await objects.write_status(ref, seen.resource_version, {"ledgerSeq": 2})


async def test_a_status_that_goes_backwards_is_refused(objects: KubeObjects, ref: ObjectRef) -> None:
    seen = await objects.read_status(ref)
    assert seen is not None
    written = await objects.write_status(ref, seen.resource_version, {"ledgerSeq": 5})
    assert written is not None
    with pytest.raises(Refused):
        await objects.write_status(ref, written.resource_version, {"ledgerSeq": 4})


async def test_an_object_made_anew_is_not_the_one_meant(
    objects: KubeObjects, ref: ObjectRef, control_plane: ControlPlane
) -> None:
    seen = await objects.read_status(ref)
    assert seen is not None
    control_plane.api.delete(f"{collection(ref.namespace)}/{ref.name}")
    assert await objects.read_status(ref) is None
    assert await objects.write_status(ref, seen.resource_version, {"ledgerSeq": 9}) is None
    anew = control_plane.api.post(collection(ref.namespace), valid_manifest("watched"))
    assert await objects.read_status(ref) is None
    assert await objects.write_status(ref, seen.resource_version, {"ledgerSeq": 9}) is None
    untouched = await objects.read_status(replace(ref, uid=ScheduleUid(anew["metadata"]["uid"])))
    assert untouched is not None
    assert untouched.status.get("ledgerSeq") is None
