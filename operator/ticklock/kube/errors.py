"""What the API server refuses, and what that means to the engine.

`ApiError` lives only inside this package: adapters turn it into the words of `ticklock.domain.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ticklock.domain.errors import Conflict, Refused, Transient

WRONG_FOR_GOOD = frozenset({400, 405, 406, 413, 415, 422})
"""The request itself is at fault. 403 is not among them: quota and RBAC change without the request changing."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `status.details.causes`."""

    reason: str
    field: str
    message: str


class ApiError(Exception):
    """An answer other than 2xx. A request without an answer is Transient from the start."""

    def __init__(self, status: int, body: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.reason = _text(body.get("reason"))
        self.message = _text(body.get("message")) or f"HTTP {status}"
        self.causes = _causes(body.get("details"))
        self.retry_after = retry_after
        super().__init__(f"{status} {self.reason}: {self.message}" if self.reason else f"{status}: {self.message}")

    def names(self, field: str) -> bool:
        """Whether one of the causes is about this field."""
        return any(cause.field == field for cause in self.causes)

    @property
    def absent(self) -> bool:
        """Whether the API server itself says that the object is not there.

        A 404 without a Status comes from something before it, or from one that does not serve the resource yet.
        """
        return self.status == 404 and self.reason == "NotFound"  # noqa: PLR2004

    @property
    def transient(self) -> Transient:
        """This refusal as one that is worth another try."""
        return Transient(str(self), retry_after=self.retry_after)

    @property
    def conflict(self) -> Conflict:
        """This refusal as one that asks for another look at the object."""
        return Conflict(str(self))

    @property
    def translated(self) -> Conflict | Refused | Transient:
        """This refusal in the engine's words, where nothing more is known about the request."""
        if self.status == 409:  # noqa: PLR2004
            return self.conflict
        if self.status in WRONG_FOR_GOOD:
            return Refused(str(self))
        return self.transient


def _causes(details: object) -> tuple[Cause, ...]:
    causes = details.get("causes") if isinstance(details, Mapping) else None
    if not isinstance(causes, list):
        return ()
    return tuple(
        Cause(_text(one.get("reason")), _text(one.get("field")), _text(one.get("message")))
        for one in causes
        if isinstance(one, Mapping)
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
