"""lease: at which version the Lease was last seen

Expand or contract: expand
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    uid = "of the Lease by which a leader was last chosen"
    version = "at which a leader last saw it; lower: the cluster was set back"
    op.add_column("clusters", sa.Column("lease_uid", sa.Text(), nullable=True, comment=uid))
    op.add_column("clusters", sa.Column("lease_version", sa.BigInteger(), nullable=True, comment=version))
