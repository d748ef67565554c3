"""What a case is, and the good manifest that each of them spoils in one place."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Outcome: TypeAlias = Literal["refused", "condition"]
Path: TypeAlias = tuple[str | int, ...]

GONE = object()
"""Put in a place, it removes the place."""

SPEC: Path = ("spec",)
JOB: Path = ("spec", "jobTemplate", "spec")
POD: Path = (*JOB, "template", "spec")
CONTAINER: Path = (*POD, "containers", 0)


@dataclass(frozen=True, slots=True)
class BadManifest:
    """One malformed manifest: `name` in plain words, and the field that the complaint must name."""

    name: str
    manifest: dict[str, Any]
    outcome: Outcome
    field: str


def valid_manifest(name: str = "spoilt") -> dict[str, Any]:
    """Return a new manifest with nothing wrong in it."""
    container = {"name": "main", "image": "busybox:1.37", "command": ["true"]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "ticklock.dev/v1",
        "kind": "ScheduledJob",
        "metadata": {"name": name},
        "spec": {"schedule": "30 2 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }


def refused(name: str, at: Path, value: object, *, field: str) -> BadManifest:
    """Return a case for the API server: the valid manifest with this value at this place."""
    return BadManifest(name, _with(at, value), "refused", field)


def condition(name: str, at: Path, value: object, *, field: str) -> BadManifest:
    """Return a case for the controller."""
    return BadManifest(name, _with(at, value), "condition", field)


def _with(at: Path, value: object) -> dict[str, Any]:
    manifest = valid_manifest()
    place: Any = manifest
    for step in at[:-1]:
        place = place[step]
    if value is GONE:
        del place[at[-1]]
    else:
        place[at[-1]] = deepcopy(value)
    return manifest
