"""The feed and the answers that a real API server cannot be made to give in time."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.support.orders import Orders
from tests.support.scripted_server import Answer, Script, breaks, hangs, refuses, says, serving, streams
from tests.support.waiting import eventually_async
from ticklock.domain.model import ScheduleUid
from ticklock.kube.client import K8sApi
from ticklock.kube.feed import FeedTimes, KubeJobFeed
from ticklock.ports import JobView

TIMES = FeedTimes(silence=0.2, first_pause=0.01, longest_pause=0.02)
ORDERS = Orders("shop", uid=ScheduleUid("uid-1"))


def job(uid: str, version: int) -> dict[str, Any]:
    body = ORDERS.job()
    body["metadata"] |= {"uid": uid, "name": uid, "resourceVersion": str(version)}
    return body


def lists(version: int, *jobs: dict[str, Any]) -> Answer:
    return says(200, {"kind": "JobList", "metadata": {"resourceVersion": str(version)}, "items": list(jobs)})


def watch(*events: tuple[str, dict[str, Any]], hang: bool = False) -> Answer:
    chunks = [orjson.dumps({"type": kind, "object": body}) + b"\n" for kind, body in events]
    return streams(*chunks, then_hang=hang)


def bookmark(version: int) -> tuple[str, dict[str, Any]]:
    return "BOOKMARK", {"kind": "Job", "metadata": {"resourceVersion": str(version)}}


EXPIRED = ("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})


async def play(script: Script, *, requests: int, times: FeedTimes = TIMES) -> list[str]:
    """Run the feed until so many requests have come; return what was told, as signed names with versions."""
    told: list[str] = []

    async def on_change(changed: JobView, gone: bool) -> None:  # noqa: FBT001 - as the port says
        told.append(f"{'-' if gone else '+'}{changed.name}@{changed.resource_version}")

    async def on_listed() -> None:
        told.append("listed")

    async def enough() -> bool:
        return len(script.asked) >= requests

    async with serving(script) as access, K8sApi(access) as api, asyncio.TaskGroup() as group:
        running = group.create_task(KubeJobFeed(api, times).run(on_change, on_listed))
        await eventually_async(enough, what=f"{requests} requests", seconds=5, interval=0.01)
        running.cancel()
    return told


def asked(script: Script) -> list[str]:
    """What was asked: lists, and watches with the version they begin at."""
    return [
        f"watch {request.query['resourceVersion']}" if "watch" in request.query else "list" for request in script.asked
    ]


async def test_a_watch_goes_on_from_the_last_version_it_brought() -> None:
    script = Script(
        lists(5, job("a", 3)),
        watch(("MODIFIED", job("a", 6)), bookmark(9)),
        watch(("ADDED", job("b", 10))),
        hangs,
    )
    assert await play(script, requests=4) == ["+a@3", "listed", "+a@6", "+b@10"]
    assert asked(script) == ["list", "watch 5", "watch 9", "watch 10"]


@pytest.mark.parametrize(
    "interruption",
    [
        pytest.param(breaks, id="the connection breaks"),
        pytest.param(streams(b'{"type":"BOOK'), id="a line is cut off"),
        pytest.param(watch(hang=True), id="nothing comes for too long"),
        pytest.param(watch(), id="the watch ends as soon as it has begun"),
    ],
)
async def test_a_dropped_watch_is_taken_up_where_it_was(interruption: Answer) -> None:
    script = Script(lists(5), interruption, hangs)
    assert await play(script, requests=3) == ["listed"]
    assert asked(script) == ["list", "watch 5", "watch 5"]


@pytest.mark.parametrize(
    "interruption",
    [
        pytest.param(refuses(410, "Expired"), id="410"),
        pytest.param(watch(EXPIRED), id="410 as an event"),
        pytest.param(watch(("ERROR", {"code": 500, "message": "storage"})), id="another error as an event"),
        pytest.param(watch(("SOMETHING", job("b", 9))), id="an event of a kind not known"),
        pytest.param(watch(("ADDED", {})), id="an event without an object"),
        pytest.param(refuses(403, "Forbidden"), id="403"),
    ],
)
async def test_whatever_else_happens_is_healed_by_a_list_and_its_difference(interruption: Answer) -> None:
    script = Script(
        lists(5, job("stays", 1), job("goes", 2), job("changes", 3)),
        interruption,
        lists(20, job("stays", 1), job("changes", 15), job("comes", 16)),
        hangs,
    )
    told = await play(script, requests=4)
    assert told[:4] == ["+stays@1", "+goes@2", "+changes@3", "listed"]
    assert told[4:] == ["-goes@2", "+changes@15", "+comes@16", "listed"]
    assert asked(script) == ["list", "watch 5", "list", "watch 20"]


async def test_a_deletion_that_no_event_told_of_is_told_by_the_next_full_list() -> None:
    script = Script(lists(5, job("stays", 1), job("goes", 2)), hangs, hangs, hangs, lists(9, job("stays", 1)), hangs)
    times = FeedTimes(silence=0.2, relist=0.5, first_pause=0.01, longest_pause=0.02)
    script.answers[1:4] = [hangs] * 3
    told = await play(script, requests=6, times=times)
    assert told[:3] == ["+stays@1", "+goes@2", "listed"]
    assert told[3:5] == ["-goes@2", "listed"]


async def test_a_list_that_fails_is_tried_again() -> None:
    script = Script(refuses(429, "TooManyRequests", Retry_After="0"), breaks, lists(5, job("a", 1)), hangs)
    assert await play(script, requests=4) == ["+a@1", "listed"]


async def test_an_event_that_was_told_already_is_not_told_again() -> None:
    script = Script(lists(5, job("a", 3)), watch(("ADDED", job("a", 3)), ("MODIFIED", job("a", 6))), hangs)
    assert await play(script, requests=3) == ["+a@3", "listed", "+a@6"]


async def test_an_error_of_the_listener_ends_the_feed() -> None:
    async def on_change(changed: JobView, gone: bool) -> None:  # noqa: FBT001 - as the port says
        raise LookupError(f"{changed.name} {gone}")

    async def on_listed() -> None:
        pytest.fail("the list was not told to its end")

    async with serving(Script(lists(5, job("a", 3)))) as access, K8sApi(access) as api:
        feed = KubeJobFeed(api, TIMES)
        with pytest.raises(LookupError, match="a False"):
            await feed.run(on_change, on_listed)
        assert not feed.known()
