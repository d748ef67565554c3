"""Every metric there is. Names and labels are part of the product's interface: they are added to, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "ticklock_"


class Kind(StrEnum):
    """Kind of a metric, as Prometheus names it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label. Where `values` are listed there are no others, and they are exported from the start."""

    name: str
    values: tuple[str, ...] = ()


NAMESPACE, NAME = Label("namespace"), Label("name")
"""The labels of a ScheduledJob: the only ones that grow with the number of objects."""

OBJECT = (NAMESPACE, NAME)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name without the prefix, what it means, how it is broken down."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in seconds; infinity follows by itself."""
    exclusive: bool = False
    """Of a gauge with labels: only the series set last is exported."""

    @property
    def full_name(self) -> str:
        """The name as exported."""
        return PREFIX + self.name

    @property
    def by_object(self) -> bool:
        """Whether it is broken down by ScheduledJob."""
        return NAMESPACE in self.labels

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, in order."""
        return tuple(label.name for label in self.labels)


LAG = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
CALL = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _counter(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, Kind.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: Label, exclusive: bool = False) -> Metric:
    return Metric(name, Kind.GAUGE, meaning, labels, exclusive=exclusive)


def _histogram(name: str, meaning: str, *labels: Label, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, meaning, labels, buckets)


_ALL = (
    # -- runs
    _counter("runs_total", "Runs that ended, by state and reason.", *OBJECT, Label("state"), Label("reason")),
    _counter("missed_ticks_total", "Ticks recorded as missed, by reason; a range counts each of its ticks.", *OBJECT,
             Label("reason")),
    _counter("launches_total", "Jobs launched by this replica; stranded: bound by one that died or stalled.",
             Label("stranded", ("false", "true"))),
    _histogram("run_lag_seconds", "From the moment a run was due to the launch of its Job.", buckets=LAG),
    _counter("duplicates_total", "Attempts seen to have started more than one Job. Must stay 0."),
    _counter("further_pods_total",
             "Pods that Kubernetes made beyond what their Job asks for. retry: one had failed; deleted: one was taken "
             "away before it ended; unfounded: neither; held: one of a StrictPod run that was not let go.",
             Label("cause", ("retry", "deleted", "unfounded", "held"))),
    _histogram("pod_admission_seconds", "launchPolicy StrictPod: from the sight of a pod to its gate being off.",
               buckets=LAG),
    _gauge("gated_pods", "launchPolicy StrictPod: pods that this replica sees waiting behind our gate."),
    _gauge("last_success_timestamp_seconds", "Unix time at which a run last completed.", *OBJECT),
    _gauge("last_schedule_timestamp_seconds", "Unix time of the last tick that was launched.", *OBJECT),
    _gauge("next_schedule_timestamp_seconds", "Unix time of the next tick.", *OBJECT),
    # -- backlog
    _gauge("planned", "Planned attempts, due or not."),
    _gauge("due", "Planned attempts that are due now."),
    _gauge("overdue_seconds", "How long the oldest due attempt has been due; 0 where none is."),
    # -- ability
    _gauge("can_launch", "1 where this replica can launch Jobs, else 0 and the reason; on the leader and the others.",
           Label("reason"), exclusive=True),
    _gauge("quarantine", "1 while nothing is launched because the database may have lost commits."),
    _counter("quarantine_settled_total", "Attempts settled by quarantines, by what became of them.",
             Label("outcome", ("launched", "recorded", "planned", "unknown"))),
    _gauge("clock_step", "1 while nothing is launched because the database's clock is not to be believed."),
    _histogram("claim_seconds", "Duration of the transactions that decide.",
               Label("operation", ("stage", "bind", "stranded", "plan", "record", "admit")), buckets=CALL),
    _histogram("api_request_seconds", "Duration of requests to the API server; code: error where there was no answer.",
               Label("verb"), Label("resource"), Label("code"), buckets=CALL),
    _counter("api_throttled_total", "Requests that the API server answered with 429."),
    _gauge("api_concurrency", "Requests to the API server allowed at a time; a 429 halves it, answers raise it again."),
    _counter("api_retries_total", "Repetitions of requests that had just failed; held_back: the budget was spent.",
             Label("outcome", ("sent", "held_back"))),
    _gauge("api_retry_budget", "Repetitions of failed requests that could be sent now."),
    # -- duties
    _gauge("event_loop_lag_seconds", "How late the event loop made its last turn; seconds mean that it is overloaded."),
    _counter("duty_errors_total", "Steps of a duty that failed.", Label("duty")),
    _gauge("duty_last_success_timestamp_seconds", "Unix time of a duty's last step that did not fail.", Label("duty")),
    # -- the leader's
    _gauge("leader", "1 on the replica that leads."),
    _counter("leader_transitions_total", "Terms that this replica began or ended."),
    _gauge("objects", "ScheduledJobs seen at the last full list."),
    _gauge("invalid_objects", "ScheduledJobs whose spec cannot be used, at the last full list."),
    _counter("reconciled_total", "ScheduledJobs whose change was stored."),
    _histogram("spec_lag_seconds", "From when an edit of a ScheduledJob was seen to its being in force.", buckets=LAG),
    _counter("status_writes_total", "Writes of a status.", Label("outcome", ("written", "unchanged", "failed"))),
    _counter("events_posted_total", "Kubernetes Events posted."),
    _gauge("finalizers_held", "Jobs that still carry the finalizer."),
    _gauge("finalizer_oldest_seconds", "How long the longest finished Job has kept the finalizer; 0: none does."),
    _gauge("finalizer_age_seconds", "The same for Jobs of each state: since created, started, ended, asked to go.",
           Label("state", ("staged", "running", "finished", "deleting"))),
    _gauge("build_info", "Always 1; the version of this replica.", Label("version")),
)  # fmt: skip

METRICS = {metric.name: metric for metric in _ALL}
"""All metrics by their name without the prefix: the name that duties use."""


def describe(metrics: Iterable[Metric] = _ALL) -> str:
    """Return the metrics as a Markdown table, for the reference page."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    lines += [f"| `{one.full_name}` | {one.kind} | {_labels(one)} | {_cell(one.help)} |" for one in metrics]
    return "\n".join(lines) + "\n"


def _labels(metric: Metric) -> str:
    shown = (f"`{one.name}`" + (f" ({', '.join(one.values)})" if one.values else "") for one in metric.labels)
    return ", ".join(shown)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
