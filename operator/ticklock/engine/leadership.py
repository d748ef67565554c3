"""What the leader does beyond launching: one term of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from ticklock.domain.errors import Superseded, Transient, Unready
from ticklock.domain.limits import NO_LIMITS, Limits
from ticklock.engine.courtesy import RECORD_SECONDS, REPORT_SECONDS, Courtesy
from ticklock.engine.janitor import Janitor
from ticklock.engine.lookup import Lookup
from ticklock.engine.loops import Loop, Step, Stop
from ticklock.engine.observer import Observer
from ticklock.engine.quarantine import Quarantine
from ticklock.engine.reconciler import Reconciler
from ticklock.engine.reporter import Reporter
from ticklock.engine.secondpods import PodWatch, SecondPods
from ticklock.engine.sentinel import Sentinel
from ticklock.failpoints import failpoint
from ticklock.ports import Events, Fall, JobFeed, Jobs, Ledger, Meter, ObjectFeed, Objects, Wakeups

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaderSettings:
    """What of the settings the leader's duties need."""

    list_every: float
    status_concurrency: int
    report_pause: float
    prune_after: timedelta
    keep_audit: timedelta = timedelta(days=90)
    keep_job_logs: timedelta = timedelta(days=90)
    limits: Limits = NO_LIMITS


@dataclass(slots=True)
class Leadership:
    """Makes and runs the leader's duties, anew for each term."""

    ledger: Ledger
    jobs: Jobs
    objects: Objects
    events: Events
    job_feed: JobFeed
    object_feed: ObjectFeed
    wakeups: Wakeups
    meter: Meter
    lookup: Lookup
    settings: LeaderSettings
    now: Callable[[], datetime | None]
    """The database's time, estimated."""
    quarantined: Callable[[], str | None]
    """Why nothing may be decided for fear of lost commits."""
    launching: Callable[[], bool]
    """Whether this replica launches Jobs right now."""
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    """A number from 0 to 1, for jitter."""
    leading: bool = False
    trusted: Callable[[], bool] = lambda: True
    """Whether the Lease may still be believed in; False at once where the process was paused for too long."""
    take_fall: Callable[[], Fall | None] = lambda: None
    """Return, once, that the cluster was seen to be set back."""
    pod_watch: PodWatch | None = None
    """None where nobody wants to know of second pods."""
    reconciler: Reconciler | None = None
    on_term: Callable[[int], None] | None = None

    def is_current(self) -> bool:
        """Whether this replica leads and has stored every object as it stood after the term began."""
        return self.leading and self.trusted() and self.reconciler is not None and self.reconciler.caught_up

    def look_again(self) -> None:
        """Rely on what is stored only after another list: nothing was heard or stored for a while."""
        if self.reconciler is not None:
            self.reconciler.look_again()

    async def lead(self, stop: Stop) -> None:
        """Lead until cancelled, stopped, or superseded by another term; not at all while no term can be begun."""
        try:
            epoch = await self.ledger.open_term()
        except (Transient, Unready) as error:
            log.warning("term cannot begin", cause=str(error))
            return
        await failpoint("after-term")
        log.info("term begins", epoch=epoch)
        self.leading = True
        self.meter.gauge("leader", 1)
        self.meter.count("leader_transitions_total")
        if self.on_term is not None:
            self.on_term(epoch)
        try:
            await self._duties(epoch, stop)
        except* Superseded as group:
            log.warning("term is over", epoch=epoch, cause=str(group.exceptions[0]))
        finally:
            self.leading, self.reconciler = False, None
            self.meter.gauge("leader", 0)
            self.meter.retire()
            log.info("term ends", epoch=epoch)

    async def _duties(self, epoch: int, stop: Stop) -> None:
        """Lift a quarantine first: until then nothing may be decided."""
        quarantine = Quarantine(
            self.ledger, self.jobs, self.job_feed, self.objects, self.meter, epoch, self.quarantined
        )
        self.reconciler = reconciler = Reconciler(
            self.ledger,
            self.objects,
            self.jobs,
            self.wakeups,
            self.meter,
            epoch,
            self.settings.list_every,
            self.monotonic,
            self.settings.limits,
        )
        observer = Observer(
            self.ledger,
            self.jobs,
            self.wakeups,
            self.meter,
            Courtesy(self.launching, RECORD_SECONDS, self.monotonic),
            self.monotonic,
        )
        reporter = Reporter(
            self.ledger,
            self.objects,
            self.jobs,
            self.events,
            self.meter,
            epoch,
            asyncio.Semaphore(self.settings.status_concurrency),
            self.settings.report_pause,
            Courtesy(self.launching, REPORT_SECONDS, self.monotonic),
        )
        janitor = Janitor(
            self.ledger,
            self.jobs,
            self.job_feed,
            self.lookup,
            self.meter,
            epoch,
            self.settings.prune_after,
            self.now,
            self.settings.keep_audit,
            self.settings.keep_job_logs,
            self.monotonic,
        )
        sentinel = Sentinel(self.ledger, epoch, self.take_fall)
        async with asyncio.TaskGroup() as group:
            feeds = [
                group.create_task(self.object_feed.run(reconciler.submit), name="object-feed"),
                group.create_task(self.job_feed.run(observer.on_change, _listed), name="job-feed"),
            ]
            loops = [
                self._loop("sentinel", sentinel.step, stop),
                self._loop("quarantine", quarantine.step, stop),
                self._loop("reconciler", reconciler.step, stop, "reconcile"),
                self._loop("observer", observer.step, stop, "record"),
                self._loop("reporter", reporter.step, stop, "report"),
                self._loop("releaser", reporter.release, stop),
                self._loop("events", reporter.post, stop),
                self._loop("janitor", janitor.step, stop),
            ]
            if (watch := self.pod_watch) is not None:
                pods = self._second_pods(watch)
                feeds.append(group.create_task(watch.feed.run(pods.on_change, _listed), name="pod-feed"))
                loops.append(self._loop("pods", pods.step, stop, "pods"))
            await asyncio.gather(*(group.create_task(loop.run(), name=loop.name) for loop in loops))
            for feed in feeds:
                feed.cancel()

    def _second_pods(self, watch: PodWatch) -> SecondPods:
        return SecondPods(watch.ledger, self.jobs, watch.pods, self.job_feed, self.wakeups, self.meter, self.monotonic)

    def _loop(self, name: str, step: Step, stop: Stop, channel: str | None = None) -> Loop:
        wait = None if channel is None else partial(self.wakeups.wait, channel)
        return Loop(name, step, self.meter, stop, wait, monotonic=self.monotonic, chance=self.chance)


async def _listed() -> None:
    """Nothing to do after a list: differences were reported one by one."""
