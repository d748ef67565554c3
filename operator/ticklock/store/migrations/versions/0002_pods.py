"""pods: those that were too many, and the one of a StrictPod attempt

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
    op.add_column("schedules", sa.Column("launch_policy", sa.Text(), server_default=sa.text("'Job'"), nullable=False))
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
            comment="chosen, withdrawn, held; retry, deleted, unfounded",
        ),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True, comment="the replica that is to let a chosen pod go"),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "admitted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the scheduling gate of a chosen pod was off",
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "n"], ["attempts.run_id", "attempts.n"], name=op.f("pods_run_id_n_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "n", "pod_uid", name=op.f("pods_pkey")),
        comment="the one pod of a StrictPod attempt, and pods that were too many",
    )
    op.create_index(
        "pods_one_chosen_idx", "pods", ["run_id", "n"], unique=True, postgresql_where=sa.text("role = 'chosen'")
    )
