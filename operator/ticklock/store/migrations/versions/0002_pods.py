"""pods

Expand or contract: expand
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "pods",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("pod_uid", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Uuid(), nullable=False),
        sa.Column("pod_name", sa.Text(), nullable=False),
        sa.Column("job_uid", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Text(),
            nullable=False,
            comment="why there is something to say of it: retry, deleted, unfounded",
        ),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "n"], ["attempts.run_id", "attempts.n"], name=op.f("pods_run_id_n_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "n", "pod_uid", name=op.f("pods_pkey")),
        comment="pods of which there is something to say; the first of a Job leaves no trace",
    )
