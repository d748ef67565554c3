"""first schema

Expand or contract: expand
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("claim_tokens")))
    op.create_table(
        "clusters",
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column(
            "incarnation",
            sa.Text(),
            nullable=True,
            comment="the reconciled incarnation of the database; another one means quarantine",
        ),
        sa.Column("quarantine_reason", sa.Text(), nullable=True),
        sa.Column(
            "set_back_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the API server was last seen to be set back",
        ),
        sa.Column(
            "highest_time",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the latest time of the database that anybody has gone by",
        ),
        sa.Column(
            "clock_release",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="how often a person has vouched for the database's clock",
        ),
        sa.Column("highest_resource_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "audit_keep_days",
            sa.Integer(),
            nullable=True,
            comment="what this cluster wants kept: the longest wish of a database counts",
        ),
        sa.Column("job_logs_keep_days", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("cluster", name=op.f("clusters_pkey")),
        comment="one row a Kubernetes cluster",
    )
    op.create_table(
        "closures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="Quarantine or ClockStep"),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=True, comment="of the database when it began"),
        sa.Column(
            "closed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True, comment="NULL: the gate is closed"),
        sa.Column("opened_how", sa.Text(), nullable=True, comment="Reconciled, ClockSettled or Released"),
        sa.Column("opened_by", sa.Text(), nullable=True, comment="the person that released it"),
        sa.Column("responsibility", sa.Text(), nullable=True, comment="why, in that person's words"),
        sa.Column(
            "settled",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="attempts, by outcome",
        ),
        sa.Column(
            "unstaging",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Jobs still to be taken away",
        ),
        sa.Column(
            "told", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="the statuses say so"
        ),
        sa.Column(
            "counted", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="the metrics have it"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("closures_pkey")),
        comment="one row a time in which nothing was decided",
    )
    op.create_index(
        "closures_open_idx",
        "closures",
        ["cluster", "reason"],
        unique=True,
        postgresql_where=sa.text("opened_at IS NULL"),
    )
    op.create_index("closures_time_idx", "closures", ["cluster", "closed_at"], unique=False)
    op.create_table(
        "job_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False, comment="the replica that wrote the row first"),
        sa.Column("job_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="Processing, Completed or Exited"),
        sa.Column("remark", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "created_time", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_time", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", "created_time", name=op.f("job_logs_pkey")),
        sa.UniqueConstraint("run_id", "n", "created_time", name=op.f("job_logs_run_id_n_created_time_key")),
        postgresql_partition_by="RANGE (created_time)",
    )
    op.execute("CREATE TABLE job_logs_default PARTITION OF job_logs DEFAULT")
    op.create_table(
        "object_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("schedule_uid", sa.Text(), nullable=True, comment="NULL: about the installation"),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("related_job", sa.Text(), nullable=True),
        sa.Column("related_uid", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True, comment="of the run that ended with this, to be counted"),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("object_events_pkey")),
        comment="Kubernetes Events still to be posted",
    )
    op.create_index("object_events_order_idx", "object_events", ["cluster", "id"], unique=False)
    op.create_table(
        "queue_locks",
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("queue_name", sa.Text(), nullable=False),
        sa.Column("job_name", sa.Text(), nullable=False, comment="the ScheduledJob's name"),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_time", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("renewed", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "namespace", "queue_name", "job_name", name=op.f("queue_locks_pkey")),
    )
    op.create_index("queue_locks_run_idx", "queue_locks", ["run_id", "n"], unique=False)
    op.create_table(
        "replicas",
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("heartbeat", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("leader", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "clock_step",
            sa.Double(),
            nullable=True,
            comment="by how many seconds the clock stepped that it does not believe; NULL: it does",
        ),
        sa.Column("clock_release", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "id", name=op.f("replicas_pkey")),
    )
    op.create_table(
        "run_events",
        sa.Column("event_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True, comment="NULL: about the installation"),
        sa.Column("status", sa.Text(), nullable=False, comment="a reason"),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("replica", sa.Uuid(), nullable=True),
        sa.Column("timestamp", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "timestamp", name=op.f("run_events_pkey")),
        comment="audit trail; append-only",
        postgresql_partition_by="RANGE (timestamp)",
    )
    op.execute("CREATE TABLE run_events_default PARTITION OF run_events DEFAULT")
    op.create_index("run_events_run_idx", "run_events", ["run_id", "event_id"], unique=False)
    op.create_index("run_events_time_idx", "run_events", ["cluster", "timestamp"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "effective_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when this generation was stored: ticks up to here belong to the old one",
        ),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a tombstone until its attempts are released",
        ),
        sa.Column("expression", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("suspend", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("concurrency", sa.Text(), server_default=sa.text("'Allow'"), nullable=False),
        sa.Column("starting_deadline_seconds", sa.BigInteger(), nullable=True),
        sa.Column("keep_successful", sa.Integer(), server_default=sa.text("3"), nullable=False),
        sa.Column("keep_failed", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("queue_name", sa.Text(), server_default=sa.text("'default'"), nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("job_template", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("problem_reason", sa.Text(), nullable=True),
        sa.Column("problem_message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("cluster", "uid", name=op.f("schedules_pkey")),
        comment="specs, written by the reconciler",
    )
    op.create_index(
        "schedules_name_idx",
        "schedules",
        ["cluster", "namespace", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "terms",
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "renewed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("cluster", name=op.f("terms_pkey")),
        comment="the leader's term; every singleton write carries its epoch",
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("schedule_uid", sa.Text(), nullable=False),
        sa.Column("run_key", sa.Text(), nullable=False),
        sa.Column("scheduled_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["cluster", "schedule_uid"],
            ["schedules.cluster", "schedules.uid"],
            name=op.f("runs_cluster_schedule_uid_fkey"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_pkey")),
        sa.UniqueConstraint("cluster", "schedule_uid", "run_key", name=op.f("runs_cluster_schedule_uid_run_key_key")),
    )
    op.create_index("runs_latest_idx", "runs", ["cluster", "schedule_uid", "scheduled_time"], unique=False)
    op.create_table(
        "schedule_state",
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column(
            "cursor", sa.DateTime(timezone=True), nullable=False, comment="the last moment planned; only moves forward"
        ),
        sa.Column(
            "next_tick",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the first tick after the cursor; NULL where there is none to come",
        ),
        sa.Column(
            "pruned_through",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="no tick up to here is ever planned again",
        ),
        sa.Column("ledger_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("witnessed_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_launched_tick", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_success", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_trigger", sa.Text(), nullable=True),
        sa.Column("report_seq", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("reported_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "reported_at", sa.DateTime(timezone=True), server_default=sa.text("to_timestamp(0)"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["cluster", "uid"],
            ["schedules.cluster", "schedules.uid"],
            name=op.f("schedule_state_cluster_uid_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("cluster", "uid", name=op.f("schedule_state_pkey")),
        comment="the hot part of a schedule",
    )
    op.create_index(
        "schedule_state_next_tick_idx",
        "schedule_state",
        ["cluster", "next_tick"],
        unique=False,
        postgresql_where=sa.text("next_tick IS NOT NULL"),
    )
    op.create_index(
        "schedule_state_unreported_idx",
        "schedule_state",
        ["cluster", "reported_at"],
        unique=False,
        postgresql_where=sa.text("report_seq > reported_seq"),
    )
    op.create_table(
        "attempts",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("schedule_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_tick", sa.Boolean(), nullable=False),
        sa.Column("scheduled_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True, comment="deferred until"),
        sa.Column("deferrals", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("stage", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("job_name", sa.Text(), nullable=True),
        sa.Column("name_suffix", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("staged_uid", sa.Text(), nullable=True),
        sa.Column("job_uid", sa.Text(), nullable=True, comment="the decision: this Job, and no other"),
        sa.Column(
            "logged_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="created_time of its row in job_logs, which is found by it",
        ),
        sa.Column("claim_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True, comment="why we asked for its Job to be deleted"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("launched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("launched_by", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("record_seq", sa.BigInteger(), nullable=True),
        sa.Column(
            "suspect",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="open at a quarantine: never followed automatically",
        ),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("absent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("attempts_run_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "n", name=op.f("attempts_pkey")),
        comment="one row a Kubernetes Job that may start",
    )
    op.create_index(
        "attempts_bound_idx",
        "attempts",
        ["cluster", "claimed_until"],
        unique=False,
        postgresql_where=sa.text("state = 'bound'"),
    )
    op.create_index(
        "attempts_one_open_idx",
        "attempts",
        ["run_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('planned', 'bound', 'launched')"),
    )
    op.create_index(
        "attempts_open_idx",
        "attempts",
        ["cluster", "schedule_uid"],
        unique=False,
        postgresql_where=sa.text("state IN ('planned', 'bound', 'launched')"),
    )
    op.create_index(
        "attempts_planned_idx",
        "attempts",
        ["cluster", "priority", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(
        "attempts_standing_idx",
        "attempts",
        ["cluster", "schedule_uid", "finished_at"],
        unique=False,
        postgresql_where=sa.text("released_at IS NOT NULL AND absent_at IS NULL"),
    )
    op.create_index(
        "attempts_unreleased_idx",
        "attempts",
        ["cluster", "schedule_uid"],
        unique=False,
        postgresql_where=sa.text("job_uid IS NOT NULL AND released_at IS NULL AND record_seq IS NOT NULL"),
    )
