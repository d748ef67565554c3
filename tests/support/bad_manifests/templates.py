"""Job templates that cannot become Jobs, or not safely."""

from __future__ import annotations

from tests.support.bad_manifests.base import CONTAINER, GONE, JOB, POD, SPEC, BadManifest, condition, refused

_TEMPLATE = (*SPEC, "jobTemplate")
_SELECTOR = {"matchLabels": {"app": "report"}}
_MEMORY = {"limits": {"memory": "lots"}}
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
    condition("a NUL character, which no database can hold", (*CONTAINER, "env"), _NUL, field="spec.jobTemplate"),
]
