"""What clients asked for, each operation once; and moments as people write them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.chaos.history import Action, ClientOp, History, Phase

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a client, with its answer, if there was one."""

    asked: ClientOp
    answer: ClientOp | None

    @classmethod
    def all_of(cls, history: History) -> tuple[Operation, ...]:
        """Put the phases together, in the order in which the operations began."""
        phases: dict[str, list[ClientOp]] = defaultdict(list)
        for entry in history.each(ClientOp):
            phases[entry.op].append(entry)
        # An answer alone still says that somebody asked; when, is not known better.
        return tuple(
            cls(found[0], found[-1] if found[-1].phase is not Phase.INVOKE else None) for found in phases.values()
        )

    @property
    def at(self) -> float:
        """When it was asked for: nothing of it can have happened before."""
        return self.asked.at

    @property
    def action(self) -> Action:
        """What was asked for."""
        return self.asked.action

    @property
    def schedule_uid(self) -> str | None:
        """The ScheduledJob's UID: as the API server says, else as who asked believed."""
        return (self.answer.schedule_uid if self.answer else None) or self.asked.schedule_uid

    @property
    def acknowledged(self) -> bool:
        """The API server said yes."""
        return self.answer is not None and self.answer.phase is Phase.OK

    @property
    def refused(self) -> bool:
        """It said no."""
        return self.answer is not None and self.answer.phase is Phase.FAIL

    @property
    def answered_at(self) -> float:
        """When an answer came, be it that none will come; never, where not even that is known."""
        return self.answer.at if self.answer is not None else NEVER


def clock(at: float) -> str:
    """A moment as people write it, in UTC; to the millisecond where it is no whole second."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%H:%M:%SZ}" if at == int(at) else f"{when:%H:%M:%S}.{when.microsecond // 1000:03}Z"
