"""What is to be made up for: `catchUp` of a spec, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

DEFAULT_LIMIT = 10
"""How many missed ticks run under All where the spec names no limit."""


class CatchUpPolicy(StrEnum):
    """Which of the missed ticks still run."""

    SKIP = "Skip"
    LATEST = "Latest"
    ALL = "All"


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How far missed ticks are made up for; the defaults are what counts where a spec says nothing."""

    policy: CatchUpPolicy = CatchUpPolicy.LATEST
    limit: int = DEFAULT_LIMIT
    """Under All: the newest so many of the missed ticks run."""
    window: timedelta | None = None
    """How old a missed tick may be and still run; None: however old."""

    @property
    def most(self) -> int:
        """How many missed ticks may run at all."""
        match self.policy:
            case CatchUpPolicy.SKIP:
                return 0
            case CatchUpPolicy.LATEST:
                return 1
            case CatchUpPolicy.ALL:
                return self.limit

    def stored(self) -> dict[str, Any]:
        """Return what a ledger keeps of it, as JSON has it."""
        window = None if self.window is None else int(self.window.total_seconds())
        return {"policy": self.policy.value, "limit": self.limit, "windowSeconds": window}

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> CatchUp:
        """Read what `stored` wrote."""
        window = stored.get("windowSeconds")
        return cls(
            CatchUpPolicy(stored["policy"]), stored["limit"], None if window is None else timedelta(seconds=window)
        )


AFTER_OUTAGES = CatchUp()
"""Of a spec that says nothing: the latest one runs, after outages only."""
