"""How a Job ended, if it did."""

from __future__ import annotations

from ticklock.domain.model import AttemptState
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, JobView


def ending_of(job: JobView) -> Ending | None:
    """Read the end of a Job of ours: its final condition, else its deletion. None while it goes on."""
    if job.key is None:
        return None
    if job.finished is not None:
        reason = Reason.JOB_COMPLETED if job.finished is AttemptState.COMPLETED else Reason.JOB_FAILED
        return Ending(job.key, job.uid, job.finished, reason, job.message, job.started_at, job.finished_at)
    if job.deleting:
        message = "the Job was deleted" if job.started_at else "the Job was deleted before it started"
        stopped, reason = AttemptState.STOPPED, Reason.JOB_DELETED
        return Ending(job.key, job.uid, stopped, reason, message, job.started_at, never_let_go=job.suspended)
    return None


def vanished(job: JobView) -> Ending | None:
    """Read the end of a Job that is gone, from the last version anyone saw."""
    if job.key is None:
        return None
    if (ending := ending_of(job)) is not None:
        return ending
    message = "the Job is gone and nobody saw how it ended; it is never launched again"
    return Ending(job.key, job.uid, AttemptState.UNKNOWN, Reason.JOB_VANISHED, message, job.started_at)
