"""What is measured: contenders, sizes, minutes, and how long that will take."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MINUTE = 60
LEAD_SECONDS = 20
"""How long all schedules stand before the first tick that counts."""
_START_SECONDS = 25
_END_SECONDS = 5
CREATED_PER_SECOND = 60
"""A careful guess; it only decides whether the rest of a minute is long enough to create the schedules in."""


class Contender(StrEnum):
    """Who launches."""

    TICKLOCK = "ticklock"
    CRONJOB_DEFAULT = "cronjob-default"
    CRONJOB_RAISED = "cronjob-raised"

    @property
    def label(self) -> str:
        """Its name in tables."""
        return _LABELS[self]


_LABELS = {
    Contender.TICKLOCK: "Ticklock, two replicas",
    Contender.CRONJOB_DEFAULT: "CronJob, default limits",
    Contender.CRONJOB_RAISED: "CronJob, raised limits",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One contender, so many every-minute schedules, so many ticks: a run on a cluster of its own."""

    contender: Contender
    size: int
    minutes: int

    def __str__(self) -> str:
        """Name it on the terminal."""
        return f"{self.contender}, {self.size:,} schedules"

    @property
    def creation_seconds(self) -> float:
        """How long the creation of the schedules may take."""
        return self.size / CREATED_PER_SECOND

    @property
    def expected_seconds(self) -> float:
        """How long it takes all in all, on average."""
        waiting = LEAD_SECONDS + self.creation_seconds + MINUTE / 2
        return _START_SECONDS + waiting + self.minutes * MINUTE + _END_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """All that was asked for."""

    sizes: tuple[int, ...]
    minutes: int
    contenders: tuple[Contender, ...] = tuple(Contender)
    rate: int = 0
    """How many Jobs the pace of launching is measured with; 0: it is not."""

    def trials(self) -> Iterator[Trial]:
        """Yield the runs in their order."""
        for size in self.sizes:
            for contender in self.contenders:
                yield Trial(contender, size, self.minutes)

    @property
    def expected_seconds(self) -> float:
        """How long all of it takes, on average."""
        pace = 3 * MINUTE + self.rate / 10 if self.rate else 0
        return sum(trial.expected_seconds for trial in self.trials()) + pace
