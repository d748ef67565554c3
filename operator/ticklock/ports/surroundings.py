"""The rest of what duties need: counting, and hints."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Where duties count things. Names and labels are those of the reference page."""

    def count(self, name: str, value: float = 1, /, **labels: str) -> None:
        """Add to a counter."""

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Observe a value of a histogram."""

    def forget(self, namespace: str, name: str) -> None:
        """Drop what was counted of one ScheduledJob by its name: it is gone."""

    def retire(self) -> None:
        """Drop the gauges of all ScheduledJobs: another replica tells them from now on. What was counted stays."""

    def touch(self, name: str, /, **labels: str) -> None:
        """Set a gauge to the present time."""


class Wakeups(Protocol):
    """Hints that something may be due: NOTIFY. Never relied on."""

    async def wait(self, channel: str, seconds: float) -> None:
        """Return when hinted or when the time has passed, whichever is first."""

    def poke(self, channel: str) -> None:
        """Hint within this process."""
