"""Requests on their way: what may become of each, and of whoever asks.

A request is delivered by the world, not by the task that asked: whoever dies, stops or no longer waits cannot take back
what is under way. What becomes of it is drawn when it is asked.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.simulation.loop import Process, SimLoop
from ticklock.domain.errors import Conflict, Refused, Superseded, Transient, Unready
from ticklock.kube.errors import ApiError

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds after which nobody waits for an answer any more; most connections break sooner."""
_EXPECTED = (ApiError, Transient, Refused, Conflict, Superseded, Unready)


@dataclass(slots=True)
class Weather:
    """How likely each mishap is, for each request."""

    lost: float = 0.0
    """It never arrives."""
    unanswered: float = 0.0
    """It arrives, its answer does not."""
    late: float = 0.0
    """It arrives long after whoever asked has given up."""
    twice: float = 0.0
    """It arrives a second time, later. Not on the way to the database: a connection is no datagram."""
    refused: float = 0.0
    """429, 503 or 504: of the last nobody knows whether it was done."""
    slow: float = 0.0
    down: bool = False

    @property
    def any(self) -> float:
        return self.lost + self.unanswered + self.late + self.twice + self.refused + self.slow


@dataclass(slots=True)
class Doom:
    """What happens to a replica at one of its own requests."""

    what: str
    """A part of the request's name; empty for any."""
    countdown: int
    after: bool
    """The request still takes effect; else it is never sent."""
    stop_for: float | None = None
    """Seconds that the replica stands still; None: it dies."""


@dataclass(slots=True)
class Network:
    """The ways of all replicas to one server."""

    name: str
    loop: SimLoop
    chance: random.Random
    weather: Weather
    broken: Callable[[str], Exception]
    """Makes the error of a request without an answer."""
    faults: Counter[str]
    tell: Callable[[str, str, str], None]
    kill: Callable[[Process], None]
    last_arrival: float = 0.0
    """When the last of the requests that nobody waits for any more arrives."""

    def way(self, process: Process, dooms: list[Doom]) -> Way:
        return Way(self, process, dooms)


class Way:
    """One replica's way to a server."""

    def __init__(self, network: Network, process: Process, dooms: list[Doom]) -> None:
        self._net = network
        self._process = process
        self._dooms = dooms

    async def ask(self, what: str, effect: Callable[[], T]) -> T:
        """Send a request; return its answer, or raise what its loss looks like."""
        net, process = self._net, self._process
        process.check()
        doom = self._doomed(what)
        if doom is not None and not doom.after:
            await self._strike(doom, what)
        future: asyncio.Future[T] = net.loop.create_future()
        _Request(net, process, what, effect, future, doom).send()
        answer = await future
        process.check()
        return answer

    def _doomed(self, what: str) -> Doom | None:
        for doom in self._dooms:
            if doom.what in what:
                doom.countdown -= 1
                if doom.countdown <= 0:
                    self._dooms.remove(doom)
                    return doom
        return None

    async def _strike(self, doom: Doom, what: str) -> None:
        strike(self._net, self._process, doom, f"before {what}")
        await asyncio.sleep(0)  # A dead process is cancelled here, a stopped one goes on here when it wakes.
        self._process.check()


def strike(net: Network, process: Process, doom: Doom, when: str) -> None:
    """Let a replica die, or stand still for a while."""
    if process.dead or process.stopped:
        return
    if doom.stop_for is None:
        net.faults["crash " + when.split(maxsplit=1)[0]] += 1
        net.tell(process.name, "dies", when)
        net.kill(process)
    else:
        net.faults["pause"] += 1
        net.tell(process.name, f"stands still for {doom.stop_for:.1f} s", when)
        net.loop.halt(process)
        net.loop.after(doom.stop_for, net.loop.resume, process)


@dataclass(slots=True)
class _Request:
    net: Network
    process: Process
    what: str
    effect: Callable[[], Any]
    future: asyncio.Future[Any]
    doom: Doom | None

    def send(self) -> None:
        net, rnd = self.net, self.net.chance.random
        if net.weather.down:
            net.loop.after(rnd() * 0.2, self._fail, net.broken("connection refused"))
            return
        draw = rnd()
        if draw < net.weather.any:
            self._mishap(draw)
        else:
            net.loop.after(_latency(rnd), self.arrive)

    def arrive(self) -> None:
        """Take effect, and answer."""
        net = self.net
        outcome, failure = self._apply()
        if self.doom is not None and self.doom.after:
            strike(net, self.process, self.doom, f"after {self.what}")
        if net.chance.random() < 0.5:
            self._answer(outcome, failure)
        else:
            net.loop.after(_latency(net.chance.random), self._answer, outcome, failure)

    def _apply(self) -> tuple[Any, Exception | None]:
        try:
            outcome = self.effect()
        except Exception as error:  # noqa: BLE001 - it is the answer; what nobody foresaw is told
            if not isinstance(error, _EXPECTED):
                self.net.loop.errors.append(f"{self.what}: {error!r}")
            self.net.tell(self.process.name, self.what, f"{type(error).__name__}: {error}")
            return None, error
        self.net.tell(self.process.name, self.what, _gist(outcome))
        return outcome, None

    def _answer(self, outcome: Any, failure: Exception | None) -> None:
        if self.future.done():
            return
        if failure is not None:
            self.future.set_exception(failure)
        else:
            self.future.set_result(outcome)

    def _fail(self, error: Exception) -> None:
        self._answer(None, error)

    # ---------------------------------------------------------------------------------------------------------- mishaps

    def _mishap(self, draw: float) -> None:
        net, weather, rnd = self.net, self.net.weather, self.net.chance.random
        patience = TIMEOUT if rnd() < 0.05 else rnd() * 2.0
        for kind in ("lost", "unanswered", "late", "twice", "refused", "slow"):
            share = getattr(weather, kind)
            if draw < share:
                break
            draw -= share
        else:
            kind = "slow"
        net.faults[f"{net.name} {kind}"] += 1
        net.tell(self.process.name, self.what, f"mishap: {kind}")
        if kind in {"lost", "unanswered", "late"}:
            net.loop.after(patience, self._fail, net.broken(kind))
        match kind:
            case "unanswered":
                self._unheard(rnd() * patience)
            case "late":
                self._unheard(patience + rnd() * 6.0)
            case "twice":
                net.loop.after(_latency(rnd), self.arrive)
                self._unheard(rnd() * 6.0)
            case "refused":
                self._refuse()
            case "slow":
                net.loop.after(rnd() * 6.0, self.arrive)

    def _unheard(self, delay: float) -> None:
        net = self.net
        net.last_arrival = max(net.last_arrival, net.loop.time() + delay)
        net.loop.after(delay, self._apply_unheard)

    def _apply_unheard(self) -> None:
        self._apply()
        if self.doom is not None and self.doom.after:
            strike(self.net, self.process, self.doom, f"after {self.what}")

    def _refuse(self) -> None:
        net, rnd = self.net, self.net.chance.random
        status = (429, 503, 504)[int(rnd() * 3)]
        if status == 504 and rnd() < 0.5:
            self._unheard(rnd())
        pause = 1.0 if status == 429 else None
        net.loop.after(rnd(), self._fail, ApiError(status, {"message": "too busy"}, retry_after=pause))


def _latency(rnd: Callable[[], float]) -> float:
    draw = rnd()
    return 0.001 + 0.004 * draw if draw < 0.9 else 0.01 + rnd() * 0.3


def _gist(outcome: Any) -> str:
    if outcome is None or isinstance(outcome, bool | int | str):
        return repr(outcome)
    return type(outcome).__name__


def broken_database(why: str) -> Exception:
    return Transient(f"database: {why}")


def broken_api(why: str) -> Exception:
    return Transient(f"API server: {why}")
