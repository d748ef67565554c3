"""A history, turned from what came by into what there was: Jobs, pods, runs and their records. Judges nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from tests.chaos.history import (
    OF_SCHEDULES,
    Action,
    Change,
    Entry,
    Final,
    History,
    JobSight,
    NodePhase,
    NodeSight,
    ScheduleSight,
)
from tests.chaos.operations import NEVER, Operation, clock

Row = Mapping[str, Any]
TABLES = ("schedules", "schedule_state", "runs", "attempts", "job_logs", "run_events", "queue_locks")
"""What a final dump must hold."""


class RunName(NamedTuple):
    """A run, by what it is to be and not by what anybody wrote on it."""

    schedule: str
    """UID of the ScheduledJob."""
    key: str

    @property
    def tick(self) -> int | None:
        """The tick in seconds since 1970; None for a trigger."""
        kind, _, value = self.key.partition(":")
        return int(value) if kind == "tick" and value.lstrip("-").isdigit() else None


@dataclass(frozen=True, slots=True)
class SeenJob:
    """One Job UID."""

    sights: tuple[JobSight, ...]

    @property
    def last(self) -> JobSight:
        """Its latest version."""
        return self.sights[-1]

    @property
    def uid(self) -> str:
        """Its UID."""
        return self.last.uid

    @property
    def run(self) -> RunName | None:
        """The run that its annotations and its owner name."""
        if self.last.owner_uid is None or self.last.run_key is None:
            return None
        return RunName(self.last.owner_uid, self.last.run_key)

    @property
    def let_go(self) -> JobSight | None:
        """The first version of which Kubernetes might make pods."""
        return next((sight for sight in self.sights if sight.let_go), None)

    @property
    def finished(self) -> JobSight | None:
        """The first version with a final condition."""
        return next((sight for sight in self.sights if sight.finished), None)

    @property
    def leaving(self) -> JobSight | None:
        """The first version that was being deleted, or gone."""
        return next((one for one in self.sights if one.deleting or one.change is Change.DELETED), None)


@dataclass(frozen=True, slots=True)
class SeenPod:
    """One pod that started."""

    start: NodeSight
    end: NodeSight | None
    run: RunName | None
    """The run that its environment names; where that names none, the one of its Job."""
    again: tuple[NodeSight, ...] = ()
    """Further ends: a restore of etcd brings back a pod that had ended."""

    @property
    def until(self) -> float:
        """When it ended, as far as anybody saw."""
        return NEVER if self.end is None else self.end.at

    @property
    def succeeded(self) -> bool:
        """Whether its program ended well."""
        return any(end is not None and end.exit_code == 0 for end in (self.end, *self.again))


@dataclass(slots=True)
class Run:
    """All there is about one run."""

    name: RunName
    jobs: list[SeenJob] = field(default_factory=list)
    """Every Job that names it, staged ones too."""
    pods: list[SeenPod] = field(default_factory=list)
    """By start."""
    row: Row | None = None
    attempts: list[Row] = field(default_factory=list)
    logs: list[Row] = field(default_factory=list)
    trail: list[Row] = field(default_factory=list)

    @property
    def let_go(self) -> list[SeenJob]:
        """The Jobs that may have started."""
        return [job for job in self.jobs if job.let_go is not None]

    @property
    def started_at(self) -> float | None:
        """When its program first started; where no pod did, when its Job was let go; None if it never was."""
        if self.pods:
            return self.pods[0].start.at
        return min((job.let_go.at for job in self.jobs if job.let_go is not None), default=None)

    @property
    def over_at(self) -> float:
        """When nothing of it could be at work any more: its Job had ended, and so had its pods. A Job whose end nobody
        saw counts until the ledger says that it is over."""
        ends = [end.at for job in self.let_go if (end := job.finished or job.leaving) is not None]
        if len(ends) < len(self.let_go):
            ends.append(self.decided_at or NEVER)
        return max([*ends, *(pod.until for pod in self.pods)], default=NEVER)

    @property
    def state(self) -> str | None:
        """What the ledger says of it."""
        return None if self.row is None else str(self.row["state"])

    @property
    def reason(self) -> str | None:
        """Why, in the ledger's word."""
        return None if self.row is None else self.row.get("reason")

    @property
    def decided_at(self) -> float | None:
        """When the ledger says that it was over."""
        return None if self.row is None else moment(self.row.get("finished_at"))

    def entries(self) -> tuple[Entry, ...]:
        """What a person should look at first."""
        starts = [pod.start for pod in self.pods]
        return (*(sight for job in self.jobs if (sight := job.let_go) is not None), *starts)


class Evidence:
    """The history's objects, each once."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.meta = history.meta
        finals = list(history.each(Final))
        self.final: Final | None = finals[-1] if finals else None
        self.ops = Operation.all_of(history)

    @cached_property
    def jobs(self) -> dict[str, SeenJob]:
        """Every Job of ours, by UID."""
        sights: dict[str, list[JobSight]] = defaultdict(list)
        for sight in (*self.history.each(JobSight), *(self.final.jobs if self.final else ())):
            sights[sight.uid].append(sight)
        return {uid: SeenJob(tuple(found)) for uid, found in sights.items()}

    @cached_property
    def pods(self) -> list[SeenPod]:
        """Every pod that started, by start; written twice by its node, it is one."""
        starts: dict[str, NodeSight] = {}
        ends: dict[str, list[NodeSight]] = defaultdict(list)
        for sight in self.history.each(NodeSight):
            if sight.phase is NodePhase.START:
                starts.setdefault(sight.pod_uid, sight)
            else:
                ends[sight.pod_uid].append(sight)
        return [
            SeenPod(start, next(iter(ends[uid]), None), self._run_of(start), tuple(ends[uid][1:]))
            for uid, start in starts.items()
        ]

    @cached_property
    def schedules(self) -> dict[str, list[ScheduleSight]]:
        """The versions of every ScheduledJob, by UID."""
        found: dict[str, list[ScheduleSight]] = defaultdict(list)
        for sight in (*self.history.each(ScheduleSight), *(self.final.schedules if self.final else ())):
            found[sight.uid].append(sight)
        return found

    @cached_property
    def runs(self) -> dict[RunName, Run]:
        """Every run that anything names."""
        found: dict[RunName, Run] = {}

        def run(name: RunName) -> Run:
            return found.setdefault(name, Run(name))

        for job in self.jobs.values():
            if job.run is not None:
                run(job.run).jobs.append(job)
        for pod in self.pods:
            if pod.run is not None:
                run(pod.run).pods.append(pod)
        for row in self.rows("runs"):
            run(_name_of(row)).row = row
        for table, into in (("attempts", "attempts"), ("job_logs", "logs"), ("run_events", "trail")):
            for row in self.rows(table):
                name = self.names.get(str(row["run_id"]))
                if name is not None:
                    getattr(run(name), into).append(row)
        return found

    @cached_property
    def names(self) -> dict[str, RunName]:
        """The run of each run id, as the ledger has it; where it knows none, as the Jobs have it."""
        found = {
            job.last.run_id: job.run
            for job in self.jobs.values()
            if job.run is not None and job.last.run_id is not None
        }
        return found | {str(row["id"]): _name_of(row) for row in self.rows("runs")}

    @cached_property
    def ops_on(self) -> dict[str, list[Operation]]:
        """The operations on each ScheduledJob that were not refused, by its UID."""
        found: dict[str, list[Operation]] = defaultdict(list)
        for op in self.ops:
            uid = op.schedule_uid or self._meant(op)
            if op.action in OF_SCHEDULES and uid is not None and not op.refused:
                found[uid].append(op)
        return found

    def meddling(self, run: Run) -> list[Operation]:
        """What clients did to the Jobs and pods of a run."""
        uids = {job.uid for job in run.jobs} | {pod.start.pod_uid for pod in run.pods}
        names = {job.last.name for job in run.jobs} | {pod.start.pod_name for pod in run.pods}
        hit = (op for op in self.ops if op.action not in OF_SCHEDULES and not op.refused)
        return [op for op in hit if op.asked.object_uid in uids or (not op.asked.object_uid and op.asked.name in names)]

    def _meant(self, op: Operation) -> str | None:
        """The object that an operation concerns which only names it: the one of that name at that time."""
        same = [one[0] for one in self.schedules.values() if one[0].namespace == op.asked.namespace]
        same = [one for one in same if one.name == op.asked.name]
        if op.action is Action.CREATE:
            made = [one for one in same if one.created_at >= int(op.at)]
            return min(made, key=lambda one: one.created_at).uid if made else None
        there = [one for one in same if one.created_at <= op.answered_at]
        return max(there, key=lambda one: one.created_at).uid if there else None

    def rows(self, table: str) -> Sequence[Row]:
        """The rows of a table in the final dump."""
        return () if self.final is None else self.final.tables.get(table, ())

    @cached_property
    def horizon(self) -> float:
        """The last moment that must be settled in the final dump."""
        return -NEVER if self.final is None else self.final.at - self.meta.bounds.settled

    def title(self, name: RunName | None) -> str:
        """A run as people know it: `namespace/name at 12:00:00Z`."""
        if name is None:
            return "a run that nobody knows"
        tick = name.tick
        when = f"at {clock(tick)}" if tick is not None else f"for {name.key}"
        return f"{self.label(name.schedule)} {when}"

    def label(self, uid: str) -> str:
        """A schedule as people know it; its UID where nobody saw it."""
        return self._labels.get(uid, uid)

    @cached_property
    def _labels(self) -> dict[str, str]:
        seen = {uid: f"{sights[0].namespace}/{sights[0].name}" for uid, sights in self.schedules.items()}
        asked = {
            op.schedule_uid: f"{op.asked.namespace}/{op.asked.name}" for op in self.ops if op.schedule_uid is not None
        }
        return asked | seen

    def _run_of(self, start: NodeSight) -> RunName | None:
        named = self.names.get(start.run_id) if start.run_id is not None else None
        job = self.jobs.get(start.job_uid)
        return named or (job.run if job is not None else None)


def moment(text: Any) -> float | None:
    """Read a moment of a dump, in seconds since 1970."""
    return None if text is None else datetime.fromisoformat(str(text)).timestamp()


def _name_of(row: Row) -> RunName:
    return RunName(str(row["schedule_uid"]), str(row["run_key"]))
