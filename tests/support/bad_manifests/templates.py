"""Job templates that cannot become Jobs, or not safely."""

from __future__ import annotations

from typing import Any

from tests.support.bad_manifests.base import (
    CONTAINER,
    GONE,
    JOB,
    POD,
    SPEC,
    BadManifest,
    condition,
    refused,
    valid_manifest,
)

_TEMPLATE = (*SPEC, "jobTemplate")
_SELECTOR = {"matchLabels": {"app": "report"}}
_MEMORY = {"limits": {"memory": "lots"}}
_IGNORE = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
_GATES = [{"name": "ticklock.dev/launch"}]


def strict(pod: dict[str, Any] | None = None, /, **job: Any) -> dict[str, Any]:
    """A spec of launchPolicy StrictPod with this in its Job and pod."""
    spec: dict[str, Any] = valid_manifest()["spec"]
    spec["launchPolicy"] = "StrictPod"
    spec["jobTemplate"]["spec"].update(job)
    spec["jobTemplate"]["spec"]["template"]["spec"].update(pod or {})
    return spec


_NUL = [{"name": "SEPARATOR", "value": "a\0b"}]

TEMPLATES: list[BadManifest] = [
    refused("job template is missing", _TEMPLATE, GONE, field="spec.jobTemplate"),
    refused("job template is a list", _TEMPLATE, [], field="spec.jobTemplate"),
    refused("pod template is missing", (*JOB, "template"), GONE, field="spec.jobTemplate.spec.template"),
    refused("restart policy is Always", (*POD, "restartPolicy"), "Always", field="restartPolicy"),
    refused("restart policy is left out", (*POD, "restartPolicy"), GONE, field="restartPolicy"),
    refused("there are no containers", (*POD, "containers"), [], field="containers"),
    refused("containers are left out", (*POD, "containers"), GONE, field="containers"),
    refused("container has no image", (*CONTAINER, "image"), GONE, field="containers[0].image"),
    refused("command is one string", (*CONTAINER, "command"), "true", field="containers[0].command"),
    refused("memory limit is no quantity", (*CONTAINER, "resources"), _MEMORY, field="resources.limits.memory"),
    refused("managed by somebody else", (*JOB, "managedBy"), "example.com/jobs", field="managedBy"),
    refused("selector is set", (*JOB, "selector"), _SELECTOR, field="selector"),
    refused("manual selector is true", (*JOB, "manualSelector"), True, field="manualSelector"),  # noqa: FBT003
    refused("backoff limit is negative", (*JOB, "backoffLimit"), -1, field="backoffLimit"),
    refused("indexed without completions", (*JOB, "completionMode"), "Indexed", field="completions"),
    *(
        refused(f"StrictPod, but {words}", SPEC, strict(**{field: number}), field=f"spec.jobTemplate.spec.{field}")
        for words, field, number in (
            ("a failed pod is tried again", "backoffLimit", 1),
            ("there are two completions", "completions", 2),
            ("there are two pods at a time", "parallelism", 2),
        )
    ),
    refused(
        "StrictPod, but containers start again", SPEC, strict({"restartPolicy": "OnFailure"}), field="restartPolicy"
    ),
    refused("StrictPod, but the node is named", SPEC, strict({"nodeName": "node-0"}), field="nodeName"),
    condition(
        "StrictPod, but failures are ignored", SPEC, strict(podFailurePolicy=_IGNORE), field="podFailurePolicy.rules[0]"
    ),
    condition("StrictPod, but our gate is there", SPEC, strict({"schedulingGates": _GATES}), field="schedulingGates"),
    condition("a NUL character, which no database can hold", (*CONTAINER, "env"), _NUL, field="spec.jobTemplate"),
]
