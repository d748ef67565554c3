"""People at work: each request is written down before it is sent and after its answer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tests.chaos.history import OF_SCHEDULES, Action, ClientOp, Phase, Spec
from tests.chaos.sighted import spec_of
from tools.devcluster.kubeapi import ApiError, Credentials, KubeApi
from tools.devcluster.manifests import collection

if TYPE_CHECKING:
    from tests.chaos.folder import Recorder

_NUMBERS = itertools.count(1)
_BACKGROUND = {"propagationPolicy": "Background"}
_TRIGGER = "ticklock.dev/trigger"


@dataclass(slots=True)
class Standing:
    """A ScheduledJob as its owner knows it."""

    namespace: str
    name: str
    body: dict[str, Any]
    """The manifest: what to create it from again."""
    uid: str = ""

    @property
    def collection(self) -> str:
        """Where its like stand: a CronJob is spoken to in the same way."""
        if self.body["kind"] == "CronJob":
            return f"/apis/batch/v1/namespaces/{self.namespace}/cronjobs"
        return collection(self.namespace)

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.name}"

    @property
    def spec(self) -> Spec:
        return spec_of(self.body["spec"])


@dataclass(slots=True)
class _Told:
    """What an operation says of itself in each of its phases."""

    action: Action
    namespace: str
    name: str
    schedule_uid: str | None = None
    object_uid: str | None = None
    spec: Spec | None = None
    trigger: str | None = None
    op: str = field(default_factory=lambda: f"op-{next(_NUMBERS)}")


class Client:
    """One person. Its methods return what the API server answered, None where it refused or did not answer."""

    def __init__(self, name: str, credentials: Credentials, recorder: Recorder, *, timeout: float = 10) -> None:
        self.name = name
        self.api = KubeApi(credentials, timeout=timeout)
        self._recorder = recorder

    def close(self) -> None:
        self.api.close()

    # ---------------------------------------------------------------------------------------------- ScheduledJobs

    def create(self, standing: Standing) -> dict[str, Any] | None:
        """Create it; its UID is known afterwards, if the answer came."""
        told = _Told(Action.CREATE, standing.namespace, standing.name, spec=standing.spec)
        answer = self._do(told, lambda: self.api.post(standing.collection, standing.body))
        if answer is not None:
            standing.uid = str(answer["metadata"]["uid"])
        return answer

    def edit(self, standing: Standing, action: Action = Action.EDIT, **spec: Any) -> dict[str, Any] | None:
        """Change fields of its spec."""
        wanted = {**standing.body, "spec": {**standing.body["spec"], **spec}}
        told = _Told(action, standing.namespace, standing.name, standing.uid, spec=spec_of(wanted["spec"]))
        answer = self._do(told, lambda: self.api.merge_patch(standing.path, {"spec": spec}))
        if answer is not None:
            standing.body, standing.uid = wanted, str(answer["metadata"]["uid"])
        return answer

    def suspend(self, standing: Standing) -> dict[str, Any] | None:
        return self.edit(standing, Action.SUSPEND, suspend=True)

    def resume(self, standing: Standing) -> dict[str, Any] | None:
        return self.edit(standing, Action.RESUME, suspend=False)

    def trigger(self, standing: Standing, value: str) -> dict[str, Any] | None:
        told = _Told(Action.TRIGGER, standing.namespace, standing.name, standing.uid, trigger=value)
        note = {"metadata": {"annotations": {_TRIGGER: value}}}
        answer = self._do(told, lambda: self.api.merge_patch(standing.path, note))
        if answer is not None:
            standing.uid = str(answer["metadata"]["uid"])
        return answer

    def delete(self, standing: Standing) -> dict[str, Any] | None:
        told = _Told(Action.DELETE, standing.namespace, standing.name, standing.uid)
        return self._do(told, lambda: self.api.delete(standing.path, _BACKGROUND))

    @contextmanager
    def deleting_namespace(self, namespace: str, inside: Sequence[Standing]) -> Iterator[None]:
        """Ask for a namespace to go, and with it all ScheduledJobs inside; whoever enters waits until it is gone."""
        going = [_Told(Action.DELETE, one.namespace, one.name, one.uid) for one in inside]
        for told in going:
            self._write(told, Phase.INVOKE)
        with suppress(ApiError, OSError):
            self.api.delete(f"/api/v1/namespaces/{namespace}")
        yield
        for told in going:
            self._write(told, Phase.OK)

    # ----------------------------------------------------------------------------------------------- Jobs and pods

    def delete_job(self, job: Mapping[str, Any]) -> dict[str, Any] | None:
        told = _of_job(Action.DELETE_JOB, job)
        return self._do(told, lambda: self.api.delete(job_path(job), {**_BACKGROUND, **_precondition(job)}))

    def strip_finalizer(self, job: Mapping[str, Any]) -> dict[str, Any] | None:
        """Take every finalizer off, ours too."""
        told = _of_job(Action.STRIP_FINALIZER, job)
        body = {"metadata": {"uid": job["metadata"]["uid"], "finalizers": None}}
        return self._do(told, lambda: self.api.merge_patch(job_path(job), body))

    def set_suspend(self, job: Mapping[str, Any], *, suspend: bool) -> dict[str, Any] | None:
        """Toggle what is ours to toggle."""
        told = _of_job(Action.SUSPEND_JOB if suspend else Action.LET_JOB_GO, job)
        body = {"metadata": {"uid": job["metadata"]["uid"]}, "spec": {"suspend": suspend}}
        return self._do(told, lambda: self.api.merge_patch(job_path(job), body))

    # ------------------------------------------------------------------------------------------------------- inside

    def _do(self, told: _Told, request: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        self._write(told, Phase.INVOKE)
        try:
            answer = request()
        except ApiError as refusal:
            # what the server itself could not finish may have happened all the same
            unknown = refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            self._write(told, Phase.INFO if unknown else Phase.FAIL, error=str(refusal))
            return None
        except OSError as problem:
            self._write(told, Phase.INFO, error=str(problem))
            return None
        self._write(told, Phase.OK, answer=answer)
        return answer

    def _write(
        self, told: _Told, phase: Phase, *, answer: Mapping[str, Any] | None = None, error: str | None = None
    ) -> None:
        meta = (answer or {}).get("metadata") or {}
        generation, created, uid = meta.get("generation"), None, told.schedule_uid or None
        if told.action is Action.CREATE and answer is not None:
            created = datetime.fromisoformat(meta["creationTimestamp"]).timestamp()
        if told.action in OF_SCHEDULES and "uid" in meta:
            uid = meta["uid"]  # an etcd that was set back may have brought an older object of the name back
        self._recorder.write(
            ClientOp(
                at=time.time(),
                source=self.name,
                op=told.op,
                phase=phase,
                action=told.action,
                namespace=told.namespace,
                name=told.name,
                schedule_uid=uid,
                object_uid=told.object_uid,
                spec=told.spec,
                generation=generation if told.spec is not None else None,
                created_at=created,
                trigger=told.trigger,
                error=error,
            )
        )


def job_path(job: Mapping[str, Any]) -> str:
    """Return where a Job stands."""
    meta = job["metadata"]
    return f"/apis/batch/v1/namespaces/{meta['namespace']}/jobs/{meta['name']}"


def _of_job(action: Action, job: Mapping[str, Any]) -> _Told:
    meta = job["metadata"]
    return _Told(action, meta["namespace"], meta["name"], object_uid=meta["uid"])


def _precondition(job: Mapping[str, Any]) -> dict[str, Any]:
    return {"preconditions": {"uid": job["metadata"]["uid"]}}
