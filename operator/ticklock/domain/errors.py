"""What a caller must do about an error: the words the engine knows.

Adapters translate status codes and SQLSTATEs into these where the error enters, so that no duty ever looks at one.
"""

from __future__ import annotations


class Transient(Exception):
    """The same call may succeed later. Whether it took effect is unknown."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the other side asked us to wait, if it did."""


class Refused(Exception):
    """The request is wrong and stays wrong: tell the user, do not retry."""


class Conflict(Exception):
    """The object is not as the request assumed: read it again and decide again."""


class Superseded(Exception):
    """Somebody else holds this now: drop it without noise."""


class Unready(Exception):
    """The ledger may not be used for decisions now (quarantine, clock alarm, missing schema)."""
