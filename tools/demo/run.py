"""One run of the demo: watch and show, close the books."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tools.demo.books import Books, Facts, close, due_ticks
from tools.demo.facts import Death, RunName, Schedule
from tools.demo.ledger import Ledger
from tools.demo.outside import JobBook, schedule_of
from tools.demo.picture import Picture, ReplicaRow, schedule_rows
from tools.demo.screen import Screen
from tools.demo.script import Blow, Plan
from tools.demo.summary import Ending, Shown
from tools.demo.tail import LogTail
from tools.devcluster.installation import Installation
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import EXAMPLES, collection, has_account
from tools.devcluster.replica import Replica
from tools.devcluster.watching import Watch

NAMESPACE = "default"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
_TRIGGER = "ticklock.dev/trigger"
_TRIGGER_VALUE = "demo"
_INTERVAL = 0.5
_FINISH_SECONDS = 12.0
"""A tick so close to the end does not count as one in time: its run would not be seen to finish."""
_SETTLE_SECONDS, _SETTLE_AFTER_DEATH = 5.0, 14.0
_FACTS = 8
_SHAPES = ("never-two", "ConcurrencyForbidden"), ("fails", "JobFailed")
"""Examples, and the reason that each must be seen with."""


def apply_examples(installation: Installation, seconds: float) -> frozenset[RunName]:
    """Apply the examples as a user does, and trigger those that would not tick in this time; return the triggers."""
    cluster = installation.cluster
    cluster.wait(lambda: has_account(cluster, NAMESPACE), "the namespace has its ServiceAccount")
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", str(EXAMPLES))
    soon = time.time() + seconds - _FINISH_SECONDS
    schedules = [schedule_of(item) for item in cluster.api.get(collection(NAMESPACE))["items"]]
    idle = [one for one in schedules if not due_ticks([one], soon)]
    if idle:
        names = sorted(one.name for one in idle)
        cluster.kubectl("annotate", "-n", NAMESPACE, "sjob", *names, f"{_TRIGGER}={_TRIGGER_VALUE}")
    return frozenset(RunName(one.uid, f"trigger:{_TRIGGER_VALUE}") for one in idle)


@dataclass(slots=True)
class Demo:
    """Watches one run. `watch` must have been started and feed `jobs`."""

    installation: Installation
    screen: Screen
    ledger: Ledger
    jobs: JobBook
    watch: Watch
    blow: Blow
    tail: LogTail
    triggers: frozenset[RunName]
    start: float
    items: Sequence[dict[str, Any]] = ()
    leader: Replica | None = None
    claims: dict[RunName, Death] = field(default_factory=dict)
    mishaps: list[str] = field(default_factory=list)
    _missed: set[str] = field(default_factory=set)

    @property
    def plan(self) -> Plan:
        """When what happens."""
        return self.blow.plan

    @property
    def schedules(self) -> list[Schedule]:
        """The ScheduledJobs as last seen."""
        return [schedule_of(item) for item in self.items]

    # ------------------------------------------------------------------------------------------------ watching

    def play(self, stop: threading.Event) -> None:
        """Show it, until the end of the plan or until asked to stop."""
        while True:
            self.look()
            now = time.time()
            self.screen.show(self.picture(now))
            if stop.wait(max(min(_INTERVAL, self.plan.end - now), 0)) or time.time() >= self.plan.end:
                return

    def look(self) -> None:
        """Gather what servers and replicas show; what does not answer keeps its last state."""
        try:
            self.items = self.installation.cluster.api.get(collection(NAMESPACE))["items"]
            self.leader = self.installation.leader()
            self.ledger.read()
        except (OSError, ApiError, psycopg.Error) as problem:
            self._mishap("looking", f"a server did not answer: {problem}")
        dead = {death.replica: death for death in self.blow.deaths}
        for entry in self.ledger.entries.values():
            if entry.claimed_by in dead:
                self.claims.setdefault(entry.run, dead[entry.claimed_by])
        self.tail.read()
        for replica in self.installation.replicas:
            if not replica.alive and replica.pod != self.blow.down:
                self._mishap(replica.pod, f"{replica.pod} ended by itself; its log ends: {replica.log_tail(600)}")
        if self.watch.failure is not None:
            self._mishap("watch", f"the demo's own watch ended: {self.watch.failure!r}")

    def _mishap(self, what: str, sentence: str) -> None:
        if what not in self._missed:
            self._missed.add(what)
            self.mishaps.append(sentence)
            self.screen.say(f"!!! {sentence}")

    def picture(self, now: float) -> Picture:
        """Put together what is shown now."""
        launches = self.jobs.launches()
        return Picture(
            elapsed=max(now - self.start, 0),
            total=self.plan.end - self.start,
            kubeconfig=str(self.installation.cluster.kubeconfig),
            next_step=self.blow.next_step(now),
            schedules=schedule_rows(self.items, launches, self.ledger, now=now),
            replicas=[self._replica_row(replica) for replica in self.installation.replicas],
            facts=[str(fact) for fact in self.tail.last(_FACTS)],
        )

    def _replica_row(self, replica: Replica) -> ReplicaRow:
        launched = [e for e in self.ledger.entries.values() if self._base_pod(e.launched_by) == replica.pod]
        return ReplicaRow(
            pod=replica.pod,
            role=self._role(replica),
            pid=replica.pid if replica.alive else 0,
            launched=len(launched),
            megabytes=replica.memory >> 20,
        )

    def _role(self, replica: Replica) -> str:
        if not replica.alive:
            return "killed"
        return "leads" if replica is self.leader else "follows"

    def _base_pod(self, replica: str | None) -> str | None:
        life = self.ledger.lives.get(replica or "")
        return life.pod if life else None

    # ------------------------------------------------------------------------------------------------ the end

    def settle(self, end: float) -> Books:
        """Wait a moment for the ticks that are due just now, then close the books at `end`."""
        recent = any(death.at > end - _SETTLE_AFTER_DEATH for death in self.blow.deaths)
        deadline = time.time() + (_SETTLE_AFTER_DEATH if recent else _SETTLE_SECONDS)
        while True:
            self.look()
            books = close(self.facts(end))
            if not books.missing and books.triggers_launched == books.triggers:
                return books
            if time.time() > deadline:
                return books
            time.sleep(_INTERVAL / 2)

    def facts(self, end: float) -> Facts:
        """Return all that was seen."""
        launches = self.jobs.launches()
        return Facts(
            self.schedules, launches, self.ledger.entries, self.blow.deaths, self.triggers, end, claims=self.claims
        )

    def ending(self, books: Books, *, start_seconds: float, cold: bool, whole: bool) -> Ending:
        """Return what the summary speaks of."""
        return Ending(
            books=books,
            deaths=self.blow.deaths,
            shown=[*self._shown(), Shown("the leader killed, and back", seen=self._came_back())],
            start_seconds=start_seconds,
            cold=cold,
            whole=whole,
            mishaps=self.mishaps,
            schedules={schedule.uid: schedule.name for schedule in self.schedules},
            pods={replica: self.ledger.pod_of(replica) or replica for replica in self.ledger.lives},
        )

    def _shown(self) -> list[Shown]:
        events = self.installation.cluster.api.get(_EVENTS)["items"]
        seen = {(event["regarding"].get("name"), event["reason"]) for event in events}
        return [Shown(f"{name} with {reason}", seen=(name, reason) in seen) for name, reason in _SHAPES]

    def _came_back(self) -> bool:
        dead = {death.pod for death in self.blow.deaths}
        return bool(dead) and all(replica.ready() for replica in self.installation.replicas if replica.pod in dead)
