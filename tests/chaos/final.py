"""The last entry of a history: everything as it stands when nothing moves any more."""

from __future__ import annotations

import time
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from tests.chaos.bystander import JOBS, SCHEDULES
from tests.chaos.history import Change, Final
from tests.chaos.sighted import is_ours, job_sight, schedule_sight
from tools.devcluster.kubeapi import KubeApi

_TABLES: dict[str, LiteralString] = {
    "schedules": "SELECT * FROM schedules",
    "schedule_state": "SELECT * FROM schedule_state",
    "runs": "SELECT * FROM runs",
    "attempts": "SELECT * FROM attempts",
    "job_logs": "SELECT * FROM job_logs",
    "run_events": "SELECT * FROM run_events",
    "queue_locks": "SELECT * FROM queue_locks",
}
_SOURCE = "dump"

UNSETTLED: dict[str, LiteralString] = {
    "open attempts": "SELECT run_id, state, reason FROM attempts WHERE state IN ('planned', 'bound', 'launched')",
    "attempts whose Jobs are not released": """
        SELECT run_id, state, reason FROM attempts WHERE job_uid IS NOT NULL AND released_at IS NULL""",
    "objects whose status is behind": """
        SELECT s.uid FROM schedule_state st JOIN schedules s USING (cluster, uid)
        WHERE st.report_seq > st.reported_seq AND s.deleted_at IS NULL""",
    "locks": "SELECT run_id, job_name FROM queue_locks",
}
"""What must be empty for nothing to move any more, where all schedules are suspended."""


def unsettled(url: str) -> str | None:
    """Say what still moves; None where nothing does."""
    with psycopg.connect(url, connect_timeout=5, row_factory=dict_row) as connection:
        for what, statement in UNSETTLED.items():
            rows = connection.execute(statement).fetchall()
            if rows:
                return f"{len(rows)} {what}, the first {rows[0]}"
    return None


def final(url: str, api: KubeApi) -> Final:
    """Read everything. The ledger is read before the cluster."""
    with psycopg.connect(url, connect_timeout=5, row_factory=dict_row) as connection:
        tables = {name: connection.execute(statement).fetchall() for name, statement in _TABLES.items()}
    at = time.time()
    about: dict[str, Any] = {"at": at, "source": _SOURCE, "change": Change.LISTED}
    jobs, schedules = api.get(JOBS)["items"], api.get(SCHEDULES)["items"]
    return Final(
        at=at,
        source=_SOURCE,
        tables=tables,
        schedules=[schedule_sight(one, **about) for one in schedules],
        jobs=[job_sight(one, **about) for one in jobs if is_ours(one)],
        pods=api.get("/api/v1/pods")["items"],
    )
