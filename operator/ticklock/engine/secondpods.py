"""Second pods: notices that Kubernetes made more pods for a Job than it asks for. The leader's duty.

Promise: each pod that is one too many, and that was there together with what it follows while a leader watched, is
written down once, with its cause; one that no failure explains is told to the user. Not promised: that it is prevented,
nor that one is noticed whose forerunner was gone before anybody looked.

The watch brings metadata only, and only of pods that have not ended. That tells when to look; what counts is the pods
as they stand, and of those that are gone, what the watch had seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from ticklock.domain.model import JobUid, PodUid
from ticklock.domain.pods import Cause, Fate, PodStory, causes
from ticklock.ports import FurtherPod, JobFeed, Jobs, Meter, PodFeed, PodLedger, PodPhase, Pods, PodView, Wakeups

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 5.0
"""Until a Job is looked at again whose row is not bound to it yet."""
_LOOKS = 12
_TIDY_SECONDS = 60.0
_FATES = {PodPhase.FAILED: Fate.FAILED, PodPhase.SUCCEEDED: Fate.STANDING}


@dataclass(frozen=True, slots=True)
class PodWatch:
    """What second pods are noticed by."""

    ledger: PodLedger
    pods: Pods
    feed: PodFeed


@dataclass(slots=True)
class Watched:
    """What the watch has told of a Job's pods."""

    pods: dict[PodUid, PodView] = field(default_factory=dict)
    taken_away: set[PodUid] = field(default_factory=set)
    """Seen on their way out, or given up by the job controller, before they had ended."""
    gone: set[PodUid] = field(default_factory=set)
    settled: set[PodUid] = field(default_factory=set)
    wanted: int = 1
    looks: int = 0
    look_at: float | None = None
    """When to look, by the monotonic clock; None: no need."""

    @property
    def suspicious(self) -> bool:
        """Whether there are more pods than are known to be wanted, one of them not yet judged."""
        places: dict[str, int] = {}
        for pod in self.pods.values():
            places[pod.index] = places.get(pod.index, 0) + 1
        return max(places.values(), default=0) > self.wanted and not self.pods.keys() <= self.settled


@dataclass(slots=True)
class SecondPods:
    """Notices, judges, and writes down."""

    ledger: PodLedger
    jobs: Jobs
    pods: Pods
    job_feed: JobFeed
    wakeups: Wakeups
    meter: Meter
    monotonic: Callable[[], float] = time.monotonic
    seen: dict[JobUid, Watched] = field(default_factory=dict)
    stale: set[JobUid] = field(default_factory=set)
    """Over, or unknown to the watch of Jobs, when last tidied up."""
    tidy_at: float = 0.0

    async def on_change(self, pod: PodView, gone: bool) -> None:  # noqa: FBT001 - the port's signature
        """Take one change of a pod."""
        if pod.key is None or pod.strict:  # The gatekeeper sees to those.
            return
        watched = self.seen.setdefault(pod.job_uid, Watched())
        watched.pods[pod.uid] = pod
        if gone:
            watched.gone.add(pod.uid)
        # While it lives Kubernetes keeps its mark on a pod, unless it is one too many.
        if pod.deleting or not pod.tracked:
            watched.taken_away.add(pod.uid)
        if watched.look_at is None and watched.suspicious:
            watched.look_at, watched.looks = self.monotonic(), 0
            self.wakeups.poke("pods")

    async def step(self) -> float:
        """Look at the Jobs that have more pods than they seem to want."""
        now = self.monotonic()
        for job_uid, watched in list(self.seen.items()):
            if watched.look_at is not None and watched.look_at <= now:
                await self._look(job_uid, watched)
        if now >= self.tidy_at:
            self._tidy()
            self.tidy_at = now + _TIDY_SECONDS
        return 1.0

    async def _look(self, job_uid: JobUid, watched: Watched) -> None:
        some = next(iter(watched.pods.values()))
        job = await self.jobs.read(some.namespace, some.job_name)
        if job is not None and job.uid == job_uid:
            watched.wanted = job.wanted_pods
        known = set(watched.pods)
        standing = {pod.uid: pod for pod in await self.pods.of_job(some.namespace, job_uid)}
        found = [
            FurtherPod(pod.key, job_uid, pod.uid, pod.name, cause)
            for pod, cause in _further(watched, standing)
            if pod.key is not None and pod.uid not in watched.settled
        ]
        noted = await self.ledger.note_pods(found) if found else {}
        for further in found:
            if noted.get(further.pod_uid):
                self._tell(further, some.namespace, some.job_name)
        open_ = {further.pod_uid for further in found} - noted.keys()
        watched.settled |= known - open_
        watched.looks += 1
        again = open_ and watched.looks < _LOOKS
        watched.look_at = self.monotonic() + _AGAIN_SECONDS if again else None

    def _tell(self, further: FurtherPod, namespace: str, job: str) -> None:
        self.meter.count("further_pods_total", cause=further.cause.value)
        facts = {"run": str(further.key.run_id), "namespace": namespace, "job": job, "pod": further.pod_name}
        if further.cause.alarming:
            log.warning("second pod of an attempt", cause=further.cause.value, **facts)
        else:
            log.info("failed pod is tried again", **facts)

    def _tidy(self) -> None:
        """Forget Jobs that were over or gone a round ago already: no pod follows theirs."""
        going_on = {job.uid for job in self.job_feed.known() if job.finished is None}
        stale = {
            uid
            for uid, watched in self.seen.items()
            if uid not in going_on and watched.look_at is None and watched.pods.keys() <= watched.gone
        }
        for uid in stale & self.stale:
            del self.seen[uid]
        self.stale = stale


def _further(watched: Watched, standing: dict[PodUid, PodView]) -> Iterable[tuple[PodView, Cause]]:
    """Yield the pods that are too many, place by place."""
    pods = {**watched.pods, **standing}
    for index in sorted({pod.index for pod in pods.values()}):
        place = {uid: pod for uid, pod in pods.items() if pod.index == index}
        stories = [_story(pod, watched, standing.get(uid)) for uid, pod in place.items()]
        for uid, cause in causes(stories, wanted=watched.wanted).items():
            yield place[uid], cause


def _story(pod: PodView, watched: Watched, now: PodView | None) -> PodStory:
    if now is None:
        # A pod that is gone and was not taken away had ended. Had it succeeded, nothing would follow it.
        fate = Fate.TAKEN_AWAY if pod.uid in watched.taken_away else Fate.FAILED
        return PodStory(pod.uid, fate, pod.created_at)
    if pod.uid in watched.taken_away:
        return PodStory(pod.uid, Fate.TAKEN_AWAY, pod.created_at)
    fate = _FATES.get(now.phase, Fate.STANDING) if now.phase is not None else Fate.STANDING
    if now.deleting and fate is Fate.STANDING and now.phase is not PodPhase.SUCCEEDED:
        fate = Fate.TAKEN_AWAY
    return PodStory(pod.uid, fate, pod.created_at, now.ended_at)
