"""The exact answers of a real API server to what is done with pods of StrictPod runs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from tests.support.kube import client
from tests.support.orders import CLUSTER, Orders, template
from tests.support.waiting import eventually, eventually_async
from ticklock.domain.manifest import build_job
from ticklock.domain.model import LaunchPolicy, PodUid
from ticklock.domain.names import job_name
from ticklock.kube.client import K8sApi
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.pods import KubePods
from ticklock.ports import JobView, PodPhase, PodView
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.manifests import has_account

THEIRS = "example.com/quota"


@dataclass
class Strict:
    """A launched Job of launchPolicy StrictPod, and its pods."""

    namespace: str
    jobs: KubeJobs
    pods: KubePods
    control_plane: ControlPlane
    job: JobView

    async def all(self) -> list[PodView]:
        return list(await self.pods.of_job(self.namespace, self.job.uid))

    async def only(self) -> PodView:
        (pod,) = await eventually_async(self.all, what="its pod is there")
        return pod

    async def phase(self, pod: PodView) -> PodPhase | None:
        now = await self.pods.read(self.namespace, pod.name)
        return None if now is None else now.phase

    async def now(self) -> JobView:
        found = await self.jobs.read(self.namespace, self.job.name)
        assert found is not None
        return found

    async def double(self, pod: PodView) -> PodView:
        """Another pod of the same Job, as a second controller manager would make it."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        body = await asyncio.to_thread(self.control_plane.api.get, f"{path}/{pod.name}")
        kept = {key: body["metadata"][key] for key in ("labels", "annotations", "ownerReferences", "finalizers")}
        twin = {"metadata": {"name": f"{pod.name}-twin", **kept}, "spec": body["spec"]}
        await asyncio.to_thread(self.control_plane.api.post, path, twin)
        found = await self.pods.read(self.namespace, f"{pod.name}-twin")
        assert found is not None
        return found


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[K8sApi]:
    async with client(control_plane) as opened:
        yield opened


async def launched(api: K8sApi, namespace: str, control_plane: ControlPlane, gates: list[str]) -> Strict:
    await asyncio.to_thread(eventually, lambda: has_account(control_plane, namespace), what="pods may be made")
    body = template()
    body["spec"]["template"]["spec"]["schedulingGates"] = [{"name": gate} for gate in gates]
    orders = Orders.of_an_object(control_plane, namespace)
    order = replace(orders.order(job_template=body), launch_policy=LaunchPolicy.STRICT_POD)
    name = job_name("report", order.scheduled_time, CLUSTER, orders.uid, order.run_key, 1)
    jobs = KubeJobs(api)
    job = await jobs.create(namespace, build_job(order, cluster=CLUSTER, job_name=name))
    assert job.gated
    assert await jobs.launch(namespace, job.name, job.uid) is not None
    return Strict(namespace, jobs, KubePods(api), control_plane, job)


@pytest.fixture
async def strict(api: K8sApi, namespace: str, control_plane: ControlPlane) -> AsyncIterator[Strict]:
    made = await launched(api, namespace, control_plane, [])
    yield made
    await made.jobs.delete(made.job, only_if_unchanged=False)
    assert await made.jobs.release(namespace, made.job.name, made.job.uid)


# ------------------------------------------------------------------------------------------------------------- the gate


async def test_a_pod_waits_until_its_gate_is_off_and_that_is_repeatable(strict: Strict) -> None:
    pod = await strict.only()
    assert (pod.strict, pod.gate, pod.unassigned, pod.phase) == (True, 0, True, PodPhase.PENDING)
    assert await strict.pods.admit(pod)
    assert await strict.pods.admit(pod), "it may be repeated, by whoever saw it waiting"

    async def over() -> bool:
        return await strict.phase(pod) is PodPhase.SUCCEEDED

    await eventually_async(over, what="it has run")


async def test_gates_of_its_own_stay(api: K8sApi, namespace: str, control_plane: ControlPlane) -> None:
    strict = await launched(api, namespace, control_plane, [THEIRS])
    pod = await strict.only()
    assert pod.gate == 1
    stale = replace(pod, gate=0)
    assert await strict.pods.admit(stale), "where ours has moved, its place is read again"
    now = await strict.pods.read(namespace, pod.name)
    assert now is not None
    assert (now.gate, now.phase) == (None, PodPhase.PENDING)
    left = control_plane.api.get(f"/api/v1/namespaces/{namespace}/pods/{pod.name}")["spec"]["schedulingGates"]
    assert left == [{"name": THEIRS}]
    await strict.jobs.delete(strict.job, only_if_unchanged=False)
    assert await strict.jobs.release(namespace, strict.job.name, strict.job.uid)


async def test_a_pod_on_its_way_out_is_not_let_go(strict: Strict) -> None:
    pod = await strict.only()
    await strict.pods.discard(pod, counted=True)
    now = await strict.pods.read(strict.namespace, pod.name)
    assert now is not None
    assert (now.deleting, now.unassigned) == (True, True)
    assert not await strict.pods.admit(pod)
    assert await strict.phase(pod) is PodPhase.PENDING


async def test_a_pod_that_is_gone_is_not_let_go_nor_is_its_namesake(strict: Strict) -> None:
    pod = await strict.only()
    assert not await strict.pods.admit(replace(pod, name="nobody"))
    assert not await strict.pods.admit(replace(pod, uid=PodUid("another")))
    now = await strict.pods.read(strict.namespace, pod.name)
    assert now is not None
    assert now.gate == 0


# ---------------------------------------------------------------------------------------------------------- the witness


async def test_the_job_bears_witness_of_the_first_that_is_written(strict: Strict) -> None:
    pod = await strict.only()
    other = replace(pod, uid=PodUid("other"))
    assert await strict.pods.bear_witness(pod, ()) == pod.uid
    assert await strict.pods.bear_witness(other, ()) == pod.uid
    assert await strict.pods.bear_witness(pod, ()) == pod.uid
    assert await strict.pods.bear_witness(other, {pod.uid}) == other.uid
    assert await strict.pods.bear_witness(pod, ()) == other.uid


async def test_of_many_at_once_one_is_witnessed(strict: Strict) -> None:
    pod = await strict.only()
    rivals = [replace(pod, uid=PodUid(f"pod-{number}")) for number in range(8)]
    stand = await asyncio.gather(*(strict.pods.bear_witness(rival, ()) for rival in rivals))
    assert len(set(stand)) == 1


async def test_a_witness_that_somebody_took_off_is_written_anew(strict: Strict) -> None:
    pod = await strict.only()
    path = f"/apis/batch/v1/namespaces/{strict.namespace}/jobs/{strict.job.name}"
    body = {"metadata": {"annotations": {"ticklock.dev/pod": None}}}
    await asyncio.to_thread(strict.control_plane.api.merge_patch, path, body)
    assert await strict.pods.bear_witness(pod, ()) == pod.uid


async def test_a_job_that_is_gone_bears_no_witness(strict: Strict) -> None:
    pod = await strict.only()
    assert await strict.pods.bear_witness(replace(pod, job_name="nobody"), ()) is None
    assert await strict.pods.bear_witness(replace(pod, job_uid=strict.job.uid[:-1] + "x"), ()) is None  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------- what is too many


async def test_a_pod_too_many_goes_without_failing_its_job(strict: Strict) -> None:
    pod = await strict.only()
    twin = await strict.double(pod)
    assert await strict.pods.admit(pod)
    await strict.pods.discard(twin, counted=False)
    await strict.pods.discard(twin, counted=False)

    async def complete() -> bool:
        return (await strict.now()).finished is not None

    await eventually_async(complete, what="the Job is over")
    job = await strict.now()
    assert (job.finished, job.failed_pods) == ("Completed", 0)
    assert twin.uid not in {one.uid for one in await strict.all()}


async def test_a_pod_discarded_as_a_failure_fails_its_job_and_no_other_follows(strict: Strict) -> None:
    pod = await strict.only()
    await strict.pods.discard(pod, counted=True)

    async def failed() -> bool:
        return (await strict.now()).finished == "Failed"

    # Kubernetes looks for deleted pods without a node every twenty seconds.
    await eventually_async(failed, what="the Job has failed", seconds=60)
    assert {one.uid for one in await strict.all()} <= {pod.uid}
