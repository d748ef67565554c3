"""The Job of an attempt, built from the schedule's template.

The stored template is never changed and never copied whole: only the mappings on the way to a change are rebuilt, the
rest is shared with the result. Whoever gets the result must not change it in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ticklock.domain import names
from ticklock.domain.errors import Refused
from ticklock.domain.instants import format_instant
from ticklock.domain.model import LaunchPolicy
from ticklock.domain.strictness import strict_pod, strict_spec

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from ticklock.domain.model import AttemptKey, ClusterId, ObjectRef

JOB_CONTROLLER = "kubernetes.io/job-controller"
"""The only `managedBy` for which `suspend` is known to hold pods back."""

KUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Kueue owns `suspend` of the Jobs that carry it, and `suspend` is our gate."""

_POD = "jobTemplate.spec.template"


class Order(Protocol):
    """What must be known of an attempt to make its Job."""

    @property
    def key(self) -> AttemptKey:
        """Run id and number of the attempt."""

    @property
    def run_key(self) -> str:
        """Which run of the schedule it is."""

    @property
    def ref(self) -> ObjectRef:
        """The ScheduledJob, which will own the Job."""

    @property
    def generation(self) -> int:
        """Generation of the spec that the template is from."""

    @property
    def stage(self) -> int:
        """Version of what the attempt is to start."""

    @property
    def token(self) -> int:
        """The claim token: it only grows, so that a resource can refuse an older one."""

    @property
    def scheduled_time(self) -> datetime:
        """The tick."""

    @property
    def job_template(self) -> Mapping[str, Any]:
        """The template as stored."""

    @property
    def launch_policy(self) -> LaunchPolicy:
        """What may start once at most."""


def build_job(order: Order, *, cluster: ClusterId, job_name: str, zone: tzinfo | None = None) -> dict[str, Any]:
    """Return the manifest of the suspended Job that may become this attempt.

    `zone` is the schedule's, for CronJob's annotation; UTC where not known. Raises Refused, naming the field, where the
    template cannot become a Job. Whether the API server accepts what it says is not checked here.
    """
    template = order.job_template
    spec = _mapping(template, "spec", "jobTemplate")
    pod = _pod_template(spec)
    pod_spec = _with_environment(pod["spec"], _environment(order))
    if order.launch_policy is LaunchPolicy.STRICT_POD:
        spec, pod_spec = strict_spec(spec), strict_pod(pod_spec)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(order, cluster, job_name, zone),
        "spec": {
            **spec,
            "suspend": True,
            "podReplacementPolicy": spec.get("podReplacementPolicy") or "Failed",
            "template": {**pod, "metadata": _pod_metadata(order, pod), "spec": pod_spec},
        },
    }


def check_template(template: object) -> None:
    """Raise Refused, naming the field and the mend, where no Job can be made of a jobTemplate."""
    if not isinstance(template, Mapping):
        raise Refused(f"spec.jobTemplate must be an object, not {_kind(template)}")
    spec = _mapping(template, "spec", "jobTemplate")
    pod = _pod_template(spec)
    _with_environment(pod["spec"], ())
    for field in ("labels", "annotations"):
        _texts(_mapping(template, "metadata", "jobTemplate", optional=True), field)
        _texts(_mapping(pod, "metadata", _POD, optional=True), field, _POD)
    if not isinstance(spec.get("suspend"), bool | None):
        raise Refused("spec.jobTemplate.spec.suspend must be true or false")
    if spec.get("managedBy") not in (None, JOB_CONTROLLER):
        raise Refused(
            f"spec.jobTemplate.spec.managedBy must be {JOB_CONTROLLER!r} or absent: "
            "no other controller is known to leave a suspended Job alone",
        )
    if KUEUE_LABEL in _texts(_mapping(template, "metadata", "jobTemplate", optional=True), "labels"):
        raise Refused(
            f"spec.jobTemplate.metadata.labels[{KUEUE_LABEL!r}] must be absent: Kueue lets suspended Jobs go "
            "by itself, so nothing could keep such a run from starting twice",
        )


def waits_for_user(template: Mapping[str, Any]) -> bool:
    """Whether the template itself says `suspend: true`: then the launched Job still waits for a person."""
    spec = template.get("spec")
    return isinstance(spec, Mapping) and spec.get("suspend") is True


def _metadata(order: Order, cluster: ClusterId, job_name: str, zone: tzinfo | None) -> dict[str, Any]:
    given = _mapping(order.job_template, "metadata", "jobTemplate", optional=True)
    return {
        "name": job_name,
        "namespace": order.ref.namespace,
        "labels": {
            names.LABEL_MANAGED_BY: names.MANAGER,
            **_texts(given, "labels"),
            **_schedule_label(order),
        },
        "annotations": {**_texts(given, "annotations"), **_annotations(order, cluster, zone)},
        "finalizers": [names.FINALIZER],
        "ownerReferences": [
            {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": order.ref.name,
                "uid": order.ref.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            },
        ],
    }


def _pod_metadata(order: Order, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Let a pod say which attempt it is of: so our pods can be watched, and a second one noticed."""
    given = _mapping(pod, "metadata", _POD, optional=True)
    return {
        **given,
        "labels": {
            **_texts(given, "labels", _POD),
            **_schedule_label(order),
            **_policy_label(order),
        },
        "annotations": {
            **_texts(given, "annotations", _POD),
            names.RUN_ID: str(order.key.run_id),
            names.ATTEMPT: str(order.key.n),
        },
    }


def _policy_label(order: Order) -> dict[str, str]:
    strict = order.launch_policy is LaunchPolicy.STRICT_POD
    return {names.LABEL_LAUNCH_POLICY: order.launch_policy.value} if strict else {}


def _schedule_label(order: Order) -> dict[str, str]:
    return {names.LABEL_SCHEDULE: order.ref.name[:63].rstrip("-.")}


def _annotations(order: Order, cluster: ClusterId, zone: tzinfo | None) -> dict[str, str]:
    local = order.scheduled_time if zone is None else order.scheduled_time.astimezone(zone)
    in_zone = format_instant(order.scheduled_time) if zone is None else local.isoformat(timespec="seconds")
    return {
        names.RUN_ID: str(order.key.run_id),
        names.RUN_KEY: order.run_key,
        names.ATTEMPT: str(order.key.n),
        names.STAGE: str(order.stage),
        names.GENERATION: str(order.generation),
        names.CLUSTER: str(cluster),
        names.SCHEDULED_TIME: format_instant(order.scheduled_time),
        names.CRONJOB_SCHEDULED_TIME: in_zone,
        # Always there, so that a launch can test it in the same request that lets the Job go.
        names.USER_SUSPEND: "true" if waits_for_user(order.job_template) else "false",
        **({names.POD: ""} if order.launch_policy is LaunchPolicy.STRICT_POD else {}),
    }


def _environment(order: Order) -> tuple[dict[str, str], ...]:
    return (
        {"name": names.ENV_RUN_ID, "value": str(order.key.run_id)},
        {"name": names.ENV_SCHEDULED_TIME, "value": format_instant(order.scheduled_time)},
        {"name": names.ENV_ATTEMPT, "value": str(order.key.n)},
        {"name": names.ENV_FENCING_TOKEN, "value": str(order.token)},
    )


def _with_environment(pod: Mapping[str, Any], ours: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Give every container our variables; those a container defines itself stay the user's."""
    changed = dict(pod)
    for field in ("containers", "initContainers"):
        if pod.get(field) is not None:
            changed[field] = [_container(one, ours, f"{field}[{at}]") for at, one in enumerate(_items(pod, field))]
    return changed


def _container(container: object, ours: Sequence[Mapping[str, str]], path: str) -> dict[str, Any]:
    where = f"spec.jobTemplate.spec.template.spec.{path}"
    if not isinstance(container, Mapping):
        raise Refused(f"{where} must be an object, not {_kind(container)}")
    env = container.get("env")
    if env is None:
        env = ()
    if not isinstance(env, Sequence) or isinstance(env, str) or not all(isinstance(one, Mapping) for one in env):
        raise Refused(f"{where}.env must be a list of objects")
    taken = {one.get("name") for one in env}
    # Ours first: a variable may refer only to those defined before it.
    return {**container, "env": [*(one for one in ours if one["name"] not in taken), *env]}


def _pod_template(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    pod = _mapping(spec, "template", "jobTemplate.spec")
    _mapping(pod, "spec", "jobTemplate.spec.template")
    return pod


def _mapping(parent: Mapping[str, Any], field: str, path: str, *, optional: bool = False) -> Mapping[str, Any]:
    value = parent.get(field)
    if value is None and optional:
        return {}
    if not isinstance(value, Mapping):
        raise Refused(f"spec.{path}.{field} must be an object, not {_kind(value)}")
    return value


def _texts(metadata: Mapping[str, Any], field: str, path: str = "jobTemplate") -> Mapping[str, str]:
    value = _mapping(metadata, field, f"{path}.metadata", optional=True)
    for key, text in value.items():
        if not isinstance(text, str):
            raise Refused(f"spec.{path}.metadata.{field}[{key!r}] must be a text: put it in quotes")
    return value


def _items(pod: Mapping[str, Any], field: str) -> Sequence[Any]:
    value = pod[field]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Refused(f"spec.jobTemplate.spec.template.spec.{field} must be a list, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    """Name a JSON value's type for people."""
    match value:
        case None:
            return "absent"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case _:
            return "a list"
