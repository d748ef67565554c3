"""What people do: make schedules, edit, suspend, trigger and delete them, and meddle with Jobs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.simulation.apiserver import Body, Where
from tests.simulation.scenario import Plan
from ticklock.domain import names
from ticklock.domain.model import ScheduleUid, tick_key
from ticklock.domain.names import job_name

if TYPE_CHECKING:
    from tests.simulation.world import World

ACTOR = "people"
NAMESPACE = "shop"
_VERBS = (
    "edit",
    "edit",
    "suspend",
    "resume",
    "trigger",
    "delete",
    "recreate",
    "delete job",
    "let job go",
    "break",
    "bad template",
    "squat",
    "strip",
    "policy",
)


@dataclass(slots=True)
class People:
    """They use the API server as it is: no request of theirs is lost."""

    world: World
    chance: random.Random
    plans: dict[str, Plan] = field(default_factory=dict)
    edited: set[str] = field(default_factory=set)
    """UIDs of objects that were changed before the end."""
    meddled: set[str] = field(default_factory=set)
    """UIDs of Jobs that somebody let go by hand."""
    triggers: int = 0

    def begin(self) -> None:
        for plan in self.world.scenario.schedules:
            self.plans[plan.name] = plan
            self._make(plan)

    def _make(self, plan: Plan) -> None:
        at = Where(names.PLURAL, NAMESPACE, None, None)
        made = self.world.server.create(ACTOR, at, {"metadata": {"name": plan.name}, "spec": spec_of(plan)})
        words = f"{plan.expression} {plan.policy} deadline={plan.deadline} keep={plan.keep} ttl={plan.ttl}"
        self.world.tell(ACTOR, f"make {plan.name}", f"{words}, uid ...{made['metadata']['uid'][-4:]}")

    def act(self) -> None:
        """Do one thing to one schedule."""
        verb = self.chance.choice(_VERBS)
        name = self.chance.choice(sorted(self.plans))
        self.world.faults[f"people {verb}"] += 1
        self.world.tell(ACTOR, f"{verb} {name}")
        body = self.world.server.find(names.PLURAL, NAMESPACE, name)
        if body is None:
            if verb == "recreate":
                self._make(self.plans[name])
            return
        self._do(verb, name, body)

    def _do(self, verb: str, name: str, body: Body) -> None:
        match verb:
            case "edit":
                every = self.chance.choice((2, 3, 5))
                self._spec(name, {"schedule": f"@every {every}s"})
            case "policy":
                self._spec(name, {"concurrencyPolicy": self.chance.choice(("Allow", "Forbid", "Replace"))})
            case "break":
                self._spec(name, {"schedule": "99 99 * * *"})
            case "bad template":
                self._spec(name, {"jobTemplate": {"spec": job_of(self.plans[name], image="")}})
            case "suspend" | "resume":
                self._spec(name, {"suspend": verb == "suspend"})
            case "squat":
                self._squat(name, body)
            case "trigger":
                self.triggers += 1
                self._annotate(name, f"t{self.triggers}")
            case "delete" | "recreate":
                self.delete(name)
            case _:
                self._meddle(verb, body["metadata"]["uid"])

    def _spec(self, name: str, changes: Mapping[str, Any], *, noted: bool = True) -> None:
        key = (NAMESPACE, name)
        new = self.world.server.edit(
            ACTOR, names.PLURAL, key, lambda body: {**body, "spec": {**body["spec"], **changes}}
        )
        if new is not None and noted:
            self.edited.add(new["metadata"]["uid"])

    def _annotate(self, name: str, value: str) -> None:
        def changed(body: Body) -> Body:
            return {**body, "metadata": {**body["metadata"], "annotations": {names.TRIGGER: value}}}

        self.world.server.edit(ACTOR, names.PLURAL, (NAMESPACE, name), changed)

    def delete(self, name: str) -> None:
        self.world.server.delete(ACTOR, Where(names.PLURAL, NAMESPACE, name, None), {})

    def _meddle(self, verb: str, owner: str) -> None:
        """Do something to a Job of the schedule."""
        jobs = [
            job
            for _, job in sorted(self.world.server.objects["jobs"].items())
            if any(one["uid"] == owner for one in job["metadata"].get("ownerReferences") or ())
        ]
        if not jobs:
            return
        metadata = self.chance.choice(jobs)["metadata"]
        self.world.tell(ACTOR, f"{verb} {metadata['name']}")
        if verb == "delete job":
            self.world.server.delete(ACTOR, Where("jobs", NAMESPACE, metadata["name"], None), {})
        elif verb == "strip":
            key = (NAMESPACE, metadata["name"])
            self.world.server.edit(
                ACTOR, "jobs", key, lambda job: {**job, "metadata": {**job["metadata"], "finalizers": []}}
            )
        elif verb == "let job go":
            self.meddled.add(metadata["uid"])
            key = (NAMESPACE, metadata["name"])
            self.world.server.edit(ACTOR, "jobs", key, lambda job: {**job, "spec": {**job["spec"], "suspend": False}})

    def _squat(self, name: str, body: Body) -> None:
        """Take the name of the Job of one of the next ticks."""
        uid = ScheduleUid(body["metadata"]["uid"])
        tick = self.world.now().replace(microsecond=0) + timedelta(seconds=self.chance.choice((3, 4, 6)))
        taken = job_name(name, tick, self.world.book.cluster, uid, tick_key(tick), 1)
        if self.world.server.find("jobs", NAMESPACE, taken) is None:
            spec = {**job_of(self.plans[name]), "suspend": True}
            self.world.server.create(
                ACTOR, Where("jobs", NAMESPACE, None, None), {"metadata": {"name": taken}, "spec": spec}
            )

    def finish(self) -> None:
        """Ask everything to come to an end: one schedule is deleted, the others are suspended."""
        self.world.tell(ACTOR, "finish")
        for number, name in enumerate(sorted(self.plans)):
            if self.world.server.find(names.PLURAL, NAMESPACE, name) is None:
                continue
            if number == 0 and self.chance.random() < 0.3:
                self.delete(name)
            else:
                self._spec(name, {"suspend": True}, noted=False)


def job_of(plan: Plan, image: str = "busybox") -> dict[str, Any]:
    job: dict[str, Any] = {
        "backoffLimit": plan.backoff_limit,
        "template": {"spec": {"containers": [{"name": "main", "image": image}], "restartPolicy": "Never"}},
    }
    if plan.ttl is not None:
        job["ttlSecondsAfterFinished"] = plan.ttl
    return job


def spec_of(plan: Plan) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "schedule": plan.expression,
        "concurrencyPolicy": plan.policy,
        "successfulJobsHistoryLimit": plan.keep,
        "failedJobsHistoryLimit": plan.keep,
        "jobTemplate": {"spec": job_of(plan)},
    }
    if plan.deadline is not None:
        spec["startingDeadlineSeconds"] = plan.deadline
    return spec
