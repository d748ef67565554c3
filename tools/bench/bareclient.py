"""A bare client: `python -m tools.bench.bareclient KUBECONFIG NUMBER JOBS MOMENT`.

It creates so many suspended Jobs, and from the given moment on (seconds since 1970) lets them go, with the calls that
Ticklock makes and nothing else: no database, no reading, no care. What it reaches is what the API server gives.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tools.bench.template import JOB, NAMESPACE

JOB_PREFIX = "bare-"
_UNDER_WAY = 32
_TESTED = "bench.ticklock.dev/tested"


def manifest(name: str) -> dict[str, Any]:
    """Return a suspended Job; the annotation is there to be tested, as Ticklock tests one."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "annotations": {_TESTED: "false"}},
        "spec": {"suspend": True, **JOB},
    }


def let_go(uid: str) -> list[dict[str, Any]]:
    """Return the JSON patch that launches exactly this Job."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": f"/metadata/annotations/{_TESTED.replace('/', '~1')}", "value": "false"},
        {"op": "replace", "path": "/spec/suspend", "value": False},
    ]


class Client:
    """Requests for Jobs of one namespace."""

    def __init__(self, session: aiohttp.ClientSession, jobs: str) -> None:
        self._session, self._jobs = session, jobs

    async def create(self, name: str) -> tuple[str, str]:
        """Create a Job; return its name and uid."""
        answer = await self._send("POST", self._jobs, manifest(name), "application/json")
        return name, answer["metadata"]["uid"]

    async def launch(self, job: tuple[str, str]) -> None:
        """Let a Job go."""
        name, uid = job
        await self._send("PATCH", f"{self._jobs}/{name}", let_go(uid), "application/json-patch+json")

    async def _send(self, verb: str, url: str, body: object, content: str) -> dict[str, Any]:
        headers = {"Content-Type": content}
        async with self._session.request(verb, url, data=orjson.dumps(body), headers=headers) as response:
            raw = await response.read()
            response.raise_for_status()
            answer: dict[str, Any] = orjson.loads(raw)
            return answer


async def _each(work: Callable[[Any], Awaitable[Any]], things: Iterable[Any]) -> list[Any]:
    """Do it for all, so many at a time; return what came of it, in their order."""
    slots = asyncio.Semaphore(_UNDER_WAY)

    async def one(thing: Any) -> Any:
        async with slots:
            return await work(thing)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(thing)) for thing in things]
    return [task.result() for task in tasks]


async def run(config: dict[str, Any], number: str, jobs: int, moment: float) -> None:
    """Create the Jobs, wait for the moment, let them go. Raises RuntimeError where creating took too long."""
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=75)
    async with aiohttp.ClientSession(connector=connector, headers={"Accept-Encoding": "identity"}) as session:
        client = Client(session, f"{cluster['server']}/apis/batch/v1/namespaces/{NAMESPACE}/jobs")
        created = await _each(client.create, [f"{JOB_PREFIX}{number}-{one:05d}" for one in range(jobs)])
        left = moment - time.time()
        if left < 0:
            raise RuntimeError(f"the Jobs were created {-left:.1f} s after the moment to let them go")
        await asyncio.sleep(left)
        await _each(client.launch, created)


if __name__ == "__main__":
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
