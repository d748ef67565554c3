"""Alembic revisions. Expand first and contract a release later: the previous release works on the new schema."""
