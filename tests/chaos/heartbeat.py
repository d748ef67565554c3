"""Whether the harness itself has stood still: on a busy machine everything else has then stood still with it."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from tests.chaos.history import Fault, FaultPhase, Target

if TYPE_CHECKING:
    from tests.chaos.folder import Recorder

_BEAT = 0.1
_STILL = 1.0
"""A gap between two beats that is a fault of the machine."""


class Heartbeat:
    """Beats in a thread; each gap goes into the history. Use it as a context manager."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(5)

    def _run(self) -> None:
        last = time.monotonic()
        for number in itertools.count():
            if self._closing.wait(_BEAT):
                return
            now = time.monotonic()
            if now - last > _STILL:
                self._write(number, FaultPhase.BEGIN, time.time() - (now - last))
                self._write(number, FaultPhase.HEAL, time.time())
            last = now

    def _write(self, number: int, phase: FaultPhase, at: float) -> None:
        common: dict[str, Any] = {"source": "heartbeat", "fault": f"still-{number}", "name": "machine-stood-still"}
        self._recorder.write(Fault(at=at, target=Target.MACHINE, phase=phase, **common))
