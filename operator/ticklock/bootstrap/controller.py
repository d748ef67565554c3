"""`ticklock controller`: from settings to an exit code."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from uuid import UUID

import structlog
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from ticklock.api.health import Serving, health_app, serve
from ticklock.bootstrap.asked import arm_failpoints, settings_of
from ticklock.bootstrap.watchdog import Watchdog
from ticklock.bootstrap.wellbeing import Wellbeing
from ticklock.bootstrap.wiring import wire
from ticklock.domain.errors import Refused, Transient, Unready
from ticklock.domain.model import ClusterId
from ticklock.kube.client import CONNECTIONS, K8sApi
from ticklock.kube.config import connect as connect_kube
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import NAMESPACES, Place
from ticklock.settings import Settings
from ticklock.store import migrate
from ticklock.store.session import first_line
from ticklock.telemetry import PrometheusMeter, configure_logging

log = structlog.get_logger(__name__)

_START_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_OLDEST_MINOR = 30
"""The oldest minor version of Kubernetes 1 that is supported."""
_UNUSABLE = (Transient, Unready, Refused, SQLAlchemyError)


def run_controller(argv: Sequence[str]) -> int:
    """Run one replica until it is told to stop; return the exit code."""
    settings = settings_of(argv, "ticklock controller")
    if settings is None or not arm_failpoints("ticklock controller"):
        return 2
    configure_logging(settings.log_format, settings.log_level, fields={"pod": settings.pod_name})
    try:
        # Loop and TLS in C: at a full minute launches share the processors with all that they set going.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_controller(settings))
    except _UNUSABLE as error:
        log.error("cannot start", cause=first_line(error))  # noqa: TRY400 - the cause says it; a trace would bury it
        return 1
    except ExceptionGroup:
        log.exception("a duty has died")
        return 1
    return 0


async def _controller(settings: Settings) -> None:
    meter = PrometheusMeter(version=version("ticklock"), by_object=settings.metrics_by_object)
    wellbeing = Wellbeing()
    async with AsyncExitStack() as stack:
        app = health_app(meter=meter, readiness=wellbeing.readiness, liveness=wellbeing.liveness)
        serving = await serve(app, settings.http_host, settings.http_port)
        stack.push_async_callback(serving.close)
        access = connect_kube(str(settings.kubeconfig) if settings.kubeconfig else None, settings.context)
        observed = _request_metric(meter)
        api = await stack.enter_async_context(
            K8sApi(
                access,
                connections=_connections(settings),
                on_request=observed,
                meter=meter,
                namespace=settings.watch_namespace,
            )
        )
        lease_api = await stack.enter_async_context(K8sApi(access, connections=2, on_request=observed))
        cluster = await _ready_to_start(settings, api)
        replica = wire(settings, api=api, lease_api=lease_api, cluster=cluster, meter=meter)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, replica.stop.request)
        # From here on, since what is imported before may take its time on a slow node.
        wellbeing.watchdog = stack.enter_context(Watchdog(settings.watchdog_seconds, meter))
        wellbeing.replica = replica
        _tell_start(settings, cluster, serving)
        await replica.run()


def _connections(settings: Settings) -> int:
    """Return how many requests may be under way: launches never wait for a place that statuses have taken."""
    return settings.launch_concurrency + CONNECTIONS


def _request_metric(meter: PrometheusMeter) -> Callable[[str, str, int, float], None]:
    def observed(verb: str, resource: str, status: int, seconds: float) -> None:
        meter.observe("api_request_seconds", seconds, verb=verb, resource=resource, code=str(status or "error"))

    return observed


def _tell_start(settings: Settings, cluster: ClusterId, serving: Serving) -> None:
    log.info("started", cluster=str(cluster), database=settings.database_place, http_port=serving.port)


async def _identity(api: K8sApi) -> ClusterId:
    """Return the cluster's identity: the UID of its namespace kube-system, or of the one that we serve alone."""
    try:
        body = await api.get(NAMESPACES.one(None, api.namespace or "kube-system"))
    except ApiError as error:
        raise error.transient from error
    return ClusterId(UUID(body["metadata"]["uid"]))


async def _check_version(api: K8sApi) -> None:
    """Raise Refused where the API server is too old for what we rely on (CEL, pod replacement policy)."""
    try:
        found = await api.get(Place("/version", "version"))
    except ApiError as error:
        raise error.transient from error
    minor = "".join(filter(str.isdigit, str(found.get("minor"))))
    if (str(found.get("major")), int(minor or 0)) < ("1", _OLDEST_MINOR):
        raise Refused(f"Kubernetes {found.get('gitVersion')} is not supported; use 1.{_OLDEST_MINOR} or newer")


async def _ready_to_start(settings: Settings, api: K8sApi) -> ClusterId:
    """Wait, within bounds, until the database and the API server can be used; return the cluster's identity."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            await asyncio.to_thread(migrate.check, settings.sqlalchemy_url)
            await _check_version(api)
            return await _identity(api)
        except (Transient, Unready, SQLAlchemyError) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("cannot start yet", database=settings.database_place, cause=first_line(error))
            await asyncio.sleep(_RETRY_SECONDS)
