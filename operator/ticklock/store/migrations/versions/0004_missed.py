"""missed: since when a schedule is paused, and ranges of missed ticks

Expand or contract: expand
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Bring the schema forward."""
    paused = "since when nothing is planned: suspended, or a spec that cannot be followed; NULL: it is"
    first = "of a range of missed ticks, which scheduled_time ends: the first; NULL: it is one tick"
    ticks = "how many ticks it tells of; NULL: one"
    op.add_column("schedules", sa.Column("paused_at", _TIME, nullable=True, comment=paused))
    op.add_column("runs", sa.Column("first_tick", _TIME, nullable=True, comment=first))
    op.add_column("runs", sa.Column("ticks", sa.Integer(), nullable=True, comment=ticks))
    op.add_column("object_events", sa.Column("ticks", sa.Integer(), nullable=True, comment=ticks))
