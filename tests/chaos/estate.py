"""The ScheduledJobs of a soak: many, of different shapes, in several namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.clients import Standing
from tests.support.place import manifest

_KEEP = 10
PERIODS = (5, 6, 10, 12, 15, 20)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of schedule that a soak has several of. `long`: its Jobs outlast the period."""

    name: str
    policy: str = "Allow"
    deadline: int | None = None
    simulate: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)


SHAPES = (
    Shape("plain"),
    Shape("plain-too", spec={"successfulJobsHistoryLimit": 1}),
    Shape("forbid", policy="Forbid", simulate={"simulate-seconds": "7"}),
    Shape("replace", policy="Replace", simulate={"simulate-seconds": "9"}),
    Shape("deadline", deadline=10),
    Shape("forbid-deadline", policy="Forbid", deadline=10, simulate={"simulate-seconds": "8"}),
    Shape("fails", simulate={"simulate": "fail"}),
    Shape("long", simulate={"simulate-seconds": "25"}),
    Shape("no-history", spec={"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0}),
    Shape("swept"),
)


def estate(dice: Random, count: int, namespaces: tuple[str, ...]) -> Iterator[Standing]:
    """Yield so many ScheduledJobs, the shapes by turns, periods and namespaces at random."""
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        period = dice.choice(PERIODS)
        namespace = dice.choice(namespaces)
        yield Standing(namespace, f"{shape.name}-{number}", body(f"{shape.name}-{number}", shape, period, dice))


def body(name: str, shape: Shape, period: int, dice: Random) -> dict[str, Any]:
    """Return the manifest of one."""
    steps = 60 % period == 0 and dice.random() < 0.5
    expression = f"*/{period} * * * * *" if steps else f"@every {period}s"
    spec = {"concurrencyPolicy": shape.policy, "successfulJobsHistoryLimit": _KEEP, **shape.spec}
    if shape.deadline is not None:
        spec["startingDeadlineSeconds"] = shape.deadline
    made = manifest(name, expression, simulate=shape.simulate, **spec)
    if shape.name == "swept":  # by the cluster itself, the moment it is over
        made["spec"]["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] = 0
    return made
