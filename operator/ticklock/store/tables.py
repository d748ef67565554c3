"""The tables, as the newest migration leaves them.

Every row carries the cluster's identity, so that several clusters may share one database. Hot tables are narrow; each
partial index names its states as literals, because a bound parameter would not match it. The partitions of the two
tables that only grow are not listed: see `partitions`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

_time = DateTime(timezone=True)
_now = text("clock_timestamp()")
_OPEN = "state IN ('planned', 'bound', 'launched')"


def _cluster(*, key: bool = False) -> Column[object]:
    return Column("cluster", Uuid, primary_key=key, nullable=False)


claim_tokens = Sequence("claim_tokens", metadata=metadata)
"""Each claim of an attempt takes the next number, so that a later run always carries a higher one."""

clusters = Table(
    "clusters",
    metadata,
    _cluster(key=True),
    Column("incarnation", Text, comment="the reconciled incarnation of the database; another one means quarantine"),
    Column("quarantine_reason", Text),
    Column("set_back_at", _time, comment="when the API server was last seen to be set back"),
    Column("highest_time", _time, comment="the latest time of the database that anybody has gone by"),
    Column(
        "clock_release",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="how often a person has vouched for the database's clock",
    ),
    Column("highest_resource_version", BigInteger, nullable=False, server_default=text("0")),
    Column("lease_uid", Text, comment="of the Lease by which a leader was last chosen"),
    Column("lease_version", BigInteger, comment="at which a leader last saw it; lower: the cluster was set back"),
    Column("audit_keep_days", Integer, comment="what this cluster wants kept: the longest wish of a database counts"),
    Column("job_logs_keep_days", Integer),
    comment="one row a Kubernetes cluster",
)

closures = Table(
    "closures",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _cluster(),
    Column("reason", Text, nullable=False, comment="Quarantine or ClockStep"),
    Column("cause", Text, nullable=False),
    Column("incarnation", Text, comment="of the database when it began"),
    Column("closed_at", _time, nullable=False, server_default=_now),
    Column("opened_at", _time, comment="NULL: the gate is closed"),
    Column("opened_how", Text, comment="Reconciled, ClockSettled or Released"),
    Column("opened_by", Text, comment="the person that released it"),
    Column("responsibility", Text, comment="why, in that person's words"),
    Column("settled", JSONB, nullable=False, server_default=text("'{}'"), comment="attempts, by outcome"),
    Column("unstaging", Integer, nullable=False, server_default=text("0"), comment="Jobs still to be taken away"),
    Column("told", Boolean, nullable=False, server_default=text("false"), comment="the statuses say so"),
    Column("counted", Boolean, nullable=False, server_default=text("false"), comment="the metrics have it"),
    Index("closures_open_idx", "cluster", "reason", unique=True, postgresql_where=text("opened_at IS NULL")),
    Index("closures_time_idx", "cluster", "closed_at"),
    comment="one row a time in which nothing was decided",
)

terms = Table(
    "terms",
    metadata,
    _cluster(key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Uuid, nullable=False),
    Column("pod", Text, nullable=False),
    Column("started_at", _time, nullable=False, server_default=_now),
    Column("renewed_at", _time, nullable=False, server_default=_now),
    comment="the leader's term; every singleton write carries its epoch",
)

replicas = Table(
    "replicas",
    metadata,
    _cluster(key=True),
    Column("id", Uuid, primary_key=True),
    Column("pod", Text, nullable=False),
    Column("started_at", _time, nullable=False, server_default=_now),
    Column("heartbeat", _time, nullable=False, server_default=_now),
    Column("leader", Boolean, nullable=False, server_default=text("false")),
    Column(
        "clock_step", Double, comment="by how many seconds the clock stepped that it does not believe; NULL: it does"
    ),
    Column("clock_release", BigInteger, nullable=False, server_default=text("0")),
)

schedules = Table(
    "schedules",
    metadata,
    _cluster(key=True),
    Column("uid", Text, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", _time, nullable=False),
    Column(
        "effective_at",
        _time,
        nullable=False,
        comment="when this generation was stored: ticks up to here belong to the old one",
    ),
    Column("deleted_at", _time, comment="a tombstone until its attempts are released"),
    Column("expression", Text),
    Column("time_zone", Text),
    Column("times", JSONB, comment="the further fields of time; NULL: none"),
    Column("suspend", Boolean, nullable=False, server_default=text("false")),
    Column("concurrency", Text, nullable=False, server_default=text("'Allow'")),
    Column("starting_deadline_seconds", BigInteger),
    Column("keep_successful", Integer, nullable=False, server_default=text("3")),
    Column("keep_failed", Integer, nullable=False, server_default=text("1")),
    Column("queue_name", Text, nullable=False, server_default=text("'default'")),
    Column("priority", SmallInteger, nullable=False, server_default=text("1")),
    Column("job_template", JSONB),
    Column("problem_reason", Text),
    Column("problem_message", Text),
    Column("launch_policy", Text, nullable=False, server_default=text("'Job'")),
    Column(
        "paused_at",
        _time,
        comment="since when nothing is planned: suspended, or a spec that cannot be followed; NULL: it is",
    ),
    Index(
        "schedules_name_idx", "cluster", "namespace", "name", unique=True, postgresql_where=text("deleted_at IS NULL")
    ),
    comment="specs, written by the reconciler",
)

schedule_state = Table(
    "schedule_state",
    metadata,
    _cluster(key=True),
    Column("uid", Text, primary_key=True),
    Column("cursor", _time, nullable=False, comment="the last moment planned; only moves forward"),
    Column("next_tick", _time, comment="the first tick after the cursor; NULL where there is none to come"),
    Column("pruned_through", _time, comment="no tick up to here is ever planned again"),
    Column("ledger_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("witnessed_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("last_launched_tick", _time),
    Column("last_success", _time),
    Column("last_trigger", Text),
    Column("report_seq", BigInteger, nullable=False, server_default=text("1")),
    Column("reported_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("reported_at", _time, nullable=False, server_default=text("to_timestamp(0)")),
    Column(
        "doubted_through", _time, comment="commits may be lost: what ran up to here is not known from the rows alone"
    ),
    ForeignKeyConstraint(["cluster", "uid"], ["schedules.cluster", "schedules.uid"], ondelete="CASCADE"),
    Index("schedule_state_next_tick_idx", "cluster", "next_tick", postgresql_where=text("next_tick IS NOT NULL")),
    Index(
        "schedule_state_unreported_idx", "cluster", "reported_at", postgresql_where=text("report_seq > reported_seq")
    ),
    comment="the hot part of a schedule",
)

runs = Table(
    "runs",
    metadata,
    Column("id", Uuid, primary_key=True),
    _cluster(),
    Column("schedule_uid", Text, nullable=False),
    Column("run_key", Text, nullable=False),
    Column("scheduled_time", _time, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("message", Text, nullable=False, server_default=text("''")),
    Column("created_at", _time, nullable=False, server_default=_now),
    Column("finished_at", _time),
    Column(
        "first_tick",
        _time,
        comment="of a range of missed ticks, which scheduled_time ends: the first; NULL: it is one tick",
    ),
    Column("ticks", Integer, comment="how many ticks it tells of; NULL: one"),
    UniqueConstraint("cluster", "schedule_uid", "run_key"),
    ForeignKeyConstraint(["cluster", "schedule_uid"], ["schedules.cluster", "schedules.uid"]),
    Index("runs_latest_idx", "cluster", "schedule_uid", "scheduled_time"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("n", Integer, primary_key=True),
    _cluster(),
    Column("schedule_uid", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_tick", Boolean, nullable=False),
    Column("scheduled_time", _time, nullable=False),
    Column("due_at", _time, nullable=False),
    Column("not_before", _time, comment="deferred until"),
    Column("deferrals", Integer, nullable=False, server_default=text("0")),
    Column("priority", SmallInteger, nullable=False, server_default=text("1")),
    Column("stage", Integer, nullable=False, server_default=text("1")),
    Column("generation", BigInteger, nullable=False),
    Column("job_name", Text),
    Column("name_suffix", SmallInteger, nullable=False, server_default=text("0")),
    Column("staged_uid", Text),
    Column("job_uid", Text, comment="the decision: this Job, and no other"),
    Column("logged_at", _time, comment="created_time of its row in job_logs, which is found by it"),
    Column("claim_token", BigInteger, nullable=False, server_default=text("0")),
    Column("claimed_by", Uuid),
    Column("claimed_until", _time),
    Column("stop_reason", Text, comment="why we asked for its Job to be deleted"),
    Column("reason", Text),
    Column("message", Text, nullable=False, server_default=text("''")),
    Column("bound_at", _time),
    Column("launched_at", _time),
    Column("launched_by", Uuid),
    Column("started_at", _time),
    Column("finished_at", _time),
    Column("record_seq", BigInteger),
    Column(
        "suspect",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="open at a quarantine: never followed automatically",
    ),
    Column("released_at", _time),
    Column("absent_at", _time),
    Column(
        "backfill", BigInteger, comment="asked for by a person, in this backfill; NULL: by its timetable or a trigger"
    ),
    ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
    Index("attempts_one_open_idx", "run_id", unique=True, postgresql_where=text(_OPEN)),
    Index("attempts_planned_idx", "cluster", "priority", "due_at", postgresql_where=text("state = 'planned'")),
    Index("attempts_bound_idx", "cluster", "claimed_until", postgresql_where=text("state = 'bound'")),
    Index("attempts_open_idx", "cluster", "schedule_uid", postgresql_where=text(_OPEN)),
    Index(
        "attempts_unreleased_idx",
        "cluster",
        "schedule_uid",
        postgresql_where=text("job_uid IS NOT NULL AND released_at IS NULL AND record_seq IS NOT NULL"),
    ),
    Index(
        "attempts_standing_idx",
        "cluster",
        "schedule_uid",
        "finished_at",
        postgresql_where=text("released_at IS NOT NULL AND absent_at IS NULL"),
    ),
    Index(
        "attempts_backfill_idx",
        "backfill",
        "scheduled_time",
        postgresql_where=text(f"backfill IS NOT NULL AND {_OPEN}"),
    ),
    comment="one row a Kubernetes Job that may start",
)

backfills = Table(
    "backfills",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _cluster(),
    Column("schedule_uid", Text, nullable=False),
    Column("begins", _time, nullable=False),
    Column("ends", _time, nullable=False),
    Column("max_parallel", Integer, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", _time, nullable=False, server_default=_now),
    ForeignKeyConstraint(["cluster", "schedule_uid"], ["schedules.cluster", "schedules.uid"], ondelete="CASCADE"),
    comment="past ranges of which a person wanted the ticks to run",
)

pods = Table(
    "pods",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("pod_uid", Text, primary_key=True),
    _cluster(),
    Column("pod_name", Text, nullable=False),
    Column("job_uid", Text, nullable=False),
    Column("role", Text, nullable=False, comment="chosen, withdrawn, held; retry, deleted, unfounded"),
    Column("noted_at", _time, nullable=False, server_default=_now),
    Column("claimed_by", Uuid, comment="the replica that is to let a chosen pod go"),
    Column("claimed_until", _time),
    Column("admitted_at", _time, comment="when the scheduling gate of a chosen pod was off"),
    ForeignKeyConstraint(["run_id", "n"], ["attempts.run_id", "attempts.n"], ondelete="CASCADE"),
    Index("pods_one_chosen_idx", "run_id", "n", unique=True, postgresql_where=text("role = 'chosen'")),
    comment="the one pod of a StrictPod attempt, and pods that were too many",
)

queue_locks = Table(
    "queue_locks",
    metadata,
    _cluster(key=True),
    Column("namespace", Text, primary_key=True),
    Column("queue_name", Text, primary_key=True),
    Column("job_name", Text, primary_key=True, comment="the ScheduledJob's name"),
    Column("run_id", Uuid, nullable=False),
    Column("n", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("suspect", Boolean, nullable=False, server_default=text("false")),
    Column("created_time", _time, nullable=False, server_default=_now),
    Column("renewed", _time, nullable=False, server_default=_now),
    Column("expires", _time, nullable=False),
    Index("queue_locks_run_idx", "run_id", "n"),
)

job_logs = Table(
    "job_logs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("app_id", Uuid, nullable=False, comment="the replica that wrote the row first"),
    Column("job_name", Text, nullable=False),
    Column("status", Text, nullable=False, comment="Processing, Completed or Exited"),
    Column("remark", Text, nullable=False, server_default=text("''")),
    Column("created_time", _time, primary_key=True, server_default=_now),
    Column("updated_time", _time, nullable=False, server_default=_now),
    _cluster(),
    Column("run_id", Uuid, nullable=False),
    Column("n", Integer, nullable=False),
    UniqueConstraint("run_id", "n", "created_time"),
    postgresql_partition_by="RANGE (created_time)",
)

run_events = Table(
    "run_events",
    metadata,
    Column("event_id", BigInteger, Identity(always=True), primary_key=True),
    _cluster(),
    Column("run_id", Uuid, comment="NULL: about the installation"),
    Column("status", Text, nullable=False, comment="a reason"),
    Column("message", Text, nullable=False, server_default=text("''")),
    Column("replica", Uuid),
    Column("timestamp", _time, primary_key=True, server_default=_now),
    Index("run_events_run_idx", "run_id", "event_id"),
    Index("run_events_time_idx", "cluster", "timestamp"),
    comment="audit trail; append-only",
    postgresql_partition_by="RANGE (timestamp)",
)

object_events = Table(
    "object_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _cluster(),
    Column("schedule_uid", Text, comment="NULL: about the installation"),
    Column("namespace", Text),
    Column("name", Text),
    Column("type", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("related_job", Text),
    Column("related_uid", Text),
    Column("state", Text, comment="of the run that ended with this, to be counted"),
    Column("created_at", _time, nullable=False, server_default=_now),
    Column("ticks", Integer, comment="how many ticks it tells of; NULL: one"),
    Index("object_events_order_idx", "cluster", "id"),
    comment="Kubernetes Events still to be posted",
)
