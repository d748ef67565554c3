"""A number drawn from a name: the same on every replica, in every release, and before the object exists.

Used for what should differ between schedules and stay as it is for each of them: `H` in an expression, and jitter.
"""

from __future__ import annotations

from hashlib import sha256


def seed_of(namespace: str, name: str) -> str:
    """Return what a schedule's numbers are drawn from. The name, not the UID: an object made again keeps its times."""
    return f"{namespace}/{name}"


def spread(seed: str, purpose: str, span: int) -> int:
    """Return a number from 0 to span - 1, evenly spread over seeds and independent for each purpose."""
    # length-prefixed, so that no two pairs are written the same way
    text = f"{len(seed)}:{seed}{len(purpose)}:{purpose}"
    return int.from_bytes(sha256(text.encode()).digest(), "big") % span
