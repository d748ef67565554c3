"""What a spec says of time beside `schedule`, `timeZone` and `suspend`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ticklock.domain.catch_up import AFTER_OUTAGES, CatchUp, CatchUpPolicy
from ticklock.domain.instants import parse_instant
from ticklock.domain.spread import spread


class Nonexistent(StrEnum):
    """What becomes of a fixed local time that the clock leaves out."""

    SHIFT = "Shift"
    SKIP = "Skip"


class Ambiguous(StrEnum):
    """Which one counts of a fixed local time that the clock shows twice."""

    FIRST = "First"
    LAST = "Last"
    BOTH = "Both"


@dataclass(frozen=True, slots=True)
class Times:
    """The further fields of time; their defaults say what a CronJob cannot say otherwise."""

    schedules: tuple[str, ...] = ()
    every_seconds: int | None = None
    start_at: datetime | None = None
    """No tick lies before it; where something recurs by distance, it is counted from here, and this is a tick."""
    end_at: datetime | None = None
    """No tick lies after it."""
    exclude: tuple[str, ...] = ()
    nonexistent: Nonexistent = Nonexistent.SHIFT
    ambiguous: Ambiguous = Ambiguous.FIRST
    jitter_seconds: int = 0
    catch_up: CatchUp | None = None
    """None where the spec says nothing: then only outages are made up for."""

    @property
    def catching_up(self) -> CatchUp:
        """What counts of missed ticks."""
        return AFTER_OUTAGES if self.catch_up is None else self.catch_up

    @property
    def makes_up_for_pauses(self) -> bool:
        """Whether ticks count as missed that were due before a change of the object, and in no outage."""
        return self.catch_up is not None and self.catch_up.policy is not CatchUpPolicy.SKIP

    def delay(self, seed: str) -> timedelta:
        """Return how long after its tick a run of this schedule is due: always the same."""
        return timedelta(seconds=spread(seed, "jitter", self.jitter_seconds + 1) if self.jitter_seconds else 0)

    def stored(self) -> dict[str, Any] | None:
        """Return what a ledger keeps of it: what differs from the defaults, as JSON has it; None: nothing does."""
        found: dict[str, Any] = {
            "schedules": list(self.schedules),
            "everySeconds": self.every_seconds,
            "startAt": None if self.start_at is None else self.start_at.isoformat(),
            "endAt": None if self.end_at is None else self.end_at.isoformat(),
            "exclude": list(self.exclude),
            "nonexistent": None if self.nonexistent is Nonexistent.SHIFT else self.nonexistent.value,
            "ambiguous": None if self.ambiguous is Ambiguous.FIRST else self.ambiguous.value,
            "jitterSeconds": self.jitter_seconds,
            "catchUp": None if self.catch_up is None else self.catch_up.stored(),
        }
        return {key: value for key, value in found.items() if value} or None

    @classmethod
    def restored(cls, stored: Mapping[str, Any] | None) -> Times:
        """Read what `stored` wrote."""
        if not stored:
            return NOTHING_MORE
        return cls(
            schedules=tuple(stored.get("schedules", ())),
            every_seconds=stored.get("everySeconds"),
            start_at=parse_instant(stored.get("startAt")),
            end_at=parse_instant(stored.get("endAt")),
            exclude=tuple(stored.get("exclude", ())),
            nonexistent=Nonexistent(stored.get("nonexistent", Nonexistent.SHIFT)),
            ambiguous=Ambiguous(stored.get("ambiguous", Ambiguous.FIRST)),
            jitter_seconds=stored.get("jitterSeconds", 0),
            catch_up=CatchUp.restored(stored["catchUp"]) if "catchUp" in stored else None,
        )


NOTHING_MORE = Times()
"""Of a spec that holds none of these fields."""
