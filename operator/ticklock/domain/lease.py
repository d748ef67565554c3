"""How long the holder of a lease may believe in it.

Trust is anchored to the moment of asking, not to the arrival of the answer, and ends before the others may take over:
they wait for the whole duration from when *they* saw the last renewal, never earlier than when it was asked for.
Clocks may differ by any amount; they must run at nearly the same rate. As client-go says of the same algorithm, this
does not guarantee a single leader: whoever is paused acts late. Singleton writes therefore carry the term's epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

JITTER = 1.2
"""A retry pauses up to this much longer, so that candidates do not keep step (client-go's JitterFactor)."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds, as client-go names and defaults them."""

    duration: float = 15.0
    """How long the others wait since they last saw a renewal."""
    renew_deadline: float = 10.0
    """How long the holder goes on without a successful renewal."""
    retry_period: float = 2.0
    """Pause between attempts."""

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline:
            raise ValueError("the lease's duration must be greater than its renew deadline")
        if not self.renew_deadline > self.retry_period * JITTER:
            raise ValueError(f"the lease's renew deadline must be greater than {JITTER} times its retry period")
        if not self.retry_period > 0:
            raise ValueError("the lease's retry period must be positive")

    @property
    def attempt_timeout(self) -> float:
        """How long one attempt may take. A third of the deadline, so that one hung request does not end the term."""
        return self.renew_deadline / 3

    def pause(self, chance: float) -> float:
        """Return the pause before the next attempt to acquire; `chance` is a random number from 0 to 1."""
        return self.retry_period * (1 + JITTER * chance)


@dataclass(frozen=True, slots=True)
class Trust:
    """Until when the holder may act as such, on its own monotonic clock."""

    until: float

    @classmethod
    def granted(cls, *, asked_at: float, times: LeaseTimes) -> Trust:
        """Trust a successful write for the renew deadline, from the moment it was asked for."""
        return cls(asked_at + times.renew_deadline)

    def valid(self, now: float) -> bool:
        """Whether it still holds."""
        return now < self.until


@dataclass(frozen=True, slots=True)
class Sighting:
    """A lease as seen by a candidate: what stood in it, and when that was first seen on the candidate's own clock."""

    holder: str
    duration: float
    seen_at: float

    def expired(self, now: float) -> bool:
        """Whether another may take it: nobody holds it, or it was not renewed for its whole duration."""
        return not self.holder or now >= self.seen_at + self.duration
