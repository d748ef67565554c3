"""One replica: the engine as `bootstrap.wiring` wires it, on the simulated ledger and network."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.simulation.apiclient import SimApi, SimObjectFeed
from tests.simulation.ledger.sim_ledger import SimLedger
from ticklock.domain.lease import LeaseTimes
from ticklock.engine.dispatcher import Dispatcher
from ticklock.engine.elector import Clocks, Elector, Term
from ticklock.engine.gatekeeper import Gatekeeper
from ticklock.engine.leadership import LeaderSettings, Leadership
from ticklock.engine.lookup import Lookup
from ticklock.engine.loops import Stop
from ticklock.engine.planner import Planner
from ticklock.engine.sentinel import FirstLook
from ticklock.engine.service import Heart, Replica, Work
from ticklock.engine.stager import Stager
from ticklock.kube.events import KubeEvents
from ticklock.kube.feed import FeedTimes, KubeJobFeed
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.lease import KubeLease
from ticklock.kube.objects import KubeObjects
from ticklock.kube.pods import KubePods
from ticklock.kube.resources import SCHEDULED_JOBS
from ticklock.ports import Jobs, Ledger

_LEASE = ("ticklock-system", "ticklock")


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings of an installation, as far as they matter here."""

    ahead: timedelta = timedelta(seconds=2)
    claim: timedelta = timedelta(seconds=3)
    batch: int = 50
    launchers: int = 4
    lease: LeaseTimes = field(default_factory=lambda: LeaseTimes(4.0, 2.5, 0.5))
    list_every: float = 20.0
    relist_jobs: float = 20.0
    report_pause: float = 0.25
    prune_after: timedelta = timedelta(seconds=20)


class NoMeter:
    """Counts nothing."""

    def count(self, name: str, value: float = 1, /, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...

    def observe(self, name: str, value: float, /, **labels: str) -> None: ...

    def forget(self, namespace: str, name: str) -> None: ...

    def touch(self, name: str, /, **labels: str) -> None: ...

    def retire(self) -> None: ...


class Hints:
    """Hints within one process; those from other replicas are lost, as NOTIFY may be."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def wait(self, channel: str, seconds: float) -> None:
        event = self._events[channel]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await event.wait()
        event.clear()

    def poke(self, channel: str) -> None:
        self._events[channel].set()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a replica is made on."""

    ledger: SimLedger
    api: SimApi
    lease_api: SimApi
    replica: UUID
    pod: str
    knobs: Knobs
    monotonic: Callable[[], float]
    wall: Callable[[], datetime]
    chance: random.Random
    wrap_jobs: Callable[[Jobs], Jobs] = lambda jobs: jobs


def wire(parts: Parts) -> Replica:
    """Make a replica; compare `ticklock.bootstrap.wiring.wire`."""
    stop, knobs = Stop(), parts.knobs
    meter, hints, clock = NoMeter(), Hints(), parts.monotonic
    ledger: Ledger = parts.ledger
    jobs, objects = parts.wrap_jobs(KubeJobs(parts.api)), KubeObjects(parts.api)  # type: ignore[arg-type]  # a stand-in
    pods = KubePods(parts.api)  # type: ignore[arg-type]  # a stand-in
    now, lookup = parts.ledger.now, Lookup(ledger, jobs)
    heart = Heart(ledger, meter, monotonic=clock)
    leadership = Leadership(
        ledger=ledger,
        jobs=jobs,
        objects=objects,
        events=KubeEvents(parts.api, instance=parts.pod, lease=_LEASE),  # type: ignore[arg-type]  # a stand-in
        job_feed=KubeJobFeed(parts.api, FeedTimes(relist=knobs.relist_jobs)),  # type: ignore[arg-type]  # a stand-in
        object_feed=SimObjectFeed(parts.api, SCHEDULED_JOBS.all()),
        wakeups=hints,
        meter=meter,
        lookup=lookup,
        settings=LeaderSettings(knobs.list_every, 4, knobs.report_pause, knobs.prune_after),
        now=now,
        quarantined=heart.quarantined,
        launching=lambda: not dispatcher.idle,
        monotonic=clock,
        chance=parts.chance.random,
    )
    lease = KubeLease(parts.lease_api, *_LEASE)  # type: ignore[arg-type]  # a stand-in
    elector = _elector(parts, lease)
    leadership.trusted, leadership.take_fall = lambda: elector.leading, lease.take_fall
    heart.leading, heart.on_gap = leadership.is_current, leadership.look_again
    heart.lease = lambda: lease.mark if elector.leading else None
    gatekeeper = Gatekeeper(
        ledger=parts.ledger,
        pods=pods,
        wakeups=hints,
        meter=meter,
        claim=knobs.claim,
        slots=asyncio.Semaphore(knobs.launchers),
        monotonic=clock,
    )
    dispatcher = Dispatcher(
        ledger=ledger,
        jobs=jobs,
        objects=objects,
        wakeups=hints,
        meter=meter,
        lookup=lookup,
        claim=knobs.claim,
        batch=knobs.batch,
        launchers=knobs.launchers,
        now=now,
        next_due=heart.next_due,
        expect=gatekeeper.expect,
        monotonic=clock,
        chance=parts.chance.random,
    )
    heart.on_leader = dispatcher.leader_returned
    stager = Stager(
        ledger=ledger,
        jobs=jobs,
        wakeups=hints,
        meter=meter,
        lookup=lookup,
        cluster=parts.ledger.book.cluster,
        ahead=knobs.ahead,
        claim=knobs.claim,
        batch=knobs.batch,
        slots=asyncio.Semaphore(4),
        now=now,
        monotonic=clock,
        chance=parts.chance.random,
    )
    return Replica(
        ledger=ledger,
        wakeups=hints,
        meter=meter,
        stop=stop,
        heart=heart,
        planner=Planner(ledger, hints, meter, knobs.ahead, monotonic=clock),
        stager=stager,
        dispatcher=dispatcher,
        gatekeeper=gatekeeper,
        leadership=leadership,
        elect=_election(elector),
        first_look=FirstLook(ledger, lease.find),
        monotonic=clock,
        chance=parts.chance.random,
    )


def _elector(parts: Parts, lease: KubeLease) -> Elector:
    clocks = Clocks(parts.monotonic, parts.wall, parts.chance.random)
    return Elector(lease, identity=f"{parts.pod}_{parts.replica}", clocks=clocks, times=parts.knobs.lease)


def _election(elector: Elector) -> Callable[[Work, Stop], Coroutine[Any, Any, None]]:
    """As `_election` of the wiring."""

    async def elect(lead: Work, stop: Stop) -> None:
        async def term(_: Term) -> None:
            await lead()

        async with asyncio.TaskGroup() as group:
            running = group.create_task(elector.run(term, done=stop.__bool__), name="candidate")
            await stop.event.wait()
            if elector.leading:
                await asyncio.wait({running}, timeout=10.0)
            running.cancel()

    return elect
