"""The one set of reasons.

The same PascalCase word stands in condition, Event, metric, log, audit trail and API: a reason is part of the product's
interface and is never reworded.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why something is as it is. The docstring of each member is what the reference pages print."""

    # The life of a run.
    PLANNED = "Planned"
    """The tick became a run; nothing exists in Kubernetes yet."""
    STAGED = "Staged"
    """The suspended Job exists and waits for its tick."""
    BOUND = "Bound"
    """This Job, and no other, is the attempt."""
    LAUNCHED = "Launched"
    """The bound Job was let go."""
    JOB_COMPLETED = "JobCompleted"
    """The Job ended with condition Complete."""
    JOB_FAILED = "JobFailed"
    """The Job ended with condition Failed; its own reason stands in the message."""

    # Below the Job.
    SECOND_POD = "SecondPod"
    """Kubernetes made a pod more for the Job than it asks for, although none had failed: its program may run twice."""

    POD_CHOSEN = "PodChosen"
    """launchPolicy StrictPod: this pod, and no other, may start."""
    POD_ADMITTED = "PodAdmitted"
    """launchPolicy StrictPod: the scheduling gate of the chosen pod was taken off."""
    POD_HELD = "PodHeld"
    """launchPolicy StrictPod: Kubernetes made a pod more; it was not let go, and was removed."""

    # Failed without a started Job.
    JOB_REJECTED = "JobRejected"
    """The API server refuses the Job for good (invalid template)."""
    NAME_TAKEN = "NameTaken"
    """All names we may use are taken by Jobs that are not ours."""
    GATE_NOT_HONOURED = "GateNotHonoured"
    """The Job came back unsuspended from its own creation; it was deleted at once."""

    # Skipped.
    CONCURRENCY_FORBIDDEN = "ConcurrencyForbidden"
    """An earlier run was still active, and a newer tick took this one's place."""
    SCHEDULE_SUSPENDED = "ScheduleSuspended"
    """The schedule was suspended before the run was bound."""
    SPEC_CHANGED = "SpecChanged"
    """The schedule was edited and no longer has this tick."""
    TOO_MANY_PENDING = "TooManyPending"
    """As many runs were pending as the installation allows, in all or in the namespace; a backfill may still run it."""
    BACKFILL_CANCELLED = "BackfillCancelled"
    """A person took the backfill back before the run was bound."""

    # Missed.
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    """startingDeadlineSeconds passed before the run could start."""
    OUTAGE = "Outage"
    """The tick fell into an outage, and when it ended a later tick was due, or catchUp has policy Skip."""
    CATCH_UP_LIMIT = "CatchUpLimit"
    """More ticks were missed than catchUp.limit lets run; the newest ones ran."""
    CATCH_UP_WINDOW = "CatchUpWindow"
    """The tick was missed, and older than catchUp.windowSeconds when it could have run."""

    # Stopped.
    SCHEDULE_DELETED = "ScheduleDeleted"
    """The ScheduledJob was deleted before the run was bound."""
    REPLACED = "Replaced"
    """concurrencyPolicy Replace: the next run took its place."""
    JOB_DELETED = "JobDeleted"
    """Somebody deleted the Job."""

    # Unknown.
    JOB_VANISHED = "JobVanished"
    """The Job of a bound or launched attempt is gone and nobody saw how it ended."""
    LEDGER_LOST = "LedgerLost"
    """The database lost commits; the witness in the status says that this tick was handled before."""

    # Deferred (the run stays Pending).
    WAITING_FOR_RUN = "WaitingForRun"
    """An earlier run of the schedule is still active."""
    API_UNAVAILABLE = "ApiUnavailable"
    """The API server did not accept the Job for now (throttling, quota, outage)."""
    WAITING_FOR_TURN = "WaitingForTurn"
    """As many runs of its backfill are under way as may be at a time."""

    # Backfills.
    BACKFILLED = "Backfilled"
    """A person asked for the runs of past ticks."""

    # Conditions.
    ACCEPTED = "Accepted"
    """The spec is valid and in force."""
    INVALID_SCHEDULE = "InvalidSchedule"
    """The schedule expression means nothing, or no moment at all."""
    UNKNOWN_TIME_ZONE = "UnknownTimeZone"
    """timeZone is not a zone of the time zone database."""
    INVALID_TEMPLATE = "InvalidTemplate"
    """jobTemplate cannot become a Job."""
    INVALID_OBJECT = "InvalidObject"
    """A field of the object has a value the controller cannot read."""
    COMPLETES_AT_ONCE = "CompletesAtOnce"
    """jobTemplate has completions 0: Kubernetes completes such a Job as soon as it is made, without any pod."""
    NO_RUN_YET = "NoRunYet"
    """No run has ended so far."""
    TRIGGERED = "Triggered"
    """A person asked for a run."""
    TRIGGER_REFUSED = "TriggerRefused"
    """The trigger's value cannot be used."""

    # The installation.
    QUARANTINE = "Quarantine"
    """The database may have lost commits: nothing is launched until the ledger is reconciled."""
    CLOCK_STEP = "ClockStep"
    """The database's clock disagrees with the replica's monotonic clock: nothing is launched."""
    DATABASE_UNAVAILABLE = "DatabaseUnavailable"
    """PostgreSQL does not answer: nothing can be launched."""
    RECONCILED = "Reconciled"
    """The ledger agrees with the cluster and the clock is believed: whatever is due is launched."""
    CLOCK_SETTLED = "ClockSettled"
    """The database's clock has run evenly for a while: it is believed again."""
    RELEASED = "Released"
    """A person has taken responsibility and opened the gate."""
    NOT_LEADING = "NotLeading"
    """Another replica holds the Lease."""
