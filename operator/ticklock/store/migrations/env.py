"""Run by Alembic: one connection, one transaction, handed in by `ticklock.store.migrate`."""

from __future__ import annotations

from alembic import context

from ticklock.store.partitions import is_partition
from ticklock.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    compare_server_default=False,
    include_name=lambda name, kind, _: not (kind == "table" and is_partition(name or "")),
)
with context.begin_transaction():
    context.run_migrations()
