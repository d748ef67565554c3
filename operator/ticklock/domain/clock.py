"""Whether the database's clock is to be believed.

Only that clock decides what is due, so a step of it would launch the future, or the past again. Each replica compares
it with its own monotonic clock: both must run at the same rate. Who has just started has nothing to compare with but
its own idea of the time, and the latest database time that anybody has gone by.

Promise: nothing is decided by a time that lies more than two seconds beyond the latest one gone by plus the time since,
or before it, until the clock has been watched for half a minute, or a person has vouched for it. Not promised: that a
clock which never steps is right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

STEP = timedelta(seconds=2)
SETTLE_SECONDS = 30.0
NEAR = timedelta(seconds=60)
_NONE = timedelta(0)


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

    def seen(self, sample: Sample, *, wall: datetime, highest: datetime | None = None) -> ClockWatch:
        """Return the watch after one more sample.

        `wall` is the replica's own idea of the time, read while it waited for the sample; `highest` the latest database
        time that any replica has gone by, None where there is none yet.
        """
        step = self._step_to(sample) if self.last is not None else _first_step(sample, wall, highest)
        if abs(step) > STEP:
            return ClockWatch(sample, alarm_since=sample.answered, step=step)
        settled = (
            self.alarm_since is not None
            and sample.answered - self.alarm_since >= SETTLE_SECONDS
            and abs(_off(sample, wall)) <= NEAR
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
            return _NONE
        moved = sample.database - self.last.database
        least = timedelta(seconds=sample.asked - self.last.answered)
        most = timedelta(seconds=sample.answered - self.last.asked)
        if moved < least:
            return moved - least
        return max(moved - most, _NONE)


def _first_step(sample: Sample, wall: datetime, highest: datetime | None) -> timedelta:
    """Return how far a first sample is from what it should be; were it believed unseen, a restart would end the alarm.

    A minute of difference between two machines is nothing unusual. But then somebody must vouch for the sample: either
    others have gone by such a time just now, or it is our own to the second.
    """
    off = _off(sample, wall)
    if abs(off) > NEAR or highest is None:
        return off if abs(off) > NEAR else _NONE
    if highest - sample.database > STEP:
        return sample.database - highest
    return off if sample.database - highest > STEP else _NONE


def _off(sample: Sample, wall: datetime) -> timedelta:
    """Return how far the database's time is from ours, both read at some moment between question and answer."""
    doubt = timedelta(seconds=sample.answered - sample.asked)
    if sample.database < wall:
        return min(sample.database - wall + doubt, _NONE)
    return max(sample.database - wall - doubt, _NONE)
