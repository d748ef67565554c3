"""What launchPolicy StrictPod asks of a template, and what it puts into it.

At most one pod of an attempt may start. So a template that asks for more than one, or for another after a failure, is
refused rather than quietly followed in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ticklock.domain import names
from ticklock.domain.errors import Refused

_SPEC = "spec.jobTemplate.spec"
_WHERE = "where spec.launchPolicy is StrictPod"
_GATE = {"name": names.POD_GATE}
_ONCE = {
    "backoffLimit": (0, "a failed pod is not followed by another"),
    "backoffLimitPerIndex": (0, "a failed pod is not followed by another"),
    "completions": (1, "only one pod may start"),
    "parallelism": (1, "only one pod may start"),
}


def check_strict(template: Mapping[str, Any]) -> None:
    """Raise Refused, naming field and mend, where a jobTemplate asks for more than one start of one pod.

    The template must have passed `check_template`.
    """
    spec = template["spec"]
    for field, (only, why) in _ONCE.items():
        if spec.get(field) not in (None, only):
            raise Refused(f"{_SPEC}.{field} must be {only} or absent {_WHERE}: {why}")
    policy = spec.get("podFailurePolicy")
    rules = policy.get("rules") if isinstance(policy, Mapping) else None
    for at, rule in enumerate(_listed(rules)):
        if isinstance(rule, Mapping) and rule.get("action") == "Ignore":
            raise Refused(
                f"{_SPEC}.podFailurePolicy.rules[{at}].action must not be Ignore {_WHERE}: "
                "a failure that is ignored is followed by another pod"
            )
    _check_pod(spec["template"]["spec"])


def _check_pod(pod: Mapping[str, Any]) -> None:
    at = f"{_SPEC}.template.spec"
    if pod.get("restartPolicy") != "Never":
        raise Refused(f"{at}.restartPolicy must be Never {_WHERE}: else its containers start again in the same pod")
    if pod.get("nodeName"):
        raise Refused(
            f"{at}.nodeName must be absent {_WHERE}: a pod that has its node cannot wait; use nodeSelector instead"
        )
    gates = [gate.get("name") for gate in _listed(pod.get("schedulingGates")) if isinstance(gate, Mapping)]
    if names.POD_GATE in gates:
        raise Refused(f"{at}.schedulingGates must not have {names.POD_GATE}: it is put there where it is needed")


def strict_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Job's spec whose failure is final, as StrictPod wants it."""
    return {**spec, "backoffLimit": 0}


def strict_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod's spec with our scheduling gate behind those that it has."""
    return {**pod, "schedulingGates": [*_listed(pod.get("schedulingGates")), _GATE]}


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
