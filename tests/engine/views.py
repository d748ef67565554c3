"""Jobs and rows for tests of the duties: one plain one of each, changed by the words of the case."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ticklock.domain.model import AttemptKey, AttemptState, JobUid, RunId
from ticklock.ports import JobView, RowView

KEY = AttemptKey(RunId(UUID(int=7)), 1)
UID, OTHER = JobUid("uid-1"), JobUid("uid-2")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

_JOB = JobView(
    namespace="shop",
    name="payout-1",
    uid=UID,
    resource_version="5",
    owner_uid="owner",
    owner_name="payout",
    key=KEY,
    run_key="tick:1772366400",
    stage=1,
    scheduled_time=NOON,
    suspended=True,
    held=True,
    deleting=False,
    started_at=None,
    finished=None,
    finished_at=None,
    message="",
    active_pods=0,
    failed_pods=0,
)
_ROW = RowView(KEY, AttemptState.PLANNED, staged_uid=UID, job_uid=None, stage=1)


def job(**changes: Any) -> JobView:
    return replace(_JOB, **changes)


def row(**changes: Any) -> RowView:
    return replace(_ROW, **changes)
