"""The Job that everybody launches: one pod, done as soon as a node has seen it."""

from typing import Any

NAMESPACE = "bench"
JOB: dict[str, Any] = {
    "backoffLimit": 0,
    "template": {
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "busybox:1.37", "command": ["sh", "-c", "date -u"]}],
        }
    },
}
