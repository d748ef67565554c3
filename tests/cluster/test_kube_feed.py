"""The feed of Jobs on a real API server, through its restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from tests.support.kube import client
from tests.support.orders import TICK, Orders
from tests.support.waiting import eventually_async
from ticklock.domain.errors import Transient
from ticklock.kube.client import K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.feed import FeedTimes, KubeJobFeed
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.resources import JOBS
from ticklock.ports import JobView
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane

TIMES = FeedTimes(first_pause=0.05, longest_pause=0.5)


class Story:
    """What a feed has told."""

    def __init__(self) -> None:
        self.told: list[tuple[JobView, bool]] = []
        self.lists = 0

    async def on_change(self, job: JobView, gone: bool) -> None:  # noqa: FBT001 - as the port says
        self.told.append((job, gone))

    async def on_listed(self) -> None:
        self.lists += 1

    async def until(self, question: Callable[[], bool], what: str) -> None:
        async def ask() -> bool:
            return question()

        await eventually_async(ask, what=what)

    def gone(self, job: JobView) -> bool:
        return any(gone and told.uid == job.uid for told, gone in self.told)

    def latest(self, job: JobView) -> JobView | None:
        return next((told for told, gone in reversed(self.told) if told.uid == job.uid and not gone), None)


@asynccontextmanager
async def running(feed: KubeJobFeed, story: Story) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(feed.run(story.on_change, story.on_listed))
        await story.until(lambda: story.lists > 0, "the first list")
        yield
        task.cancel()


async def gone(jobs: KubeJobs, job: JobView) -> None:
    await jobs.delete(job, only_if_unchanged=False)
    assert await jobs.release(job.namespace, job.name, job.uid)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[K8sApi]:
    async with client(control_plane) as opened:
        yield opened


@pytest.fixture
def orders(control_plane: ControlPlane, namespace: str) -> Orders:
    return Orders.of_an_object(control_plane, namespace)


async def test_appearance_change_and_disappearance_are_told(api: K8sApi, namespace: str, orders: Orders) -> None:
    jobs = KubeJobs(api)
    feed, story = KubeJobFeed(api, TIMES), Story()
    before = await jobs.create(namespace, orders.job(orders.order(n=1)))
    async with running(feed, story):
        assert story.latest(before) is not None
        after = await jobs.create(namespace, orders.job(orders.order(n=2)))
        await story.until(lambda: story.latest(after) is not None, "the new Job is told")
        await jobs.launch(namespace, after.name, after.uid)

        def finished() -> bool:
            told = story.latest(after)
            return told is not None and told.finished is not None

        await story.until(finished, "its end is told")
        assert {job.uid for job in feed.known()} >= {before.uid, after.uid}
        for job in (before, after):
            await gone(jobs, job)
            await story.until(partial(story.gone, job), "its disappearance is told")
        assert story.lists == 1
        assert not {job.uid for job in feed.known()} & {before.uid, after.uid}


async def test_jobs_of_others_are_not_told(api: K8sApi, namespace: str, control_plane: ControlPlane) -> None:
    body = Orders(namespace).job()  # without an owner
    body["metadata"] = {"name": "not-ours", "labels": {"app": "other"}}  # else it would take those of its pods
    control_plane.api.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", body)
    listed, version = await KubeJobFeed(api).list_all()
    assert not [job for job in listed if job.namespace == namespace]
    assert int(version) > 0


async def test_a_feed_that_begins_again_tells_all_there_is_and_what_went_meanwhile(
    api: K8sApi, namespace: str, orders: Orders
) -> None:
    jobs = KubeJobs(api)
    feed, first, second = KubeJobFeed(api, TIMES), Story(), Story()
    stays, goes = [await jobs.create(namespace, orders.job(orders.order(n=n))) for n in (1, 2)]
    async with running(feed, first):
        assert first.latest(goes) is not None
    await gone(jobs, goes)
    async with running(feed, second):
        assert second.latest(stays) is not None
        assert second.gone(goes)
    await gone(jobs, stays)


async def test_a_full_list_comes_now_and_then_whatever_the_watch_says(api: K8sApi) -> None:
    feed, story = KubeJobFeed(api, FeedTimes(relist=1.0)), Story()
    async with running(feed, story):
        await story.until(lambda: story.lists >= 3, "two more lists")


async def expired(api: K8sApi, version: str) -> bool:
    """Whether that version can no longer be watched from: a 410 says so, or an event ERROR that holds one."""
    try:
        query = {"resourceVersion": version, "timeoutSeconds": "1"}
        async with api.stream(JOBS.all(), query, silence_seconds=10) as events:
            return [event["object"].get("code") async for event in events][:1] == [410]
    except ApiError as error:
        return error.status == 410


async def test_the_feed_goes_on_when_the_api_server_is_back(
    new_control_plane: Callable[..., ControlPlane],
) -> None:
    own = new_control_plane(Options(nodes=0, controllers="ttl-controller", fsync=False))
    async with client(own) as api:
        jobs, orders = KubeJobs(api), Orders("default")
        feed, story = KubeJobFeed(api, TIMES), Story()
        before = await jobs.create("default", orders.job(orders.order(tick=TICK)))
        async with running(feed, story):
            await asyncio.to_thread(own.kill_apiserver)
            with pytest.raises(Transient):
                await jobs.read("default", before.name)
            await asyncio.to_thread(own.start_apiserver)
            assert await expired(api, "1")
            after = await jobs.create("default", orders.job(orders.order(n=2)))
            await gone(jobs, before)
            await story.until(lambda: story.latest(after) is not None, "what was made after the restart")
            await story.until(lambda: story.gone(before), "what vanished after the restart")
