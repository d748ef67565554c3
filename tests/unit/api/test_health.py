"""Metrics and health over HTTP, on a real socket."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ticklock.api.health import Age, Check, Launching, Liveness, Readiness, health_app, serve
from ticklock.domain.errors import Refused
from ticklock.telemetry import PrometheusMeter

GOOD = Check(passed=True)
ABLE = Launching(able=True)


class Replica:
    """What a replica would answer just now."""

    def __init__(self) -> None:
        self.readiness = Readiness({"started": GOOD}, ABLE, leading=False)
        self.liveness = Liveness({"loop": Age(0.0, 5.0)})
        self.meter = PrometheusMeter(version="1.2.3", strict=True)


@pytest.fixture
def replica() -> Replica:
    return Replica()


@pytest.fixture
async def base(replica: Replica) -> AsyncIterator[str]:
    app = health_app(meter=replica.meter, readiness=lambda: replica.readiness, liveness=lambda: replica.liveness)
    serving = await serve(app, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{serving.port}"
    await serving.close()


async def ask(url: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        pytest.param({"started": GOOD, "schema": GOOD}, 200, id="started, the schema is checked"),
        pytest.param(
            {"started": GOOD, "schema": Check(passed=False, cause="run `ticklock migrate`")}, 503, id="no schema"
        ),
        pytest.param({"stopping": Check(passed=False, cause="SIGTERM")}, 503, id="stopping"),
        pytest.param({}, 503, id="nothing was checked yet"),
    ],
)
async def test_ready_is_who_passed_all_checks(
    replica: Replica, base: str, checks: dict[str, Check], status: int
) -> None:
    replica.readiness = Readiness(checks, ABLE, leading=False)
    code, body = await ask(f"{base}/readyz")
    assert (code, body["ready"]) == (status, status == 200)
    assert body["checks"] == {name: {"passed": one.passed, "cause": one.cause} for name, one in checks.items()}


@pytest.mark.parametrize(
    "launching",
    [
        pytest.param(ABLE, id="it can launch"),
        pytest.param(Launching(able=False, cause="DatabaseUnavailable: connection refused"), id="the database is down"),
    ],
)
async def test_the_ability_to_launch_is_told_but_decides_nothing(
    replica: Replica, base: str, launching: Launching
) -> None:
    replica.readiness = Readiness({"started": GOOD}, launching, leading=True, leader="pod-1")
    code, body = await ask(f"{base}/readyz")
    assert code == 200
    assert body == {
        "ready": True,
        "leader": "pod-1",
        "leading": True,
        "launching": {"able": launching.able, "cause": launching.cause},
        "checks": {"started": {"passed": True, "cause": ""}},
    }


@pytest.mark.parametrize(
    ("ages", "status", "stuck"),
    [
        pytest.param({"loop": Age(0.1, 5), "planner": Age(29, 30)}, 200, [], id="all give signs of life"),
        pytest.param({"loop": Age(5, 5)}, 200, [], id="just in time"),
        pytest.param({"loop": Age(5.1, 5)}, 503, ["loop"], id="the event loop is stuck"),
        pytest.param(
            {"loop": Age(0, 5), "planner": Age(31, 30), "observer": Age(99, 30)},
            503,
            ["observer", "planner"],
            id="two duties are stuck",
        ),
        pytest.param({}, 200, [], id="nothing has started"),
    ],
)
async def test_healthy_is_where_nothing_is_stuck(
    replica: Replica, base: str, ages: dict[str, Age], *, status: int, stuck: list[str]
) -> None:
    replica.liveness = Liveness(ages)
    code, body = await ask(f"{base}/healthz")
    assert (code, body["alive"], body["stuck"]) == (status, not stuck, stuck)
    assert body["ages"] == {name: {"seconds": age.seconds, "limitSeconds": age.limit} for name, age in ages.items()}


async def test_metrics_are_what_prometheus_reads(replica: Replica, base: str) -> None:
    replica.meter.gauge("leader", 1)
    async with aiohttp.ClientSession() as session, session.get(f"{base}/metrics") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, replica.meter.content_type)
        found = {family.name: family for family in text_string_to_metric_families(await answer.text())}
    assert found["ticklock_leader"].samples[0].value == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("HEAD", "/readyz", 200, id="without a body"),
        pytest.param("POST", "/readyz", 405, id="not to be written to"),
        pytest.param("GET", "/", 404, id="no such page"),
    ],
)
async def test_other_requests(base: str, method: str, path: str, status: int) -> None:
    async with aiohttp.ClientSession() as session, session.request(method, f"{base}{path}") as answer:
        assert answer.status == status


async def test_a_port_that_is_taken_is_refused_with_the_mend(replica: Replica) -> None:
    app = health_app(meter=replica.meter, readiness=lambda: replica.readiness, liveness=lambda: replica.liveness)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=rf"^http_port: cannot listen on 127\.0\.0\.1:{port} .*choose another"):
            await serve(app, "127.0.0.1", port)


async def test_a_host_that_is_not_ours_is_refused(replica: Replica) -> None:
    app = health_app(meter=replica.meter, readiness=lambda: replica.readiness, liveness=lambda: replica.liveness)
    with pytest.raises(Refused, match=r"^http_port: cannot listen on 192\.0\.2\.1:0 "):
        await serve(app, "192.0.2.1", 0)


async def test_closing_frees_the_port(replica: Replica) -> None:
    app = health_app(meter=replica.meter, readiness=lambda: replica.readiness, liveness=lambda: replica.liveness)
    serving = await serve(app, "127.0.0.1", 0)
    await serving.close()
    await serving.close()
    with socket.create_server(("127.0.0.1", serving.port)) as again:
        assert again.getsockname()[1] == serving.port
