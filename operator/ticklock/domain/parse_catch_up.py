"""`catchUp` of a spec, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ticklock.domain.backlog import GRACE
from ticklock.domain.catch_up import DEFAULT_LIMIT, CatchUp, CatchUpPolicy
from ticklock.domain.model import ConcurrencyPolicy
from ticklock.domain.reasons import Reason
from ticklock.domain.spec_fields import Unusable, choice, positive

LARGEST_LIMIT = 1000
LONGEST_WINDOW = 315_360_000
"""Ten years in seconds."""
SHORTEST_WINDOW = int(GRACE.total_seconds())
"""A tick that is no later runs anyway."""
_FIELDS = ("policy", "limit", "windowSeconds")
_POLICIES = {policy.value: policy for policy in CatchUpPolicy}


def read_catch_up(spec: Mapping[str, Any]) -> CatchUp | None:
    """Return what is to be made up for; None where the spec says nothing. Raises Unusable with the field and mend."""
    given = spec.get("catchUp")
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise Unusable(Reason.INVALID_OBJECT, f"spec.catchUp must be an object, not {given!r:.60}")
    fields = {f"catchUp.{field}": given.get(field) for field in _FIELDS}
    policy = choice(fields, "catchUp.policy", _POLICIES, CatchUpPolicy.LATEST)
    limit, window = positive(fields, "catchUp.limit"), positive(fields, "catchUp.windowSeconds")
    if policy is CatchUpPolicy.SKIP and (limit, window) != (None, None):
        message = "spec.catchUp: limit and windowSeconds say how much is made up for: leave them out under policy Skip"
        raise Unusable(Reason.INVALID_OBJECT, message)
    _check("limit", limit, 1, LARGEST_LIMIT)
    _check("windowSeconds", window, SHORTEST_WINDOW, LONGEST_WINDOW)
    return CatchUp(policy, limit or DEFAULT_LIMIT, None if window is None else timedelta(seconds=window))


def check_replace(catch_up: CatchUp | None, concurrency: ConcurrencyPolicy) -> None:
    """Refuse to let each missed tick end the one before it."""
    if concurrency is ConcurrencyPolicy.REPLACE and catch_up is not None and catch_up.policy is CatchUpPolicy.ALL:
        message = (
            "spec.catchUp.policy: All does not go with concurrencyPolicy Replace, under which each missed run would "
            "end the one before it: take Latest, or Forbid to let them run one after another"
        )
        raise Unusable(Reason.INVALID_OBJECT, message)


def _check(field: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise Unusable(Reason.INVALID_OBJECT, f"spec.catchUp.{field} must be {least} to {most}, not {value}")
