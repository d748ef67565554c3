"""Whether the database's clock is to be believed.

Only that clock decides what is due, so a step of it would launch the future, or the past again. Each replica compares
it with its own monotonic clock: both must run at the same rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

STEP = timedelta(seconds=2)
SETTLE_SECONDS = 30.0
NEAR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Sample:
    """A database time, read between two readings of the monotonic clock (seconds)."""

    asked: float
    answered: float
    database: datetime


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """What the samples so far say. Begins without an opinion."""

    last: Sample | None = None
    alarm_since: float | None = None
    step: timedelta = timedelta(0)

    @property
    def alarmed(self) -> bool:
        """Whether nothing may be planned or launched."""
        return self.alarm_since is not None

    def seen(self, sample: Sample, *, wall: datetime) -> ClockWatch:
        """Return the watch after one more sample; `wall` is the replica's own idea of the time.

        The first sample has nothing but `wall` to be compared with: were it believed unseen, a restart of the replica
        would end the alarm about a clock that is still wrong.
        """
        step = self._step_to(sample)
        if abs(step) > STEP:
            return ClockWatch(sample, alarm_since=sample.answered, step=step)
        if self.last is None and abs(sample.database - wall) > NEAR:
            return ClockWatch(sample, alarm_since=sample.answered, step=sample.database - wall)
        settled = (
            self.alarm_since is not None
            and sample.answered - self.alarm_since >= SETTLE_SECONDS
            and abs(sample.database - wall) <= NEAR
        )
        return ClockWatch(sample) if settled else replace(self, last=sample)

    def released(self) -> ClockWatch:
        """Return the watch after a person has said that the time is right."""
        return ClockWatch(self.last)

    def _step_to(self, sample: Sample) -> timedelta:
        """Return how far the database's clock left the interval that the monotonic clock allows.

        A pause of the replica between question and answer widens the interval and is no step.
        """
        if self.last is None:
            return timedelta(0)
        moved = sample.database - self.last.database
        least = timedelta(seconds=sample.asked - self.last.answered)
        most = timedelta(seconds=sample.answered - self.last.asked)
        if moved < least:
            return moved - least
        return max(moved - most, timedelta(0))
