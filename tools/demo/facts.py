"""What is known of a run of the demo, as values: who saw it stands in each. Times are seconds since 1970."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple


class RunName(NamedTuple):
    """Names a run: UID of the ScheduledJob, and the run key (`tick:<seconds>` or `trigger:<value>`)."""

    schedule: str
    key: str

    @property
    def tick(self) -> float | None:
        """The tick; None for a trigger."""
        kind, _, value = self.key.partition(":")
        return float(value) if kind == "tick" else None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A ScheduledJob as the API server shows it."""

    uid: str
    name: str
    expression: str
    zone: str | None
    created: float
    forbids: bool


@dataclass(frozen=True, slots=True)
class Launch:
    """A Job that was seen unsuspended, by our own watch."""

    run: RunName
    job_uid: str
    job: str
    at: float
    ended: float | None = None
    """When it was seen complete, failed or on its way out."""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a run: its state and reason, and which replicas worked on it."""

    run: RunName
    state: str
    reason: str
    bound_by: str | None = None
    bound_at: float | None = None
    launched_by: str | None = None
    claimed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """A replica that was killed."""

    pod: str
    replica: str
    at: float


def clock(at: float) -> str:
    """Return the time of day, UTC, with milliseconds where there are any."""
    shown = datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds")[11:23]
    return f"{shown.removesuffix('.000')}Z"
