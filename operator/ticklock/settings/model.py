"""The settings themselves: what there is, what it means, what values it may have."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from sqlalchemy import URL

from ticklock.settings import dsn

RETRY_JITTER = 1.2
"""A retry of the Lease comes up to this much later than its period."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a value must be, in words, where its type does not say it."""

    words: str


Text = Annotated[str, Field(min_length=1)]
DnsLabel = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63),
    Wants("a name of at most 63 lower-case letters, digits and '-'"),
]
DnsName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253),
    Wants("a name of lower-case letters, digits, '-' and '.'"),
]
DatabaseUrl = Annotated[
    SecretStr,
    Wants("a URL like postgresql://user@host:5432/database, with special characters percent-encoded"),
]


class Settings(BaseModel):
    """All settings of one replica, immutable. No secret is in its `repr` or `str`.

    Made by `load`; where one is made directly, wrong values raise pydantic's ValidationError. Durations are numbers in
    the unit that the name ends with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    # -- PostgreSQL
    database_url: DatabaseUrl = Field(description="The database. A password in it works, but is better given apart.")
    database_password: SecretStr | None = Field(
        None, description="Its password, before one in the URL. No flag: every process can read those of others."
    )
    database_password_file: Path | None = Field(
        None, description="File to read the password from at start, instead; line ends at its end do not count."
    )
    database_direct_url: DatabaseUrl | None = Field(
        None, description="The way past a transaction pooler, for LISTEN. Default: database_url."
    )
    migrate_wait_seconds: float = Field(
        0, ge=0, le=3600, description="How long `ticklock migrate` goes on trying where the database cannot be reached."
    )
    database_pool_size: int = Field(8, ge=1, le=100, description="Connections of this replica to the database.")

    # -- Kubernetes
    kubeconfig: Path | None = Field(None, description="Kubeconfig file. Default: the pod's ServiceAccount.")
    context: Text | None = Field(None, description="Context in the kubeconfig. Default: its current one.")
    watch_namespace: DnsLabel | None = Field(
        None,
        description="The only namespace whose ScheduledJobs are served; its UID is the identity then. Default: all.",
    )
    lease_namespace: DnsLabel = Field(
        "ticklock-system", description="Namespace of the Lease. In a pod, the default is the pod's own."
    )
    lease_name: DnsName = Field(
        "ticklock", description="Name of the Lease; replicas that share it are one installation."
    )
    pod_name: Text = Field(
        default_factory=socket.gethostname, description="Name of this replica in logs and Lease. Default: host's name."
    )

    # -- launching
    staging: bool = Field(default=True, description="Create suspended Jobs ahead of their ticks.")
    stage_ahead_seconds: float = Field(
        5.0, ge=0.5, le=60, description="How long before its tick a run is planned and staged."
    )
    claim_seconds: float = Field(
        10.0, ge=2, le=60, description="How long a claim keeps a dead replica's runs from others."
    )
    stage_batch: int = Field(100, ge=1, le=1000, description="Runs claimed at once for staging.")
    bind_batch: int = Field(64, ge=1, le=1000, description="Runs decided in one transaction.")
    launch_concurrency: int = Field(
        32, ge=1, le=512, description="Requests of a replica that launch or stage at a time."
    )

    min_interval_seconds: int = Field(
        1, ge=1, le=86_400, description="How far apart the ticks of a schedule must lie; closer ones are refused."
    )
    max_catch_up: int = Field(
        100, ge=1, le=1000, description="The largest `catchUp.limit` of a schedule; a larger one is refused."
    )
    max_pending_runs: int = Field(
        50_000, ge=100, le=1_000_000, description="How many runs may wait to be started; further ticks are skipped."
    )
    max_pending_runs_per_namespace: int = Field(
        20_000, ge=1, le=1_000_000, description="How many of them may be of one namespace; further ticks are skipped."
    )

    # -- leading
    lease_duration_seconds: float = Field(15, ge=1, le=300, description="How long others respect a silent leader.")
    renew_deadline_seconds: float = Field(
        10, ge=0.5, le=300, description="How long a leader tries to renew, then resigns."
    )
    retry_period_seconds: float = Field(
        2, ge=0.1, le=60, description="Pause between two tries to get or renew the Lease."
    )
    full_list_seconds: float = Field(300, ge=5, le=86_400, description="How often all objects are listed anew.")
    status_concurrency: int = Field(8, ge=1, le=128, description="Status writes at a time.")
    report_interval_seconds: float = Field(
        0.25, ge=0.05, le=60, description="Pause in which changes of a status are put together."
    )
    watch_pods: bool = Field(
        default=True, description="Watch the pods of our Jobs, to notice one that Kubernetes started a second time."
    )
    prune_after_hours: float = Field(
        24, ge=1, le=87_600, description="How long runs that are over stay in the database, to be followed up."
    )
    audit_keep_days: int = Field(
        90, ge=1, le=36_500, description="How long the audit trail is kept at least; it goes by whole months."
    )
    job_logs_keep_days: int = Field(
        90, ge=1, le=36_500, description="How long job_logs are kept at least; they go by whole months."
    )

    # -- to the outside
    http_host: Text = Field("0.0.0.0", description="Address for metrics and health.")  # noqa: S104 - the kubelet asks from outside the pod
    http_port: int = Field(8080, ge=0, le=65_535, description="Port for metrics and health; 0 takes a free one.")
    metrics_by_object: bool = Field(default=True, description="Metrics carry namespace and name of each ScheduledJob.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for people.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe lines to write."
    )
    watchdog_seconds: float = Field(
        15, ge=2, le=600, description="How long the event loop may be stuck before the replica ends itself."
    )
    grace_seconds: float = Field(
        25, ge=0, le=600, description="How long running steps may take to finish after SIGTERM."
    )

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _is_a_database(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            dsn.parse(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _lease_times_fit(self) -> Self:
        if self.lease_duration_seconds <= self.renew_deadline_seconds:
            raise ValueError(
                f"lease_duration_seconds ({self.lease_duration_seconds:g}) must be more than "
                f"renew_deadline_seconds ({self.renew_deadline_seconds:g}), or two replicas could lead at a time"
            )
        if self.renew_deadline_seconds <= self.retry_period_seconds * RETRY_JITTER:
            raise ValueError(
                f"renew_deadline_seconds ({self.renew_deadline_seconds:g}) must be more than {RETRY_JITTER} times "
                f"retry_period_seconds ({self.retry_period_seconds:g}), or one slow answer costs the Lease"
            )
        return self

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.database_password is not None and self.database_password_file is not None:
            raise ValueError("database_password and database_password_file are both set; give one of them")
        return self

    @property
    def sqlalchemy_url(self) -> URL:
        """The database for SQLAlchemy on psycopg, with the password; its `str` and `repr` hide it."""
        return dsn.sqlalchemy_url(dsn.parse(self.database_url.get_secret_value()), self._password)

    @property
    def conninfo(self) -> str:
        """The direct way to the database, as libpq wants it. It holds the password in plain text: never show it."""
        parameters = dsn.parse((self.database_direct_url or self.database_url).get_secret_value())
        inherited = dsn.parse(self.database_url.get_secret_value()).get("password")
        return dsn.conninfo(parameters, self._password or parameters.get("password") or inherited)

    @property
    def database_place(self) -> str:
        """Where the database is, to be shown: host, port and name."""
        return dsn.place(dsn.parse(self.database_url.get_secret_value()))

    @property
    def _password(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None
