"""What the screen shows at one moment, as values; nothing here looks at a clock or a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tools.demo.facts import Launch
from tools.demo.ledger import Ledger
from tools.demo.outside import moment


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One ScheduledJob: its last run by its status, lag and launcher of the last Job that was seen let go."""

    name: str
    expression: str
    last: str
    state: str
    reason: str
    lag: str
    by: str
    next: str
    launched: int
    skipped: int


EMPTY_ROW = ScheduleRow("", "", "", "", "", "", "", "", 0, 0)


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    """One replica."""

    pod: str
    role: str
    pid: int
    launched: int
    megabytes: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of the demo."""

    elapsed: float
    total: float
    kubeconfig: str
    next_step: str
    schedules: Sequence[ScheduleRow]
    replicas: Sequence[ReplicaRow]
    facts: Sequence[str]


def schedule_rows(
    items: Sequence[Mapping[str, Any]], launches: Sequence[Launch], ledger: Ledger, *, now: float
) -> list[ScheduleRow]:
    """Make the rows of all ScheduledJobs, in the order of their names."""
    by_name = sorted(items, key=lambda one: str(one["metadata"]["name"]))
    return [_schedule_row(item, launches, ledger, now) for item in by_name]


def _schedule_row(item: Mapping[str, Any], launches: Sequence[Launch], ledger: Ledger, now: float) -> ScheduleRow:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status", {})
    own = [launch for launch in launches if launch.run.schedule == metadata["uid"]]
    last_run = status.get("lastRun", {})
    latest = own[-1] if own else None
    entry = ledger.entries.get(latest.run) if latest else None
    skipped = [e for e in ledger.entries.values() if e.run.schedule == metadata["uid"] and e.state == "Skipped"]
    return ScheduleRow(
        name=metadata["name"],
        expression=spec["schedule"] + (f" {spec['timeZone']}" if "timeZone" in spec else ""),
        last=_time_of_day(last_run.get("scheduledTime")),
        state=last_run.get("state", "-"),
        reason=last_run.get("reason", ""),
        lag=_lag(latest),
        by=(ledger.pod_of(entry.launched_by) if entry else None) or "",
        next=_when(status.get("nextScheduleTime"), now),
        launched=len(own),
        skipped=len(skipped),
    )


def _lag(launch: Launch | None) -> str:
    if launch is None:
        return ""
    tick = launch.run.tick
    return "trigger" if tick is None else seconds(launch.at - tick)


def seconds(value: float) -> str:
    """Write a lag with the digits that matter."""
    return f"{value * 1000:.0f} ms" if abs(value) < 1 else f"{value:.1f} s"


def _time_of_day(text: str | None) -> str:
    return datetime.fromtimestamp(moment(text), UTC).strftime("%H:%M:%S") if text else "-"


def _when(text: str | None, now: float) -> str:
    """Write a moment to come, with its date where it is not today."""
    if not text:
        return "-"
    coming, today = datetime.fromtimestamp(moment(text), UTC), datetime.fromtimestamp(now, UTC)
    return f"{coming:%H:%M:%S}" if coming.date() == today.date() else f"{coming:%m-%d %H:%M}"
