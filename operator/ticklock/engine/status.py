"""The status of a ScheduledJob, from what the ledger says. Pure: the time and the former status are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ticklock.domain.instants import format_instant
from ticklock.domain.model import RunState
from ticklock.domain.reasons import Reason
from ticklock.ports import LastRun, Report

_MESSAGE_LIMIT = 512
_LONGEST_TRIGGER = 256

Status = dict[str, Any]


def build_status(report: Report, former: Mapping[str, Any]) -> Status:
    """Return the status to write: nothing in it that bears witness ever goes backwards.

    Absent values are None, so that a merge-patch removes them.
    """
    seq = former.get("ledgerSeq")
    return {
        "observedGeneration": max(report.generation, _number(former.get("observedGeneration"))),
        "ledgerSeq": max(report.ledger_seq, _number(seq)),
        "lastScheduleTime": _latest(report.witness, former.get("lastScheduleTime")),
        "lastSuccessfulTime": _time(report.last_success) or former.get("lastSuccessfulTime"),
        "nextScheduleTime": _time(report.next_time),
        "lastTrigger": (report.last_trigger or "")[:_LONGEST_TRIGGER] or former.get("lastTrigger"),
        "activeCount": report.active_count,
        "active": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "namespace": job.namespace, "uid": job.uid}
            for job in report.active
        ],
        "lastRun": _last_run(report.last_run),
        "conditions": _conditions(report, former.get("conditions") or ()),
    }


def unchanged(status: Mapping[str, Any], former: Mapping[str, Any]) -> bool:
    """Tell whether writing would change nothing."""
    return all(
        former.get(key) == (_without_none(value) if isinstance(value, dict) else value) for key, value in status.items()
    )


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at.replace(microsecond=0))


def _latest(at: datetime | None, former: object) -> str | None:
    mine = _time(at)
    if not isinstance(former, str):
        return mine
    return former if mine is None else max(mine, former)


def _last_run(run: LastRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "id": run.id,
        "scheduledTime": _time(run.scheduled_time),
        "state": run.state.value,
        "reason": run.reason.value if run.reason else None,
        "jobName": run.job_name,
        "podName": run.pod_name,
        "startedAt": _time(run.started_at),
        "finishedAt": _time(run.finished_at),
        "lagSeconds": None if run.lag_seconds is None else round(run.lag_seconds, 3),
    }


def _conditions(report: Report, former: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if report.problem_reason is not None:
        spec = [
            ("Ready", "False", report.problem_reason, report.problem_message or ""),
            ("Stalled", "True", report.problem_reason, report.problem_message or ""),
        ]
    else:
        message = "suspended" if report.suspended else "the schedule is in force"
        spec = [("Ready", "True", Reason.ACCEPTED.value, message), ("Stalled", "False", Reason.ACCEPTED.value, "")]
    since = {item.get("type"): item for item in former}
    words = (*spec, _can_launch(report), _last_run_succeeded(report.last_ended))
    return [_condition(report, since.get(item[0]), *item) for item in words]


def _can_launch(report: Report) -> tuple[str, str, str, str]:
    """Say whether the installation launches at all. Ready and Stalled do not: they speak of the spec alone."""
    if report.closed_reason is None:
        return ("CanLaunch", "True", Reason.RECONCILED.value, "")
    return ("CanLaunch", "False", report.closed_reason.value, report.closed_message)


def _last_run_succeeded(run: LastRun | None) -> tuple[str, str, str, str]:
    if run is None:
        return ("LastRunSucceeded", "Unknown", Reason.NO_RUN_YET.value, "no run has ended yet")
    good = run.state is RunState.COMPLETED
    reason = (run.reason or Reason.JOB_COMPLETED).value
    return (
        "LastRunSucceeded",
        "True" if good else "False",
        reason,
        f"run of {_time(run.scheduled_time)}: {run.message or run.state}",
    )


def _condition(report: Report, former: Mapping[str, Any] | None, *words: str) -> dict[str, Any]:
    kind, status, reason, message = words
    same = former is not None and former.get("status") == status
    since = former.get("lastTransitionTime") if same and former is not None else None
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message[:_MESSAGE_LIMIT],
        "observedGeneration": report.generation,
        "lastTransitionTime": since or _time(report.now),
    }
