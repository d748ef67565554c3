"""What PostgreSQL tells of the runs and the replicas; read-only."""

from dataclasses import dataclass, field
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from tools.demo.facts import Entry, RunName

_RUNS = """
SELECT r.schedule_uid, r.run_key, r.state, coalesce(r.reason, '') AS reason, l.app_id::text AS bound_by,
       extract(epoch FROM a.bound_at)::float AS bound_at, a.launched_by::text AS launched_by,
       a.claimed_by::text AS claimed_by
FROM runs r
LEFT JOIN attempts a ON a.run_id = r.id AND a.n = 1
LEFT JOIN job_logs l ON l.run_id = r.id AND l.n = 1
"""
_REPLICAS = "SELECT id::text AS id, pod, extract(epoch FROM started_at)::float AS started_at FROM replicas"


@dataclass(frozen=True, slots=True)
class Life:
    """One start of a replica's process, as it signed in."""

    replica: str
    pod: str
    started_at: float


@dataclass(slots=True)
class Ledger:
    """One reading after another. Replicas that have signed off are remembered."""

    url: str
    entries: dict[RunName, Entry] = field(default_factory=dict)
    lives: dict[str, Life] = field(default_factory=dict)
    _connection: psycopg.Connection[dict[str, Any]] | None = None

    def read(self) -> None:
        """Read anew. Raises psycopg.Error."""
        connection = self._connected()
        with connection.transaction():
            self.entries = {entry.run: entry for entry in map(_entry, connection.execute(_RUNS))}
            for row in connection.execute(_REPLICAS):
                self.lives[row["id"]] = Life(row["id"], row["pod"], row["started_at"])

    def pod_of(self, replica: str | None) -> str | None:
        """Return the pod that a replica id belongs to; its later lives are numbered."""
        life = self.lives.get(replica or "")
        if life is None:
            return None
        earlier = sum(other.pod == life.pod and other.started_at < life.started_at for other in self.lives.values())
        return f"{life.pod} ({earlier + 1})" if earlier else life.pod

    def replica_of(self, pod: str, at: float) -> str | None:
        """Return the id under which a pod's process ran at that time."""
        lives = [life for life in self.lives.values() if life.pod == pod and life.started_at <= at]
        return max(lives, key=lambda life: life.started_at).replica if lives else None

    def close(self) -> None:
        """Give the connection back. May be repeated."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self.url,
                autocommit=True,
                row_factory=dict_row,
                options="-c default_transaction_read_only=on -c statement_timeout=5000",
            )
        return self._connection


def _entry(row: dict[str, Any]) -> Entry:
    run = RunName(row["schedule_uid"], row["run_key"])
    hands = (row["bound_by"], row["bound_at"], row["launched_by"], row["claimed_by"])
    return Entry(run, row["state"], row["reason"], *hands)
