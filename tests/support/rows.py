"""The ledger's rows as anybody with psql sees them."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]

_RUNS: LiteralString = """
SELECT r.id, r.run_key, r.schedule_uid, r.scheduled_time, r.state, r.reason, r.message,
       a.n, a.state AS attempt, a.stage, a.job_name, a.job_uid, a.launched_at, a.launched_by, a.bound_at,
       l.app_id AS bound_by, l.status AS log, l.remark
FROM runs r JOIN attempts a ON a.run_id = r.id LEFT JOIN job_logs l ON l.run_id = a.run_id AND l.n = a.n
WHERE r.schedule_uid = ANY(%(uids)s)
ORDER BY r.scheduled_time, r.run_key, a.n
"""


class Rows:
    """Queries on one database; each opens a connection of its own, so a restart of the server harms none."""

    def __init__(self, url: str) -> None:
        self.url = url

    def all(self, statement: LiteralString, **parameters: object) -> list[Row]:
        with psycopg.connect(self.url, connect_timeout=5, row_factory=dict_row) as connection:
            return connection.execute(statement, parameters).fetchall()

    def runs(self, *uids: str) -> list[Row]:
        """The runs of these schedules with their attempts, JobLog, and who launched them; by tick."""
        return self.all(_RUNS, uids=list(uids))

    def trail(self, run: object) -> list[str]:
        """What happened to a run, oldest first."""
        found = self.all("SELECT status FROM run_events WHERE run_id = %(run)s ORDER BY event_id", run=run)
        return [row["status"] for row in found]

    def latest_id(self, pod: str) -> str:
        """The replica id of a pod's latest life."""
        statement: LiteralString = "SELECT id FROM replicas WHERE pod = %(pod)s ORDER BY started_at DESC LIMIT 1"
        return str(self.all(statement, pod=pod)[0]["id"])

    def pod_ids(self) -> dict[str, set[str]]:
        """The replica ids that each pod name has had and that are not swept away yet."""
        found: dict[str, set[str]] = {}
        for row in self.all("SELECT id, pod FROM replicas"):
            found.setdefault(row["pod"], set()).add(str(row["id"]))
        return found
