"""Pods of our Jobs, as the engine sees them. Every method raises only the words of `ticklock.domain.errors`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ticklock.domain.model import AttemptKey, JobUid, PodUid


class PodPhase(StrEnum):
    """How far a pod has come, as Kubernetes says it."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class PodView:
    """What we need to know of a pod, read from one version of it, or of its metadata."""

    namespace: str
    name: str
    uid: PodUid
    job_name: str
    job_uid: JobUid
    """UID of the controlling ownerReference."""
    key: AttemptKey | None
    """From our annotations; None where they are missing or unreadable."""
    index: str
    """Its place in an Indexed Job; empty in others."""
    created_at: datetime
    tracked: bool
    """Kubernetes has not yet counted how it ended."""
    deleting: bool
    strict: bool = False
    """It is of a StrictPod run."""
    gate: int | None = None
    """The place of our scheduling gate among its gates; None where it has none, or where only metadata were read."""
    unassigned: bool = False
    """No node had it in this version. One that is deleted so never starts: Kubernetes gives it no node any more."""
    phase: PodPhase | None = None
    """None where only its metadata were read."""
    ended_at: datetime | None = None
    """When the last of its containers ended, once its phase is final."""


class Pods(Protocol):
    """Pods on the API server. Reads are consistent."""

    async def of_job(self, namespace: str, job: JobUid) -> Sequence[PodView]:
        """Return the pods of this Job UID that there are, whole."""

    async def read(self, namespace: str, name: str) -> PodView | None:
        """Return the pod, or None where there is none."""

    async def bear_witness(self, pod: PodView, withdrawn: Collection[PodUid]) -> PodUid | None:
        """Write on the Job of a chosen pod that it is the chosen one; return which pod stands there after that.

        A compare-and-set: it takes the place of none, or of one that was withdrawn. None where the Job is gone.
        """

    async def admit(self, pod: PodView) -> bool:
        """Take our scheduling gate off exactly this pod; repeatable. False where it is gone, or on its way out."""

    async def discard(self, pod: PodView, *, counted: bool) -> None:
        """Delete a pod that must not start; `counted`: as a failure of its Job. One that is gone is no error."""


class PodFeed(Protocol):
    """Watch of pods of ours: a list, then changes, then lists again with a difference."""

    async def run(
        self, on_change: Callable[[PodView, bool], Awaitable[None]], on_listed: Callable[[], Awaitable[None]]
    ) -> None:
        """Call `on_change(pod, gone)` for each appearance, change and disappearance, `on_listed()` after each list.

        Only pods that have not ended are reported: one that ends is gone. A disappearance is reported with the last
        version that there was, or, where it was missed, with the last one seen, and then not as `unassigned`. Runs
        until cancelled; survives dropped watches and 410.
        """
