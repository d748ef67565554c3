"""Moments as Kubernetes writes them: RFC 3339, in UTC inside."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_instant(value: object) -> datetime | None:
    """Read an RFC 3339 moment; None for anything else, a text without an offset included."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_instant(moment: datetime) -> str:
    """Write a moment to the second, in UTC, as `metav1.Time` does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro(moment: datetime) -> str:
    """Write a moment as `metav1.MicroTime`: six digits; the API server accepts no other number of them."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
