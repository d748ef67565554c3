"""Deletions that no event tells of, on a real API server: the next full list notices them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.engine.quiet import QuietMeter, QuietWakeups
from tests.store.world import World
from tests.support.crd import collection, install
from tests.support.kube import client
from tests.support.place import manifest
from tests.support.waiting import eventually_async
from ticklock.domain.manifest import build_job
from ticklock.domain.model import Declared
from ticklock.domain.parse import declared
from ticklock.engine.courtesy import Courtesy
from ticklock.engine.observer import Observer
from ticklock.engine.reconciler import Reconciler
from ticklock.kube.client import K8sApi
from ticklock.kube.config import connect
from ticklock.kube.feed import FeedTimes, KubeJobFeed
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.objects import KubeObjects
from ticklock.kube.resources import Place
from ticklock.ports import JobView
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane

NAMESPACE = "default"
TIMES = FeedTimes(watch=1.0, relist=3.0)


class DeafApi(K8sApi):
    """A client whose watches bring everything but deletions."""

    @asynccontextmanager
    async def stream(
        self, place: Place, query: Mapping[str, str], *, silence_seconds: float, accept: str | None = None
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        async with super().stream(place, query, silence_seconds=silence_seconds, accept=accept) as events:
            yield (event async for event in events if event.get("type") != "DELETED")


@pytest.fixture(scope="module")
def still_cluster() -> Iterator[ControlPlane]:
    """A control plane in which nothing happens by itself."""
    with ControlPlane(Options(nodes=0, controllers="ttl-controller", fsync=False)) as running:
        install(running)
        yield running


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    made = await World(database).open()
    yield made
    await made.close()


def plant(cluster: ControlPlane, name: str) -> Declared:
    item = declared(cluster.api.post(collection(NAMESPACE), manifest(name, "@every 9s")))
    assert item is not None
    return item


async def test_a_schedule_whose_deletion_nobody_told_of_is_buried(world: World, still_cluster: ControlPlane) -> None:
    item = plant(still_cluster, "forgotten")
    async with client(still_cluster) as api:
        jobs, objects = KubeJobs(api), KubeObjects(api)
        reconciler = Reconciler(world.ledger, objects, jobs, QuietWakeups(), QuietMeter(), world.epoch, list_every=0.0)
        await reconciler.step()
        assert item.ref in await world.ledger.known_objects()
        still_cluster.api.delete(f"{collection(NAMESPACE)}/forgotten")
        await reconciler.step()
        assert item.ref not in await world.ledger.known_objects()


async def test_a_job_whose_deletion_nobody_told_of_is_recorded_as_vanished(
    world: World, still_cluster: ControlPlane
) -> None:
    item = plant(still_cluster, "report")
    await world.store(item)
    await world.plan()
    (order,) = await world.claim()
    async with DeafApi(connect(str(still_cluster.kubeconfig))) as api:
        jobs = KubeJobs(api)
        job = await jobs.create(NAMESPACE, build_job(order, cluster=world.cluster, job_name="report-1", zone=None))
        await world.ledger.store_staged([(order, job.uid, job.name)])
        await world.make_due()
        bound = (await world.bind()).bound
        await jobs.launch(NAMESPACE, job.name, job.uid)
        await world.launch(bound)
        eager = Courtesy(lambda: False, longest=0)
        feed, observer = KubeJobFeed(api, TIMES), Observer(world.ledger, jobs, QuietWakeups(), QuietMeter(), eager)
        async with followed(feed, observer):
            await eventually_async(lambda: known(feed, job), what="the Job is known")
            assert await jobs.release(NAMESPACE, job.name, job.uid)
            assert await jobs.delete(job, only_if_unchanged=False) is None
            await eventually_async(lambda: over(world, observer), what="its run is over", seconds=20)
    assert await world.verdicts(item) == [("Unknown", "JobVanished")]


@asynccontextmanager
async def followed(feed: KubeJobFeed, observer: Observer) -> AsyncIterator[None]:
    """Let the observer hear what the feed tells."""

    async def on_listed() -> None: ...

    async with asyncio.TaskGroup() as group:
        running = group.create_task(feed.run(observer.on_change, on_listed))
        yield
        running.cancel()


async def known(feed: KubeJobFeed, job: JobView) -> bool:
    return job.uid in {one.uid for one in feed.known()}


async def over(world: World, observer: Observer) -> bool:
    await observer.step()
    (state, _), *_ = await world.verdicts()
    return state not in {"planned", "bound", "launched"}  # the inner states; others are those that users see
