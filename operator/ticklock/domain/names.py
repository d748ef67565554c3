"""Names: of Jobs, and of what we write on them.

Promise: the same attempt gets the same name, on every replica and after every loss, and two attempts get different ones
(up to a collision of 51 bits of SHA-256). The name is a lock: the API server gives it out once.
Not promised: that nobody else takes the name first; hence the suffix.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ticklock.domain.model import ClusterId, ScheduleUid

GROUP = "ticklock.dev"
API_VERSION = f"{GROUP}/v1"
KIND = "ScheduledJob"
PLURAL = "scheduledjobs"

FINALIZER = f"{GROUP}/outcome"
"""On each of our Jobs until its outcome is recorded and witnessed."""

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "ticklock"
LABEL_SCHEDULE = f"{GROUP}/schedule"
"""The schedule's name. Its presence selects our Jobs: the template's own managed-by label is kept."""

RUN_ID = f"{GROUP}/run-id"
RUN_KEY = f"{GROUP}/run-key"
ATTEMPT = f"{GROUP}/attempt"
STAGE = f"{GROUP}/stage"
GENERATION = f"{GROUP}/generation"
CLUSTER = f"{GROUP}/cluster"
"""Identity of the cluster where the Job was made: a copy restored into another one is not ours."""
SCHEDULED_TIME = f"{GROUP}/scheduled-time"
CRONJOB_SCHEDULED_TIME = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""As KEP-4026 defines it for CronJob."""
USER_SUSPEND = f"{GROUP}/user-suspend"
""""true" where the template itself says `suspend: true`: such a Job waits for its user even after the launch."""
LAUNCHED = f"{GROUP}/launched"
""""true" once such a Job was launched."""
TRIGGER = f"{GROUP}/trigger"
"""On a ScheduledJob: each new value asks for one run."""

POD_GATE = f"{GROUP}/launch"
"""Scheduling gate of the pods of StrictPod runs; that of the one pod that may start is taken off."""
POD = f"{GROUP}/pod"
"""On the Job of a StrictPod run: UID of the one pod that may start; empty until that is decided."""
LABEL_LAUNCH_POLICY = f"{GROUP}/launch-policy"
"""On the pods of StrictPod runs."""
TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking"
"""On each pod of a Job until Kubernetes has counted how it ended."""

ENV_RUN_ID = "TICKLOCK_RUN_ID"
ENV_SCHEDULED_TIME = "TICKLOCK_SCHEDULED_TIME"
ENV_ATTEMPT = "TICKLOCK_ATTEMPT"
ENV_FENCING_TOKEN = "TICKLOCK_FENCING_TOKEN"  # noqa: S105 - a number, not a secret

MAX_JOB_NAME = 52
"""Not 63: an Indexed Job appends `-<index>`, up to eleven characters, and its host name must still be a DNS label."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_HASH_LENGTH = 10
_HASH_SPACE = 36**_HASH_LENGTH


def job_name(  # noqa: PLR0913, PLR0917 - the identity of an attempt has that many parts
    schedule_name: str,
    scheduled_time: datetime,
    cluster: ClusterId,
    schedule_uid: ScheduleUid,
    run_key: str,
    n: int,
    suffix: int = 0,
) -> str:
    """Return the name of the Job of attempt `n`: `<schedule>-<seconds since the epoch in base 36>-<hash>`.

    `suffix` counts the names that were found taken by others; 0 means none and leaves no trace in the hash.
    """
    parts = [str(cluster), schedule_uid, run_key, str(n)]
    if suffix:
        parts.append(str(suffix))
    tail = f"{_base36(abs(int(scheduled_time.timestamp())))}-{_hash(parts)}"
    return f"{_prefix(schedule_name, MAX_JOB_NAME - len(tail) - 1)}-{tail}"


def _hash(parts: list[str]) -> str:
    # Length-prefixed, so that no two lists of parts are written the same way.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    number = int.from_bytes(sha256(text.encode()).digest(), "big") % _HASH_SPACE
    return _base36(number).rjust(_HASH_LENGTH, "0")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"


def _prefix(name: str, room: int) -> str:
    """Make a DNS label's beginning of an object's name, whatever the name is."""
    clean = "".join(sign if sign in _DIGITS else "-" for sign in name.lower())
    return clean.strip("-")[:room].rstrip("-") or "run"
