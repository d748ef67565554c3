"""What an installation allows, as its settings say."""

from __future__ import annotations

from datetime import timedelta

from ticklock.domain.limits import Limits
from ticklock.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """Return the limits."""
    return Limits(
        min_interval=timedelta(seconds=settings.min_interval_seconds),
        max_catch_up=settings.max_catch_up,
        max_pending=settings.max_pending_runs,
        max_pending_in_namespace=settings.max_pending_runs_per_namespace,
    )
