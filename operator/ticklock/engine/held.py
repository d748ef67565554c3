"""What a Job that carries our finalizer is waiting for, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from ticklock.ports import JobView


class Held(StrEnum):
    """Where a held Job stands. Each is counted from another moment."""

    STAGED = "staged"
    """Suspended, and never started; since it was created."""
    RUNNING = "running"
    """Since it started; also while its user pauses it."""
    FINISHED = "finished"
    """Its end is to be recorded and witnessed; since it ended."""
    DELETING = "deleting"
    """Somebody waits for it to go; since they asked."""


def standing(job: JobView) -> Held:
    """Tell where a Job stands."""
    if job.deleting:
        return Held.DELETING
    if job.finished is not None:
        return Held.FINISHED
    return Held.STAGED if as_staged(job) else Held.RUNNING


def as_staged(job: JobView) -> bool:
    """Tell whether a suspended Job never started. Its spec was never changed, so it was never let go.

    Its start time tells nothing: Kubernetes takes it away when somebody suspends a Job that runs.
    """
    return job.suspended and job.generation == 1


def since(job: JobView) -> datetime | None:
    """Return the moment from which its standing counts."""
    match standing(job):
        case Held.DELETING:
            return job.deleting_since
        case Held.FINISHED:
            return job.finished_at
        case Held.RUNNING:
            return job.started_at or job.created_at
        case Held.STAGED:
            return job.created_at


def ages(held: Iterable[JobView], now: datetime) -> dict[Held, float]:
    """Return the seconds of the oldest in each standing; 0 where there is none."""
    oldest = dict.fromkeys(Held, 0.0)
    for job in held:
        if (moment := since(job)) is not None:
            place = standing(job)
            oldest[place] = max(oldest[place], (now - moment).total_seconds())
    return oldest
