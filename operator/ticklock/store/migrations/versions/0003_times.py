"""times: the further fields of time of a schedule

Expand or contract: expand
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    comment = "the further fields of time; NULL: none"
    op.add_column("schedules", sa.Column("times", postgresql.JSONB(), nullable=True, comment=comment))
