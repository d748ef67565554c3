"""backfills: past ticks that a person asked for, and up to where the rows may not be believed

Expand or contract: expand
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_now = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "backfills",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("schedule_uid", sa.Text(), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.Column("max_parallel", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=_now, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("backfills_pkey")),
        sa.ForeignKeyConstraint(
            ["cluster", "schedule_uid"],
            ["schedules.cluster", "schedules.uid"],
            name=op.f("backfills_cluster_fkey"),
            ondelete="CASCADE",
        ),
        comment="past ranges of which a person wanted the ticks to run",
    )
    comment = "asked for by a person, in this backfill; NULL: by its timetable or a trigger"
    op.add_column("attempts", sa.Column("backfill", sa.BigInteger(), nullable=True, comment=comment))
    op.create_index(
        "attempts_backfill_idx",
        "attempts",
        ["backfill", "scheduled_time"],
        postgresql_where=sa.text("backfill IS NOT NULL AND state IN ('planned', 'bound', 'launched')"),
    )
    comment = "commits may be lost: what ran up to here is not known from the rows alone"
    op.add_column("schedule_state", sa.Column("doubted_through", sa.DateTime(timezone=True), nullable=True, comment=comment))
