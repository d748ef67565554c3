"""What people do to schedules and to Jobs that are ours; the API server allows all of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from tests.chaos.estate import PERIODS
from tests.chaos.faults.fault import Details, fault
from tests.chaos.history import Target
from tests.chaos.sighted import is_ours
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import create_namespace, has_account
from tools.devcluster.process import wait_until

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground

_GONE_SECONDS = 240.0
"""Kubernetes waits for pods, then for finalizers, in rounds of 8 to 16 s; each fault of the meantime adds its own."""
_QUOTA = "nothing-more"
_NOT_FOUND = 404


@fault(Target.PEOPLE, hold=(0, 0))
def job_deleted(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody deletes a Job: staged, running or over, as it comes."""
    yield _told(job := _job(ground, dice))
    if job is not None:
        ground.people.delete_job(job)


@fault(Target.PEOPLE, hold=(0, 0))
def finalizer_stripped(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody takes the finalizers off a Job and deletes it: nobody can see how it ended."""
    yield _told(job := _job(ground, dice))
    if job is not None and ground.people.strip_finalizer(job) is not None:
        ground.people.delete_job(job)


@fault(Target.PEOPLE, hold=(2, 6))
def job_suspended(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody suspends a Job that runs, and lets it go again."""
    job = _job(ground, dice, suspended=False)
    if job is not None:
        ground.people.set_suspend(job, suspend=True)
    yield _told(job)
    if job is not None:
        ground.people.set_suspend(job, suspend=False)


@fault(Target.PEOPLE, hold=(0, 0))
def job_let_go_early(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody lets a staged Job go before its tick."""
    yield _told(job := _job(ground, dice, suspended=True))
    if job is not None:
        ground.people.set_suspend(job, suspend=False)


@fault(Target.PEOPLE, hold=(0, 0), for_cronjob=True)
def schedule_edited(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody changes a schedule's expression, its policy or its template in the middle."""
    one = dice.choice(ground.estate)
    change = dice.choice(("schedule", "policy", "template"))
    yield {"schedule": one.name, "change": change}
    if change == "schedule":
        ground.people.edit(one, schedule=ground.expression(dice.choice(PERIODS)))
    elif change == "policy":
        ground.people.edit(one, concurrencyPolicy=dice.choice(("Allow", "Forbid", "Replace")))
    else:
        ground.people.edit(one, jobTemplate=_with_note(one.body["spec"]["jobTemplate"], str(dice.random())))


@fault(Target.PEOPLE, hold=(4, 12), for_cronjob=True)
def schedule_suspended(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody suspends a schedule, and resumes it."""
    one = dice.choice(ground.estate)
    ground.people.suspend(one)
    yield {"schedule": one.name}
    ground.people.resume(one)


@fault(Target.PEOPLE, hold=(0, 0))
def run_triggered(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody asks for a run now."""
    one, value = dice.choice(ground.estate), f"asked-{dice.getrandbits(32):08x}"
    yield {"schedule": one.name, "value": value}
    ground.people.trigger(one, value)


@fault(Target.PEOPLE, hold=(0, 0), for_cronjob=True)
def schedule_recreated(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody deletes a schedule and creates it again under the same name."""
    one = dice.choice(ground.estate)
    yield {"schedule": one.name}
    if ground.people.delete(one) is not None:
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not _there(ground, one.path), what="the object is gone", seconds=10)
        ground.people.create(one)


@fault(Target.PEOPLE, hold=(0, 0), for_cronjob=True)
def namespace_recreated(ground: Ground, dice: Random) -> Iterator[Details]:
    """Somebody deletes a namespace with all that is in it, and creates it again."""
    namespace = ground.doomed_namespace
    inside = [one for one in ground.estate if one.namespace == namespace]
    yield {"namespace": namespace, "schedules": [one.name for one in inside]}
    with ground.people.deleting_namespace(namespace, inside):
        gone = f"/api/v1/namespaces/{namespace}"
        # again and again: the first request may have gone with an etcd that was set back
        wait_until(lambda: _removed(ground, gone), what="the namespace is gone", seconds=_GONE_SECONDS, interval=1.0)
    wait_until(lambda: _stands(ground, namespace), what="the namespace stands again", seconds=_GONE_SECONDS)
    for one in inside:
        ground.people.create(one)


@fault(Target.API_SERVER, hold=(6, 15), for_cronjob=True)
def quota_full(ground: Ground, dice: Random) -> Iterator[Details]:
    """A quota lets nobody create a Job in one namespace."""
    namespace = dice.choice(ground.namespaces)
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    quota = {"metadata": {"name": _QUOTA}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    with contextlib.suppress(ApiError, OSError):
        ground.cluster.api.post(path, quota)
    yield {"namespace": namespace}
    wait_until(lambda: _removed(ground, f"{path}/{_QUOTA}"), what="the quota is gone", seconds=_GONE_SECONDS)


def _job(ground: Ground, dice: Random, *, suspended: bool | None = None) -> dict[str, Any] | None:
    """Return one of the Jobs that are ours, None where there is none or nobody answers."""
    path = f"/apis/batch/v1/namespaces/{dice.choice(ground.namespaces)}/jobs"
    try:
        found = ground.people.api.get(path)["items"]
    except (ApiError, OSError):
        return None
    fitting = [
        job
        for job in sorted(found, key=lambda job: str(job["metadata"]["name"]))
        if (is_ours(job) or ground.contender)
        and (suspended is None or bool(job["spec"].get("suspend")) is suspended)
        and (suspended is not False or not (job.get("status") or {}).get("completionTime"))
    ]
    return dice.choice(fitting) if fitting else None


def _told(job: dict[str, Any] | None) -> Details:
    return {"job": job["metadata"]["name"], "uid": job["metadata"]["uid"]} if job is not None else {"job": None}


def _with_note(template: dict[str, Any], value: str) -> dict[str, Any]:
    meta = template.get("metadata") or {}
    return {**template, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), "edited": value}}}


def _there(ground: Ground, path: str) -> bool:
    try:
        ground.cluster.api.get(path)
    except ApiError as refusal:
        return refusal.status != _NOT_FOUND
    except OSError:
        return True
    return True


def _stands(ground: Ground, namespace: str) -> bool:
    with contextlib.suppress(ApiError, OSError):
        create_namespace(ground.cluster, namespace)
        return has_account(ground.cluster, namespace)
    return False


def _removed(ground: Ground, path: str) -> bool:
    with contextlib.suppress(ApiError, OSError):
        ground.cluster.api.delete(path)
    return not _there(ground, path)
