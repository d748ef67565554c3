"""One run: do its records agree with each other, and with what was seen of it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.chaos.evidence import Row, Run, moment

OPEN = frozenset({"planned", "bound", "launched"})
NOTHING_RAN = frozenset({"Skipped", "Missed"})
_AS_RUN = {"planned": "Pending", "bound": "Pending", "launched": "Running"}
_LOGS = {"planned": None, "bound": "Processing", "launched": "Processing", "Completed": "Completed"}


def lies(run: Run) -> Iterator[str]:
    """Yield what its records say that is not so."""
    for check in _CHECKS:
        sentence = check(run)
        if sentence is not None:
            yield sentence


def _completed(run: Run) -> str | None:
    if run.state != "Completed":
        return None
    if not run.pods:
        return "is Completed, but no pod of it ever started"
    if not any(pod.succeeded for pod in run.pods):
        ends = [pod.end.exit_code for pod in run.pods if pod.end is not None]
        return f"is Completed, but none of its pods ended well: exit codes {ends}"
    return None


def _not_completed(run: Run) -> str | None:
    """Whatever else is said of a run whose Job was seen complete, except that nobody knows, is false.

    A Job that completes after it was on its way out had ended before: what stood there then was right. It may even
    be whole again by then: a restore of etcd takes its deletion back.
    """
    seen = [
        end.finished
        for job in run.let_go
        if (end := job.finished) is not None and not ((out := job.leaving) is not None and out.at <= end.at)
    ]
    if run.state in {"Failed", "Stopped"} and "Complete" in seen:
        return f"is {run.state}, {run.reason}, but its Job was seen to complete"
    if run.reason == "JobFailed" and run.pods and all(pod.succeeded for pod in run.pods) and "Failed" not in seen:
        return "is Failed, but all its pods ended well"
    return None


def _attempts(run: Run) -> str | None:
    if run.row is None:
        return None
    if not run.attempts:
        return "has a row in runs and none in attempts"
    latest = max(run.attempts, key=lambda row: int(row["n"]))
    as_run = _AS_RUN.get(latest["state"], latest["state"])
    if as_run != run.state:
        return f"is {run.state}, but its latest attempt is {latest['state']}"
    if latest["state"] not in OPEN and latest.get("reason") != run.reason:
        return f"is {run.state} for {run.reason}, but its latest attempt for {latest.get('reason')}"
    return None


def _job_uid(run: Run) -> str | None:
    """The Job that the ledger calls the attempt is the one that started, and there is one where one started.

    LedgerLost says of itself that nobody knows which; whether it may be said is asked elsewhere.
    """
    started = {job.uid for job in run.let_go} | {pod.start.job_uid for pod in run.pods}
    named = {str(row["job_uid"]) for row in run.attempts if row.get("job_uid")}
    unknown = run.state in NOTHING_RAN or (run.reason == "LedgerLost" and not named)
    if started and run.attempts and not started & named and not unknown:
        return f"started as Job {', '.join(sorted(started))}, but the ledger names {', '.join(sorted(named)) or 'none'}"
    return None


def _logs(run: Run) -> str | None:
    for row in run.attempts:
        logs = [log for log in run.logs if int(log["n"]) == int(row["n"])]
        expected = _LOGS.get(row["state"], "Exited")
        if expected is None and not logs:
            continue
        if len(logs) != 1:
            return f"has {len(logs)} JobLogs for one attempt that is {row['state']}"
        if expected is not None and logs[0]["status"] != expected:
            return f"is {row['state']}, but its JobLog says {logs[0]['status']}"
        remark = str(logs[0].get("remark") or "")
        if expected == "Exited" and not remark.startswith(str(row.get("reason"))):
            return f"is {row['state']} for {row.get('reason')}, but its JobLog remarks {remark!r}"
    return None


def _trail(run: Run) -> str | None:
    """The audit trail tells the end that the row tells."""
    over = [row for row in run.attempts if row["state"] not in OPEN]
    told = {str(row["status"]) for row in run.trail}
    missing = [str(row.get("reason")) for row in over if str(row.get("reason")) not in told]
    return f"ended with {missing[0]}, which its audit trail does not tell" if missing else None


def _scheduled_time(run: Run) -> str | None:
    tick = run.name.tick
    rows: list[Row] = [*run.attempts, *([run.row] if run.row is not None else [])]
    wrong = [row for row in rows if tick is not None and moment(row.get("scheduled_time")) != tick]
    return f"has the scheduled time {wrong[0].get('scheduled_time')} in a row" if wrong else None


_CHECKS: tuple[Callable[[Run], str | None], ...] = (
    _completed,
    _not_completed,
    _attempts,
    _job_uid,
    _logs,
    _trail,
    _scheduled_time,
)
