"""R7: when all is quiet, nothing is left over, held or open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.chaos.case import Case
from tests.chaos.evidence import Row, moment
from tests.chaos.findings import Finding, Findings, Rule
from tests.chaos.history import Final, JobSight
from tests.chaos.operations import NEVER
from tests.chaos.rules.records import OPEN

FINALIZER = "ticklock.dev/outcome"


def garbage(case: Case) -> list[Finding]:
    """Look through the final dump; what belongs to ticks after the horizon may still be on its way."""
    found = Findings(Rule.R7)
    if case.evidence.final is not None:
        _Dump(case, case.evidence.final, found).search()
    return found.found


class _Dump:
    def __init__(self, case: Case, final: Final, found: Findings) -> None:
        self.case, self.final, self.found = case, final, found
        self.horizon = case.evidence.horizon
        self.attempts = {(str(row["run_id"]), int(row["n"])): row for row in case.evidence.rows("attempts")}
        tombstones = ((str(row["uid"]), moment(row.get("deleted_at"))) for row in case.evidence.rows("schedules"))
        self.buried = {uid: at for uid, at in tombstones if at is not None}
        self.running = {pod["metadata"]["uid"] for pod in final.pods if _phase(pod) not in {"Succeeded", "Failed"}}

    def search(self) -> None:
        for job in self.final.jobs:
            self._job(job)
        self._pods()
        for row in self.attempts.values():
            self._attempt(row)
        for row in self.case.evidence.rows("queue_locks"):
            self._lock(row)
        for row in self.case.evidence.rows("schedules"):
            self._schedule(row)

    def _job(self, job: JobSight) -> None:
        row = self.attempts.get((job.run_id or "", job.n or 0))
        name = f"Job {job.namespace}/{job.name}"
        if job.suspended and not job.launched_mark and self._is_old(job.scheduled_time, row):
            self.found.fail(f"{name} is left suspended: it will never start", at=self.final.at, evidence=(job,))
        elif FINALIZER in job.finalizers and self._ended_long_ago(job) and self._is_old(None, row):
            self.found.fail(f"{name} has ended and is still held by our finalizer", at=self.final.at, evidence=(job,))

    def _pods(self) -> None:
        jobs = {job.uid for job in self.final.jobs}
        for pod in self.final.pods:
            owners = [one for one in pod["metadata"].get("ownerReferences") or () if one.get("kind") == "Job"]
            if owners and owners[0]["uid"] not in jobs:
                name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                self.found.fail(f"pod {name} is left without its Job {owners[0]['name']}", at=self.final.at)

    def _attempt(self, row: Row) -> None:
        name = self.case.evidence.names.get(str(row["run_id"]))
        title = self.case.evidence.title(name)
        released = row.get("record_seq") is None or not row.get("job_uid") or row.get("released_at") is not None
        if row["state"] in OPEN:
            buried = self.buried.get(str(row["schedule_uid"]), NEVER) <= self.horizon and row["state"] == "planned"
            late = self._is_old(moment(row["scheduled_time"]), row) and not self._busy(str(row["schedule_uid"]))
            if late or buried:
                self.found.fail(f"{title} is still {row['state']}", run=name, at=self.final.at)
        elif not released and self._is_old(None, row):
            self.found.fail(f"{title} is over, but its Job was never released", run=name, at=self.final.at)

    def _lock(self, row: Row) -> None:
        attempt = self.attempts.get((str(row["run_id"]), int(row["n"])))
        if attempt is None or (attempt["state"] not in OPEN and self._is_old(None, attempt)):
            title = self.case.evidence.title(self.case.evidence.names.get(str(row["run_id"])))
            lock = f"{row['namespace']}/{row['queue_name']}/{row['job_name']}"
            self.found.fail(f"the lock {lock} is still held by {title}, which is over", at=self.final.at)

    def _schedule(self, row: Row) -> None:
        uid = str(row["uid"])
        life = self.case.lives.get(uid)
        if uid not in self.buried and life is not None and life.gone_by <= self.horizon:
            self.found.fail(f"{self.case.evidence.label(uid)} was deleted, but not in the ledger", at=self.final.at)

    def _ended_long_ago(self, job: JobSight) -> bool:
        """Whether it has ended, and was seen to before the horizon or never."""
        if not job.deleting and job.finished is None:
            return False
        seen = self.case.evidence.jobs.get(job.uid)
        ends = [] if seen is None else [end.at for end in (seen.finished, seen.leaving) if end is not None]
        return min(ends, default=self.horizon) <= self.horizon

    def _is_old(self, scheduled: float | None, row: Row | None) -> bool:
        """Whether it should have been tidied up by now: its verdict, or else its time, lies before the horizon."""
        over = moment(row.get("finished_at")) if row is not None and row["state"] not in OPEN else None
        at = over if over is not None else scheduled
        return at is None or at <= self.horizon

    def _busy(self, uid: str) -> bool:
        """Whether a run of the schedule is truly at work: it may be open, and others may wait for it."""
        runs = (run for _, run in self.case.started.get(uid, ()))
        return any(pod.end is None and pod.start.pod_uid in self.running for run in runs for pod in run.pods)


def _phase(pod: Mapping[str, Any]) -> Any:
    return (pod.get("status") or {}).get("phase")
