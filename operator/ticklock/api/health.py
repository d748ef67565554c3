"""Metrics and health: /metrics, /healthz, /readyz.

Ready means: this process can serve. An outage of PostgreSQL or of the API server does not make a replica unready, since
taking it out of a Service or restarting it would mend nothing; the ability to launch is told beside it and is a metric
of its own. Healthy means: the event loop answers and no duty is stuck; if not, a restart is what helps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from ticklock.domain.errors import Refused
from ticklock.telemetry import PrometheusMeter

_CLOSE_SECONDS = 1.0
"""How long a running answer may hold up the end; a scrape is repeated anyway."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of being ready."""

    passed: bool
    cause: str = ""
    """Why not, or more about it."""


@dataclass(frozen=True, slots=True)
class Launching:
    """Whether this replica can launch Jobs now."""

    able: bool
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What /readyz tells. Ready is a replica all of whose checks passed; there must be one."""

    checks: Mapping[str, Check]
    launching: Launching
    leading: bool
    leader: str | None = None
    """Pod that leads, as far as we know."""

    @property
    def ready(self) -> bool:
        """Whether the process can serve."""
        return bool(self.checks) and all(check.passed for check in self.checks.values())


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something last gave a sign of life, and from when on it counts as stuck. Seconds."""

    seconds: float
    limit: float

    @property
    def stuck(self) -> bool:
        """Whether it has been silent for too long."""
        return self.seconds > self.limit


@dataclass(frozen=True, slots=True)
class Liveness:
    """What /healthz tells: the age of each duty's last sign of life, and of the event loop's."""

    ages: Mapping[str, Age]

    @property
    def stuck(self) -> list[str]:
        """Names of what has been silent for too long."""
        return sorted(name for name, age in self.ages.items() if age.stuck)


def health_app(
    *, meter: PrometheusMeter, readiness: Callable[[], Readiness], liveness: Callable[[], Liveness]
) -> web.Application:
    """Return the application. The callables are asked at each request, and must answer at once, without I/O.

    200 and 503 are the answers of /healthz and /readyz, each with its causes as JSON.
    """

    async def metrics(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(meter.expose)
        return web.Response(body=text, headers={"Content-Type": meter.content_type})

    async def healthz(_: web.Request) -> web.Response:
        found = liveness()
        return _answer(_alive(found), good=not found.stuck)

    async def readyz(_: web.Request) -> web.Response:
        found = readiness()
        return _answer(_ready(found), good=found.ready)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return app


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs."""

    runner: web.AppRunner
    port: int
    """The real one, where 0 was asked for."""

    async def close(self) -> None:
        """Stop serving and free the port. May be called twice."""
        await self.runner.cleanup()


async def serve(app: web.Application, host: str, port: int) -> Serving:
    """Serve until closed. Raises Refused, with the mend, where the address cannot be had."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise Refused(
            f"http_port: cannot listen on {host}:{port} ({error.strerror or error}); "
            "choose another address or port with http_host and http_port"
        ) from error
    return Serving(runner, int(runner.addresses[0][1]))


def _answer(body: Mapping[str, Any], *, good: bool) -> web.Response:
    return web.Response(
        status=HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE,
        body=orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _alive(found: Liveness) -> dict[str, Any]:
    return {
        "alive": not found.stuck,
        "stuck": found.stuck,
        "ages": {
            name: {"seconds": round(age.seconds, 3), "limitSeconds": age.limit} for name, age in found.ages.items()
        },
    }


def _ready(found: Readiness) -> dict[str, Any]:
    return {
        "ready": found.ready,
        "leader": found.leader,
        "leading": found.leading,
        "launching": {"able": found.launching.able, "cause": found.launching.cause},
        "checks": {name: {"passed": check.passed, "cause": check.cause} for name, check in found.checks.items()},
    }
