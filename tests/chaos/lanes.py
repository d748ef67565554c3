"""The strikes of one lane, thrown one after the other, each written down before it begins and after its heal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.fault import NotPossibleError
from tests.chaos.history import Fault, FaultPhase

if TYPE_CHECKING:
    from tests.chaos.faults.fault import Details
    from tests.chaos.faults.ground import Ground
    from tests.chaos.folder import Recorder
    from tests.chaos.plan import Strike

Tell = Callable[[str], None]
Pace = Callable[["Strike"], float]
"""How many seconds to wait before a strike."""


def as_planned(strike: Strike) -> float:
    """Return the pause of the plan."""
    return strike.after


class LaneRunner(threading.Thread):
    """One lane in a thread of its own. What it has begun is healed, also when it is told to stop.

    A strike that would begin after `until` (monotonic) is not begun. `failure` is what broke the lane itself: a fault
    that could not be made or healed is no finding about the product, and ends the soak.
    """

    def __init__(
        self,
        strikes: Sequence[Strike],
        ground: Ground,
        recorder: Recorder,
        *,
        until: float,
        tell: Tell,
        pace: Pace = as_planned,
    ) -> None:
        super().__init__(name=f"lane {strikes[0].lane}", daemon=True)
        self._strikes, self._ground, self._recorder, self._until, self._tell = strikes, ground, recorder, until, tell
        self._pace = pace
        self._stopping = threading.Event()
        self.failure: BaseException | None = None
        self.thrown = 0

    def run(self) -> None:
        try:
            for number, strike in enumerate(self._strikes):
                if self._stopping.wait(self._pace(strike)) or time.monotonic() + strike.hold > self._until:
                    return
                self._throw(strike, f"{strike.lane}-{number}")
                self.thrown += 1
        except BaseException as problem:  # noqa: BLE001 - whoever joins this thread must hear of it
            self.failure = problem

    def stop(self) -> None:
        """Heal what is broken now, and begin nothing more."""
        self._stopping.set()

    def _throw(self, strike: Strike, name: str) -> None:
        kind = strike.kind
        began = time.monotonic()
        self._write(strike, name, FaultPhase.BEGIN, {**kind.details, "hold": strike.hold})
        said: Details = {}
        try:
            with kind.strike(self._ground, Random(strike.dice)) as said:
                self._tell(f"{kind.name} {_told(said)}")
                self._stopping.wait(strike.hold)
        except NotPossibleError as problem:
            said = {"not_possible": str(problem)}
            self._tell(f"{kind.name}: {problem}")
        self._write(strike, name, FaultPhase.HEAL, {**kind.details, **said})
        if strike.hold:
            self._tell(f"{kind.name} healed after {time.monotonic() - began:.1f} s")

    def _write(self, strike: Strike, name: str, phase: FaultPhase, details: Details) -> None:
        self._recorder.write(
            Fault(
                at=time.time(),
                source="nemesis",
                fault=name,
                name=strike.kind.name,
                target=strike.kind.target,
                phase=phase,
                details=details,
            )
        )


def _told(details: Details) -> str:
    return ", ".join(f"{key} {value}" for key, value in details.items())
