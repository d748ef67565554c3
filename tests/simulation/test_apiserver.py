"""The simulated API server answers as the real one does; tests/cluster/test_kube_jobs.py asks the real one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.simulation.apiserver import ApiServer, Request, Where
from tests.store.makers import declared
from ticklock.domain import names
from ticklock.domain.errors import Conflict, Refused
from ticklock.domain.model import JobUid
from ticklock.kube.client import PLAIN, Content, K8sApi, Manner
from ticklock.kube.errors import ApiError
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.objects import KubeObjects
from ticklock.kube.resources import JOBS, Place
from ticklock.ports import JobView

STRANGER = JobUid("00000000-0000-4000-8000-999999999999")
JSON, MERGE = Content.JSON_PATCH, Content.MERGE_PATCH


class Direct:
    """The API server without a network."""

    def __init__(self) -> None:
        self.server = ApiServer(now=lambda: "2026-03-01T12:00:00Z")

    async def request(
        self,
        verb: str,
        place: Place,
        *,
        body: Any = None,
        content: Content = Content.JSON,
        query: Mapping[str, str] | None = None,
        manner: Manner = PLAIN,
    ) -> dict[str, Any]:
        return self.server.handle("test", Request(verb, place, body, content, query or {}))

    async def get(
        self, place: Place, query: Mapping[str, str] | None = None, *, manner: Manner = PLAIN
    ) -> dict[str, Any]:
        return await self.request("GET", place, query=query)

    @property
    def jobs(self) -> KubeJobs:
        return KubeJobs(cast("K8sApi", self))


def manifest(image: str = "busybox") -> dict[str, Any]:
    notes = {names.RUN_ID: "6f2c4bd1-7d2e-5a83-9a43-0b0b5e0c7c11", names.ATTEMPT: "1", names.USER_SUSPEND: "false"}
    template = {"spec": {"containers": [{"name": "main", "image": image}]}}
    metadata = {"name": "job", "annotations": notes, "finalizers": [names.FINALIZER]}
    return {"metadata": metadata, "spec": {"suspend": True, "template": template}}


@pytest.fixture
def api() -> Direct:
    return Direct()


@pytest.fixture
async def job(api: Direct) -> JobView:
    return await api.jobs.create("shop", manifest())


async def test_a_name_is_given_out_once_also_while_its_job_is_going(api: Direct, job: JobView) -> None:
    with pytest.raises(Conflict):
        await api.jobs.create("shop", manifest())
    await api.jobs.delete(job, only_if_unchanged=False)
    with pytest.raises(Conflict):
        await api.jobs.create("shop", manifest())
    assert await api.jobs.release("shop", "job", job.uid)
    assert (await api.jobs.create("shop", manifest())).uid != job.uid


async def test_an_invalid_job_is_refused_for_good(api: Direct) -> None:
    with pytest.raises(Refused):
        await api.jobs.create("shop", manifest(image=""))


async def test_a_launch_lets_exactly_this_job_go_and_may_be_repeated(api: Direct, job: JobView) -> None:
    assert await api.jobs.launch("shop", "job", STRANGER) is None
    for _ in range(2):
        launched = await api.jobs.launch("shop", "job", job.uid)
        assert launched is not None
        assert not launched.suspended
    assert await api.jobs.launch("shop", "none", job.uid) is None


async def test_a_launch_of_a_terminating_job_is_answered(api: Direct, job: JobView) -> None:
    await api.jobs.delete(job, only_if_unchanged=True)
    launched = await api.jobs.launch("shop", "job", job.uid)
    assert launched is not None
    assert launched.deleting


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param((MERGE, {"metadata": {"uid": STRANGER}}), 422, id="merge-PATCH, wrong uid"),
        pytest.param(
            (JSON, [{"op": "test", "path": "/metadata/uid", "value": STRANGER}]), 422, id="JSON-patch, wrong uid"
        ),
        pytest.param((MERGE, {"metadata": {"resourceVersion": "0"}}), 409, id="merge-PATCH, stale version"),
    ],
)
@pytest.mark.usefixtures("job")
async def test_what_it_answers(api: Direct, sent: tuple[Content, Any], status: int) -> None:
    content, body = sent
    with pytest.raises(ApiError) as refused:
        await api.request("PATCH", JOBS.one("shop", "job"), body=body, content=content)
    assert refused.value.status == status


async def test_a_deletion_of_an_unchanged_job_is_conditional(api: Direct, job: JobView) -> None:
    await api.jobs.launch("shop", "job", job.uid)
    with pytest.raises(Conflict):
        await api.jobs.delete(job, only_if_unchanged=True)
    with pytest.raises(Conflict):
        await api.jobs.delete(replace(job, uid=STRANGER), only_if_unchanged=False)
    assert await api.jobs.delete(job, only_if_unchanged=False) is not None


async def test_a_patch_that_changes_nothing_makes_no_version(api: Direct, job: JobView) -> None:
    await api.jobs.launch("shop", "job", job.uid)
    version = api.server.version
    await api.jobs.launch("shop", "job", job.uid)
    assert api.server.version == version


async def test_a_status_keeps_its_witness(api: Direct) -> None:
    objects = KubeObjects(cast("K8sApi", api))
    made = api.server.create("test", Where(names.PLURAL, "shop", None, None), {"metadata": {"name": "s"}, "spec": {}})
    ref = replace(declared().ref, namespace="shop", name="s", uid=made["metadata"]["uid"])
    version = made["metadata"]["resourceVersion"]
    answer = await objects.write_status(ref, version, {"ledgerSeq": 5})
    assert answer is not None
    with pytest.raises(Conflict):
        await objects.write_status(ref, version, {"ledgerSeq": 6})
    for backwards in ({"ledgerSeq": 4}, {"ledgerSeq": None}):
        with pytest.raises(Refused):
            await objects.write_status(ref, answer.resource_version, backwards)
    assert await objects.write_status(replace(ref, uid=STRANGER), answer.resource_version, {}) is None  # type: ignore[arg-type]
