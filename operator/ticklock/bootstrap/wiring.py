"""A replica, made of the engine and the adapters. The only place that knows both, and that reads a wall clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog

from ticklock.bootstrap.allowed import limits_of
from ticklock.domain.errors import Transient
from ticklock.domain.lease import LeaseTimes
from ticklock.domain.model import ClusterId, ReplicaId
from ticklock.engine.dispatcher import Dispatcher
from ticklock.engine.elector import Clocks, Elector, Term
from ticklock.engine.gatekeeper import Gatekeeper
from ticklock.engine.leadership import LeaderSettings, Leadership
from ticklock.engine.lookup import Lookup
from ticklock.engine.loops import Stop
from ticklock.engine.planner import Planner
from ticklock.engine.secondpods import PodWatch
from ticklock.engine.sentinel import FirstLook
from ticklock.engine.service import Heart, Replica, Work
from ticklock.engine.stager import Stager
from ticklock.kube.client import K8sApi
from ticklock.kube.events import KubeEvents
from ticklock.kube.feed import KubeJobFeed, KubePodFeed, StrictPodFeed
from ticklock.kube.front import KopfFront
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.lease import KubeLease
from ticklock.kube.objects import KubeObjects
from ticklock.kube.pods import KubePods
from ticklock.ports import Meter
from ticklock.settings import Settings
from ticklock.store.connections import connect
from ticklock.store.ledger import PostgresLedger
from ticklock.store.notify import NotifyWakeups
from ticklock.store.session import Database

log = structlog.get_logger(__name__)

_FEED_RETRY_SECONDS = 2.0
_RESIGN_SECONDS = 10.0
"""How long a stopping leader may take to finish its running steps before the Lease is given back."""


class KopfFeed:
    """`ticklock.ports.ObjectFeed`: the kopf front end, started anew where it ends by itself."""

    def __init__(self, make: Callable[[Callable[[str | None, Mapping[str, Any]], None]], KopfFront]) -> None:
        self._make = make

    async def run(self, submit: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Pass events on into this loop's thread, until cancelled."""
        loop = asyncio.get_running_loop()

        def pass_on(kind: str | None, body: Mapping[str, Any]) -> None:
            loop.call_soon_threadsafe(submit, kind or "LISTED", body)

        while True:
            try:
                await self._make(pass_on).run()
            except Transient as error:
                log.warning("watch of ScheduledJobs is started anew", cause=str(error))
            await asyncio.sleep(_FEED_RETRY_SECONDS)


def wire(settings: Settings, *, api: K8sApi, lease_api: K8sApi, cluster: ClusterId, meter: Meter) -> Replica:
    """Make a replica of the engine and the adapters."""
    stop = Stop()
    replica_id = ReplicaId(uuid4())
    limits = limits_of(settings)
    db = Database(
        connect(settings.sqlalchemy_url, pool_size=settings.database_pool_size),
        cluster,
        replica_id,
        settings.pod_name,
        wall=_wall,
        limits=limits,
    )
    ledger, jobs, objects, pods = PostgresLedger(db), KubeJobs(api), KubeObjects(api, limits), KubePods(api)
    wakeups = NotifyWakeups(settings.conninfo)
    lookup = Lookup(ledger, jobs)
    claim = timedelta(seconds=settings.claim_seconds)
    ahead = timedelta(seconds=settings.stage_ahead_seconds)
    heart = Heart(ledger, meter)
    leadership = Leadership(
        ledger=ledger,
        jobs=jobs,
        objects=objects,
        events=KubeEvents(api, instance=settings.pod_name, lease=(settings.lease_namespace, settings.lease_name)),
        job_feed=KubeJobFeed(api),
        object_feed=KopfFeed(lambda submit: KopfFront(api.access, submit, namespace=api.namespace)),
        wakeups=wakeups,
        meter=meter,
        lookup=lookup,
        settings=LeaderSettings(
            list_every=settings.full_list_seconds,
            status_concurrency=settings.status_concurrency,
            report_pause=settings.report_interval_seconds,
            prune_after=timedelta(hours=settings.prune_after_hours),
            keep_audit=timedelta(days=settings.audit_keep_days),
            keep_job_logs=timedelta(days=settings.job_logs_keep_days),
            limits=limits,
        ),
        now=db.now,
        quarantined=heart.quarantined,
        launching=lambda: not dispatcher.idle,
    )
    lease = KubeLease(lease_api, settings.lease_namespace, settings.lease_name)
    elector = _elector(settings, lease, replica_id)
    if settings.watch_pods:
        leadership.pod_watch = PodWatch(ledger, pods, KubePodFeed(api))
    leadership.trusted, leadership.take_fall = lambda: elector.leading, lease.take_fall
    heart.leading, heart.on_gap = leadership.is_current, leadership.look_again
    heart.lease = lambda: lease.mark if elector.leading else None
    gatekeeper = Gatekeeper(
        ledger=ledger,
        pods=pods,
        wakeups=wakeups,
        meter=meter,
        claim=claim,
        slots=asyncio.Semaphore(settings.launch_concurrency),
    )
    dispatcher = Dispatcher(
        ledger=ledger,
        jobs=jobs,
        objects=objects,
        wakeups=wakeups,
        meter=meter,
        lookup=lookup,
        claim=claim,
        batch=settings.bind_batch,
        launchers=settings.launch_concurrency,
        now=db.now,
        next_due=heart.next_due,
        expect=gatekeeper.expect,
    )
    heart.on_leader = dispatcher.leader_returned
    stager = Stager(
        ledger=ledger,
        jobs=jobs,
        wakeups=wakeups,
        meter=meter,
        lookup=lookup,
        cluster=cluster,
        ahead=ahead if settings.staging else timedelta(0),
        claim=claim,
        batch=settings.stage_batch,
        slots=asyncio.Semaphore(settings.launch_concurrency),
        now=db.now,
    )
    return Replica(
        ledger=ledger,
        wakeups=wakeups,
        meter=meter,
        stop=stop,
        heart=heart,
        planner=Planner(ledger, wakeups, meter, ahead),
        stager=stager,
        dispatcher=dispatcher,
        gatekeeper=gatekeeper,
        leadership=leadership,
        elect=_election(elector),
        first_look=FirstLook(ledger, lease.find),
        background=[wakeups.run, lambda: StrictPodFeed(api).run(gatekeeper.on_change, _listed)],
        grace=timedelta(seconds=settings.grace_seconds),
    )


def _elector(settings: Settings, lease: KubeLease, replica: UUID) -> Elector:
    return Elector(
        lease,
        identity=f"{settings.pod_name}_{replica}",
        clocks=Clocks(asyncio.get_running_loop().time, _wall),
        times=LeaseTimes(
            settings.lease_duration_seconds, settings.renew_deadline_seconds, settings.retry_period_seconds
        ),
    )


def _election(elector: Elector) -> Callable[[Work, Stop], Coroutine[Any, Any, None]]:
    """Return what runs the election until the replica stops; the Lease is released when the term's work has ended."""

    async def elect(lead: Work, stop: Stop) -> None:
        async def term(_: Term) -> None:
            await lead()

        async with asyncio.TaskGroup() as group:
            running = group.create_task(elector.run(term, done=stop.__bool__), name="candidate")
            await stop.event.wait()
            if elector.leading:
                await asyncio.wait({running}, timeout=_RESIGN_SECONDS)
            running.cancel()

    return elect


async def _listed() -> None:
    """Nothing to do after a list: differences were reported one by one."""


def _wall() -> datetime:
    return datetime.now(UTC)
