"""PostgreSQL: the ledger that decides."""
