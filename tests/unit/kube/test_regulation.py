"""The client under a server that fails, or is too busy: on real connections, with a server that answers as told."""

import asyncio
import time

from tests.support.scripted_server import Script, refuses, says, serving
from ticklock.domain.errors import Transient
from ticklock.domain.model import JobUid
from ticklock.kube.budget import FLOOR, MOST
from ticklock.kube.client import K8sApi
from ticklock.kube.jobs import KubeJobs
from ticklock.telemetry import PrometheusMeter

NAMES = [f"job-{number}" for number in range(150)]
TRIES = 20


def job(name: str) -> dict[str, object]:
    return {"kind": "Job", "metadata": {"namespace": "shop", "name": name, "uid": name}, "spec": {"suspend": False}}


async def persist(jobs: KubeJobs, name: str, tries: int) -> int:
    """Launch a Job as stubbornly as can be; return how many tries did not even leave."""
    held_back = 0
    for _ in range(tries):
        try:
            await jobs.launch("shop", name, JobUid(name))
        except Transient as failure:
            held_back += "held back" in str(failure)
            await asyncio.sleep(0)
        else:
            break
    return held_back


async def test_a_server_that_is_down_is_not_asked_without_end_and_at_once_when_it_is_back() -> None:
    script = Script(refuses(503, "ServiceUnavailable"))
    meter = PrometheusMeter(version="test", strict=True)
    async with serving(script) as access, K8sApi(access, meter=meter) as api:
        jobs = KubeJobs(api)
        began = time.monotonic()
        held_back = sum(await asyncio.gather(*(persist(jobs, name, TRIES) for name in NAMES)))
        allowed = len(NAMES) + MOST + FLOOR * (time.monotonic() - began) + 1
        assert len(script.asked) <= allowed < len(NAMES) * TRIES / 2
        assert held_back == len(NAMES) * TRIES - len(script.asked)
        assert f'ticklock_api_retries_total{{outcome="held_back"}} {held_back:.1f}' in meter.expose().decode()

        script.answers[:] = [says(200, job("whatever"))]
        back = time.monotonic()
        async with asyncio.timeout(20):
            await asyncio.gather(*(stubbornly(jobs, name) for name in NAMES))
        assert time.monotonic() - back < 8, "one after another by the floor alone it would take fifteen seconds"


async def stubbornly(jobs: KubeJobs, name: str) -> None:
    """Launch it, as the dispatcher would: waiting as long as told between the tries."""
    while True:
        try:
            await jobs.launch("shop", name, JobUid(name))
        except Transient as failure:
            await asyncio.sleep(min(failure.retry_after or 0.0, 0.2))
        else:
            return


async def test_after_a_429_nothing_of_its_kind_is_sent_before_the_time_it_names() -> None:
    script = Script(refuses(429, "TooManyRequests", Retry_After="1"), says(200, job("a")))
    meter = PrometheusMeter(version="test", strict=True)
    async with serving(script) as access, K8sApi(access, meter=meter) as api:
        jobs = KubeJobs(api)
        refused = time.monotonic()
        assert await persist(jobs, "a", 1) == 0
        exposed = meter.expose().decode()
        assert "ticklock_api_throttled_total 1.0" in exposed
        assert "ticklock_api_concurrency 32.0" in exposed
        await asyncio.gather(*(jobs.launch("shop", name, JobUid("a")) for name in NAMES[:5]))
        assert time.monotonic() - refused >= 1.0
    assert len(script.asked) == 6


async def test_a_launch_overtakes_the_releases_that_wait() -> None:
    script = Script(says(200, job("a")))
    async with serving(script) as access, K8sApi(access, connections=1) as api:
        jobs = KubeJobs(api)
        async with asyncio.TaskGroup() as group:
            for name in NAMES[:20]:
                group.create_task(jobs.release("shop", name, JobUid(name)))
            await asyncio.sleep(0)
            group.create_task(jobs.launch("shop", "a", JobUid("a")))
    places = [number for number, body in enumerate(script.bodies) if b"/spec/suspend" in body]
    assert places
    assert places[0] <= 2, "the launch waited behind the releases"
