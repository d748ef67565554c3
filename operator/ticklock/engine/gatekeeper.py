"""Gatekeeper: of the pods of a StrictPod attempt, lets exactly one start. On every replica.

Each such pod comes into being with our scheduling gate and waits. Which one may start is decided in the database, by
compare-and-set; then its Job bears witness of it, by another, so that the decision outlives a loss of commits; only
then the gate comes off, and of that pod only.

Promise: at most one pod of an attempt starts, however many Kubernetes makes. A chosen pod gives its place to another
only where it is known never to have started: it was on its way out, or gone, while no node had it. What is not known
counts as started; then the others are removed as failures, and the run fails rather than starting twice.
Not promised: anything against those who may patch pods, or Jobs, and take the gate off themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import structlog

from ticklock.domain.errors import Conflict, Refused, Transient
from ticklock.domain.model import AttemptKey, JobUid, PodUid
from ticklock.domain.pods import Cause
from ticklock.engine.loops import timed
from ticklock.ports import FurtherPod, Meter, PodChoice, PodClaim, PodLedger, Pods, PodView, Wakeups

log = structlog.get_logger(__name__)

_BATCH = 100
_TURN_SECONDS = 1.0
"""How long a pod is left to the replica that launched its Job."""
_EVIDENCE_SECONDS = 5.0
"""How long the watch may take to show how a chosen pod went that a read shows to be gone."""
_LONGEST_PAUSE = 10.0
_REMEMBERED_SECONDS = 600.0

K = TypeVar("K")


@dataclass(slots=True)
class Waiting:
    """A pod behind our gate."""

    pod: PodView
    key: AttemptKey
    since: float
    try_at: float
    failures: int = 0

    @property
    def claim(self) -> PodClaim:
        """As the ledger is asked for it."""
        return claim_of(self.pod, self.key)


@dataclass(slots=True)
class Gatekeeper:
    """Decides, bears witness, lets go, removes what is too many."""

    ledger: PodLedger
    pods: Pods
    wakeups: Wakeups
    meter: Meter
    claim: timedelta
    slots: asyncio.Semaphore
    monotonic: Callable[[], float] = time.monotonic
    waiting: dict[PodUid, Waiting] = field(default_factory=dict)
    open: dict[PodUid, Waiting] = field(default_factory=dict)
    """Seen without our gate, and not let go by us: whether they are the chosen ones is still to be seen."""
    unborn: dict[PodUid, float] = field(default_factory=dict)
    """Known never to have started, and since when."""
    ours: dict[JobUid, float] = field(default_factory=dict)
    """Launched by this replica, and when: their pods are ours to see to first."""
    admitted: dict[PodUid, float] = field(default_factory=dict)
    to_note: dict[PodUid, PodClaim] = field(default_factory=dict)
    """Let go, and not yet written down."""

    def expect(self, job: JobUid) -> None:
        """Take note that this replica launches a Job."""
        self.ours[job] = self.monotonic()

    async def on_change(self, pod: PodView, gone: bool) -> None:  # noqa: FBT001 - the port's signature
        """Take one change of a pod."""
        if pod.key is None or not pod.strict:
            return
        now = self.monotonic()
        if pod.unassigned and (gone or pod.deleting):
            self.unborn.setdefault(pod.uid, now)
        if gone or pod.deleting:
            self.waiting.pop(pod.uid, None)
        elif pod.gate is None:
            self.waiting.pop(pod.uid, None)
            if pod.uid not in self.admitted:
                self.open.setdefault(pod.uid, Waiting(pod, pod.key, now, now))
        elif (known := self.waiting.get(pod.uid)) is not None:
            known.pod = pod
            return
        else:
            turn = 0.0 if pod.job_uid in self.ours else _TURN_SECONDS
            self.waiting[pod.uid] = Waiting(pod, pod.key, now, now + turn)
        self.wakeups.poke("gate")

    async def step(self) -> float:
        """See to the pods whose time has come."""
        now = self.monotonic()
        self._forget(now)
        self.meter.gauge("gated_pods", len(self.waiting))
        due = [one for one in (*self.open.values(), *self.waiting.values()) if one.try_at <= now][:_BATCH]
        if due:
            with timed(self.meter, "admit", self.monotonic):
                choices = await self.ledger.choose_pods([one.claim for one in due], ttl=self.claim)
            async with asyncio.TaskGroup() as group:
                for one in due:
                    group.create_task(self._guarded(one, choices))
        await self._note()
        if self.to_note:
            return 0.0
        left = min((one.try_at for one in (*self.waiting.values(), *self.open.values())), default=now + 1) - now
        return min(max(left, 0.01), 1.0)

    async def _guarded(self, one: Waiting, choices: Mapping[PodUid, PodChoice]) -> None:
        async with self.slots:
            try:
                await self._see_to(one, choices.get(one.pod.uid))
            except (Transient, Conflict, Refused) as error:
                one.failures += 1
                self._later(one, min(0.2 * 2 ** min(one.failures, 6), _LONGEST_PAUSE))
                log.warning("pod waits", pod=one.pod.name, namespace=one.pod.namespace, cause=str(error))

    async def _see_to(self, one: Waiting, choice: PodChoice | None) -> None:
        if one.pod.uid in self.open:
            await self._see_to_open(one, choice)
        elif choice is None:
            one.failures += 1  # Its attempt is not bound to its Job yet, or is over.
            self._later(one, min(_TURN_SECONDS * 2 ** min(one.failures, 6), _LONGEST_PAUSE))
        elif choice.pod_uid != one.pod.uid:
            await self._surplus(one, choice)
        elif choice.mine:
            await self._admit(one, choice)
        else:
            self._later(one, _TURN_SECONDS)

    async def _admit(self, one: Waiting, choice: PodChoice) -> None:
        pod = one.pod
        stands = await self.pods.bear_witness(pod, choice.withdrawn)
        if stands is not None and stands != pod.uid:
            await self._correct(one, stands)
            return
        let_go = stands is not None and await self.pods.admit(pod)
        self.waiting.pop(pod.uid, None)
        if let_go:
            now = self.monotonic()
            self.admitted[pod.uid] = now
            self.to_note[pod.uid] = one.claim
            self.meter.observe("pod_admission_seconds", now - one.since)
            log.info("pod let go", run=str(one.key.run_id), pod=pod.name, namespace=pod.namespace, job=pod.job_name)

    async def _correct(self, one: Waiting, stands: PodUid) -> None:
        """Believe the Job: the ledger has lost what was decided."""
        log.warning("the ledger has lost which pod was chosen", job=one.pod.job_name, pod_uid=stands)
        standing = await self.pods.of_job(one.pod.namespace, one.pod.job_uid)
        name = next((pod.name for pod in standing if pod.uid == stands), "")
        await self.ledger.correct_pod(PodClaim(one.key, one.pod.job_uid, stands, name))
        self._later(one, 0)

    async def _surplus(self, one: Waiting, choice: PodChoice) -> None:
        """Another pod is the chosen one: take its place if it never started, else go."""
        chosen = await self.pods.read(one.pod.namespace, choice.pod_name) if choice.pod_name else None
        if chosen is not None and chosen.uid != choice.pod_uid:
            chosen = None
        leaving = chosen is not None and chosen.deleting and chosen.unassigned
        if leaving or choice.pod_uid in self.unborn:
            await self.ledger.choose_again(choice.pod_uid, one.claim, ttl=self.claim)
            self._later(one, 0)
        elif chosen is None and self.monotonic() - one.since < _EVIDENCE_SECONDS:
            self._later(one, _TURN_SECONDS)
        else:
            # Where the chosen one is gone and may have run, nothing else would ever end this Job.
            await self.pods.discard(one.pod, counted=chosen is None)
            self.waiting.pop(one.pod.uid, None)
            await self._tell(one, Cause.HELD)

    async def _see_to_open(self, one: Waiting, choice: PodChoice | None) -> None:
        """Look who came without our gate: the chosen one let go by another replica, as a rule."""
        if choice is None and self.monotonic() - one.since < _LONGEST_PAUSE:
            self._later(one, _TURN_SECONDS)
            return
        del self.open[one.pod.uid]
        if choice is not None and choice.pod_uid != one.pod.uid:
            await self._tell(one, Cause.UNFOUNDED)

    async def _tell(self, one: Waiting, cause: Cause) -> None:
        further = FurtherPod(one.key, one.pod.job_uid, one.pod.uid, one.pod.name, cause)
        if (await self.ledger.note_pods([further])).get(one.pod.uid):
            self.meter.count("further_pods_total", cause=cause.value)
            facts = {"run": str(one.key.run_id), "namespace": one.pod.namespace, "job": one.pod.job_name}
            if cause is Cause.HELD:
                log.warning("further pod held back", pod=one.pod.name, **facts)
            else:
                log.warning("second pod of an attempt", cause=cause.value, pod=one.pod.name, **facts)

    async def _note(self) -> None:
        batch = dict(list(self.to_note.items())[:_BATCH])
        await self.ledger.pods_admitted(list(batch.values()))
        for uid in batch:
            self.to_note.pop(uid, None)

    def _later(self, one: Waiting, seconds: float) -> None:
        one.try_at = self.monotonic() + seconds

    def _forget(self, now: float) -> None:
        """Drop what is too old to matter."""
        _drop_older(self.unborn, now - _REMEMBERED_SECONDS)
        _drop_older(self.ours, now - _REMEMBERED_SECONDS)
        _drop_older(self.admitted, now - _REMEMBERED_SECONDS)


def _drop_older(known: dict[K, float], than: float) -> None:
    for key in [key for key, since in known.items() if since < than]:
        del known[key]


def claim_of(pod: PodView, key: AttemptKey) -> PodClaim:
    """Return a pod as the ledger is asked for it."""
    return PodClaim(key, pod.job_uid, pod.uid, pod.name)
