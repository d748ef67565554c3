"""Histories made by hand: one that is sound, and the means to break it one way at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.chaos.history import (
    Action,
    Bounds,
    Change,
    ClientOp,
    Entry,
    Fault,
    FaultPhase,
    Final,
    History,
    JobSight,
    Meta,
    NodePhase,
    NodeSight,
    Phase,
    ScheduleSight,
    Spec,
    Target,
)

START = 1_700_000_000
"""A tick of every schedule here."""
CREATED = START - 5.0
END = START + 330.0
"""The final dump."""
BOUNDS = Bounds(on_time=3.0, disturbed=40.0, recovery=20.0, taken_in=5.0, settled=30.0)
UID = "u"
TENTHS = Spec(schedule="*/10 * * * * *")
FINALIZER = "ticklock.dev/outcome"
OPEN = {"planned", "bound", "launched"}

Tables = dict[str, list[dict[str, Any]]]
Edit = Callable[["Story"], object]


def iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


@dataclass(slots=True)
class Told:
    """One run and everything that is to be told of it; change what shall be wrong."""

    key: str
    due: float
    job: str | None
    """UID of its Job; None for a run that never had one."""
    let_go: float | None
    start: float | None
    end: float | None
    state: str = "Completed"
    reason: str = "JobCompleted"
    message: str = ""
    decided: float | None = None
    attempt: str | None = None
    """State of the attempt where it is not that of the run."""
    schedule: str = UID
    exit_code: int | None = 0
    killed: bool = False
    finished: str | None = "Complete"
    """The Job's final condition."""
    staged: float = 3.0
    """How long before it was due its Job was made."""
    label: str | None = None
    """The run key that Job and pod carry, where it is another one."""
    env: str | None = None
    """The run key that the pod carries, where it is another one than the Job's."""
    time: int | None = None
    """The scheduled time that its program is told, where it is another one."""
    ledger_job: str | None = None
    """The Job that the ledger names, where it is another one; empty for none."""
    log: str | None = None
    """The status of its JobLog, where it is not what the state says; empty for none."""
    remark: str | None = None
    released: bool = True
    recorded: bool = True
    """Whether the ledger has rows of it."""
    trail: list[str] = field(default_factory=lambda: ["Planned"])

    def rename(self, reason: str) -> None:
        """Let its JobLog remark another reason."""
        self.remark = f"{reason}: "


class Story:
    """A history in the making."""

    def __init__(self, spec: Spec = TENTHS) -> None:
        self.spec = spec
        self.meta = Meta(seed=1, seconds=300.0, command="by hand", bounds=BOUNDS)
        self.runs: dict[str, Told] = {}
        self.entries: list[Entry] = []
        self.standing: list[JobSight] = []
        self.pods: list[dict[str, Any]] = []
        self.locks: list[dict[str, Any]] = []
        self.last: ScheduleSight | None = None
        self.drop: Callable[[Entry], bool] = lambda _: False
        self.deleted_at: float | None = None
        self.tables: Callable[[Tables], object] = lambda _: None
        self._ops = 0

    # ------------------------------------------------------------------------------------------------------ telling

    def tick(self, seconds: int, *, lag: float = 0.1, lasts: float = 1.0, **changes: Any) -> Told:
        """A tick so many seconds after the start ran, and ended well."""
        due = START + seconds
        return self.ran(f"tick:{due}", float(due), lag=lag, lasts=lasts, **changes)

    def ran(self, key: str, due: float, *, lag: float = 0.1, lasts: float = 1.0, **changes: Any) -> Told:
        told = Told(key, due, f"job-{key}", due + lag - 0.05, due + lag, due + lag + lasts)
        told.decided = due + lag + lasts + 0.2
        for name, value in changes.items():
            setattr(told, name, value)
        self.runs[key] = told
        return told

    def verdict(self, seconds: int, state: str, reason: str, *, after: float = 0.5, message: str = "") -> Told:
        """A tick never started, and a verdict says why."""
        due = START + seconds
        told = Told(f"tick:{due}", float(due), None, None, None, None, state, reason, message, due + after)
        self.runs[told.key] = told
        return told

    def of(self, seconds: int) -> Told:
        return self.runs[f"tick:{START + seconds}"]

    def retell(self, spec: Spec) -> None:
        """Tell the sound story anew, of another spec."""
        self.spec = spec
        self.entries.clear()
        self.runs.clear()
        self.asked(Action.CREATE, CREATED + 0.3, generation=1, created_at=CREATED, spec=spec)
        self.seen(CREATED + 0.4, observed=None, change=Change.ADDED)
        self.seen(CREATED + 0.9)
        for seconds in range(0, 301, 10):
            self.tick(seconds)

    def change(self, seconds: int, **changes: Any) -> None:
        """Tell the run of a tick otherwise."""
        for name, value in changes.items():
            setattr(self.of(seconds), name, value)

    def ends_as(self, sight: ScheduleSight) -> None:
        """What the final dump shows of the schedule, where it is not simply right."""
        self.last = sight

    def without(self, *seconds: int) -> None:
        for one in seconds:
            del self.runs[f"tick:{START + one}"]

    def asked(
        self, action: Action, at: float, *, answer: Phase | None = Phase.OK, took: float = 0.05, **changes: Any
    ) -> None:
        """A client asked for something, and got an answer."""
        self._ops += 1
        common = {
            "source": "client-0",
            "op": f"op-{self._ops}",
            "action": action,
            "namespace": "n",
            "name": "s",
            "schedule_uid": UID,
            **changes,
        }
        self.entries.append(ClientOp(at=at, phase=Phase.INVOKE, **{**common, "generation": None}))
        if answer is not None:
            self.entries.append(ClientOp(at=at + took, phase=answer, **common))

    def seen(self, at: float, generation: int = 1, observed: int | None = 1, **changes: Any) -> ScheduleSight:
        """A watch brought a version of the schedule."""
        values: dict[str, Any] = {
            "change": Change.MODIFIED,
            "namespace": "n",
            "name": "s",
            "uid": UID,
            "created_at": CREATED,
            "deleting": False,
            "spec": self.spec,
            "resource_version": round((at - CREATED) * 100) + 100,
        }
        sight = ScheduleSight(
            at=at,
            source="watch-schedules",
            generation=generation,
            observed_generation=observed,
            **{**values, **changes},
        )
        self.entries.append(sight)
        return sight

    def fault(
        self, begin: float, heal: float | None, name: str = "kill", target: Target = Target.DATABASE, **details: Any
    ) -> None:
        common: dict[str, Any] = {"source": "nemesis", "fault": f"{name}-{begin}", "name": name, "target": target}
        self.entries.append(Fault(at=START + begin, phase=FaultPhase.BEGIN, details=details, **common))
        if heal is not None:
            self.entries.append(Fault(at=START + heal, phase=FaultPhase.HEAL, **common))

    # ------------------------------------------------------------------------------------------------------- writing

    def history(self) -> History:
        told = [entry for run in self.runs.values() for entry in self._sights(run)]
        entries = [entry for entry in (*self.entries, *told, self._final()) if not self.drop(entry)]
        return History.of(self.meta, entries)

    def job(self, run: Told, at: float, change: Change = Change.MODIFIED, **changes: Any) -> JobSight:
        """A version of a run's Job."""
        key = run.label or run.key
        values: dict[str, Any] = {
            "namespace": "n",
            "name": f"s-{run.job}",
            "uid": run.job,
            "owner_uid": run.schedule,
            "run_id": f"run-{key}",
            "run_key": key,
            "n": 1,
            "stage": 1,
            "scheduled_time": _time(key, run.due),
            "suspended": False,
            "waits_for_user": False,
            "launched_mark": False,
            "started": True,
            "deleting": False,
            "finished": None,
            "finalizers": (FINALIZER,),
            "resource_version": round((at - CREATED) * 100) + 100,
        }
        return JobSight(at=at, source="watch-jobs", change=change, **{**values, **changes})

    def pod(self, run: Told, uid: str, start: float, end: float | None) -> Iterator[Entry]:
        """A pod of a run's Job, from its start to its end."""
        key = run.env or run.label or run.key
        values: dict[str, Any] = {
            "source": "node-0",
            "namespace": "n",
            "pod_uid": uid,
            "pod_name": uid,
            "job_uid": run.job,
            "job_name": f"s-{run.job}",
            "run_id": f"run-{key}",
            "n": 1,
            "scheduled_time": _time(key, run.due) if run.time is None else run.time,
        }
        yield NodeSight(at=start, phase=NodePhase.START, **values)
        if end is not None:
            yield NodeSight(at=end, phase=NodePhase.END, exit_code=run.exit_code, killed=run.killed, **values)

    def _sights(self, run: Told) -> Iterator[Entry]:
        if run.job is None:
            return
        early = min(run.due - run.staged, run.let_go or run.due)
        yield self.job(run, early, Change.ADDED, suspended=True, started=False)
        if run.let_go is not None:
            yield self.job(run, run.let_go, started=False)
        if run.start is not None:
            yield from self.pod(run, f"pod-{run.job}", run.start, run.end)
        if run.end is not None and run.finished is not None:
            yield self.job(run, run.end + 0.1, finished=run.finished)
            yield self.job(run, run.end + 0.3, Change.DELETED, finished=run.finished, finalizers=())

    def _final(self) -> Final:
        tables: Tables = {
            name: [] for name in ("schedules", "schedule_state", "runs", "attempts", "job_logs", "run_events")
        }
        tables["schedules"] = [{"uid": UID, "namespace": "n", "name": "s", "deleted_at": iso(self.deleted_at)}]
        tables["queue_locks"] = list(self.locks)
        for run in self.runs.values():
            if run.recorded:
                _write(run, tables)
        self.tables(tables)
        if self.last is None and self.deleted_at is None:
            launched = [run.due for run in self.runs.values() if run.let_go and run.key.startswith("tick")]
            latest = int(max(launched)) if launched else None
            known = [one for one in self.entries if isinstance(one, ScheduleSight)]
            newest = max(known, key=lambda one: (one.generation, one.at))
            self.last = replace(
                newest,
                at=END - 1,
                resource_version=100_000,
                observed_generation=newest.generation,
                last_schedule_time=latest,
                ledger_seq=99,
            )
        schedules = () if self.last is None else (self.last,)
        return Final(at=END, source="harness", tables=tables, schedules=schedules, jobs=self.standing, pods=self.pods)


def _time(key: str, due: float) -> int:
    kind, _, value = key.partition(":")
    return int(value) if kind == "tick" else int(due)


def _write(run: Told, tables: Tables) -> None:
    state = run.attempt or run.state
    over = state not in OPEN
    decided = iso(run.decided) if over else None
    row = {"schedule_uid": run.schedule, "scheduled_time": iso(run.due), "reason": run.reason, "finished_at": decided}
    identity = f"run-{run.key}"
    tables["runs"].append({**row, "id": identity, "run_key": run.key, "state": run.state, "message": run.message})
    job = run.job if run.ledger_job is None else run.ledger_job or None
    tables["attempts"].append(
        {
            **row,
            "run_id": identity,
            "n": 1,
            "state": state,
            "job_uid": job,
            "record_seq": 1 if job and over else None,
            "released_at": decided if job and run.released else None,
        }
    )
    status = {"Completed": "Completed", "bound": "Processing", "launched": "Processing"}.get(state, "Exited")
    remark = f"{run.reason}: {run.message}" if status == "Exited" else ""
    log = {
        "run_id": identity,
        "n": 1,
        "status": run.log or status,
        "remark": remark if run.remark is None else run.remark,
    }
    if run.log != "" and state != "planned":
        tables["job_logs"].append(log)
    for status_told in (*run.trail, *([run.reason] if over else [])):
        tables["run_events"].append({"run_id": identity, "status": status_told})


def sound(spec: Spec = TENTHS) -> Story:
    """Thirty-one ticks, ten seconds apart, each of which ran once and ended well."""
    story = Story(spec)
    story.retell(spec)
    return story
