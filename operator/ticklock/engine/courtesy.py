"""What nobody waits for lets launches go first: they share the processors, the database and the API server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

RECORD_SECONDS = 1.0
"""How long ends of Jobs may wait. Who waits for a run looks its Job up anyway."""
REPORT_SECONDS = 5.0
"""How long statuses and Events may wait; finalizers are held until the status bears witness."""


@dataclass(slots=True)
class Courtesy:
    """Tells a duty whether to wait. Never for longer than `longest` seconds at a stretch."""

    launching: Callable[[], bool]
    """Whether launches go on right now."""
    longest: float
    monotonic: Callable[[], float] = time.monotonic
    since: float | None = None

    def waits(self) -> bool:
        """Whether to wait on, as of now."""
        if not self.launching():
            self.since = None
            return False
        now = self.monotonic()
        self.since = self.since if self.since is not None else now
        return now - self.since < self.longest
