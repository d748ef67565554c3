"""Every tick once: what was due, by an enumeration of our own, against what a bystander saw and the ledger says."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tests.support.waiting import eventually
from tools.demo.enumeration import ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tests.support.rows import Row, Rows
    from tests.support.sights import Sights

EARLY_SECONDS = 0.05
ON_TIME = 2.0
"""How late a tick may be that no dead replica had claimed, on two cores that have nothing else to do."""
DEAD_SECONDS = 12.0
"""How late one may be that a dead replica had claimed."""
_BUSY = 2.0
"""Processes that want to run, per core, with which that is still promised."""
_OVER = {"Skipped", "Missed", "Stopped", "Failed", "Unknown", "Completed"}
_NEVER_RAN = {"Skipped", "Missed"}
_SECONDLY = re.compile(r"\*(/(?P<step>\d+))? \* \* \* \* \*$")


class Witnesses(Protocol):
    """What is asked: who saw the Jobs, and who keeps the books."""

    @property
    def sights(self) -> Sights: ...

    @property
    def rows(self) -> Rows: ...


class Timed(Protocol):
    """A schedule whose ticks are due."""

    @property
    def uid(self) -> str: ...

    @property
    def expression(self) -> str: ...

    @property
    def created(self) -> datetime: ...


class TickName(NamedTuple):
    """One tick of one schedule."""

    schedule: str
    tick: int

    @property
    def key(self) -> str:
        return f"tick:{self.tick}"


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the ticks that were due."""

    due: frozenset[TickName]
    lags: dict[TickName, float]
    """Seconds from the tick to the sight of the unsuspended Job."""
    verdicts: dict[TickName, tuple[str, str]]
    rows: dict[TickName, Row]

    def late(self) -> dict[TickName, float]:
        """The ticks that were not on time."""
        return self.slower_than(on_time())

    def lost_in_waiting(self) -> dict[TickName, float]:
        """The ticks that were later than a dead replica's claim explains."""
        return self.slower_than(DEAD_SECONDS - ON_TIME + on_time())

    def of(self, wanted: Callable[[TickName], bool]) -> Tally:
        """The same for some of the ticks."""
        return Tally(
            frozenset(filter(wanted, self.due)),
            {name: lag for name, lag in self.lags.items() if wanted(name)},
            {name: verdict for name, verdict in self.verdicts.items() if wanted(name)},
            self.rows,
        )

    def counted(self) -> Counter[tuple[str, str]]:
        return Counter(self.verdicts.values())

    def slower_than(self, seconds: float) -> dict[TickName, float]:
        return {name: round(lag, 3) for name, lag in self.lags.items() if lag > seconds}


def on_time() -> float:
    """How late a tick may be on this machine now: more where others have kept it busy for the last minute."""
    return ON_TIME * max(1.0, os.getloadavg()[0] / ((os.cpu_count() or 1) * _BUSY))


def due_ticks(expression: str, created: datetime, until: float) -> list[int]:
    """The ticks in (creation, until], in seconds since 1970: five fields, `@` words, and `*/n * * * * *`."""
    end = datetime.fromtimestamp(until, UTC)
    secondly = _SECONDLY.match(expression)
    if secondly is None:
        return [int(tick.timestamp()) for tick in ticks(expression, None, after=created, until=end)]
    step, found, moment = int(secondly["step"] or 1), [], created.replace(microsecond=0) + timedelta(seconds=1)
    while moment <= end:
        if moment.second % step == 0:
            found.append(int(moment.timestamp()))
        moment += timedelta(seconds=1)
    return found


def every_tick_once(
    stack: Witnesses,
    schedules: Sequence[Timed],
    *,
    until: float,
    allowed: Collection[tuple[str, str]] = (),
    seconds: float = 60,
) -> Tally:
    """Wait until `until` has passed and every tick up to then is settled, then account for each.

    Fails on a tick with two launched Jobs, with neither a Job nor a verdict, with a verdict that is not `allowed`
    (state, reason), with both, and on a start before its time.
    """
    due = frozenset(
        TickName(one.uid, tick) for one in schedules for tick in due_ticks(one.expression, one.created, until)
    )
    assert due, "no tick is due: there is nothing to account for"
    left = max(until - time.time(), 0) + seconds
    tally = eventually(lambda: _settled(stack, schedules, due, until), what="every tick is settled", seconds=left)
    assert tally is not None
    doubles = [job.name for one in schedules for jobs in stack.sights.launched(one.uid).values() for job in jobs[1:]]
    assert not doubles, f"more than one Job of a run was launched: {doubles}"
    assert not due - set(tally.lags) - set(tally.verdicts), "ticks with neither Job nor verdict"
    lies = {name: row["state"] for name, row in tally.rows.items() if name in tally.lags and row["state"] in _NEVER_RAN}
    assert not lies, f"launched against a verdict: {lies}"
    early = {name: lag for name, lag in tally.lags.items() if lag < -EARLY_SECONDS}
    assert not early, f"started before their time: {early}"
    wrong = {name: verdict for name, verdict in tally.verdicts.items() if verdict not in set(allowed)}
    assert not wrong, f"verdicts without cause: {[(v, tally.rows[name]['message']) for name, v in wrong.items()]}"
    strays = {
        TickName(one.uid, job.tick)
        for one in schedules
        for job in stack.sights.jobs(one.uid)
        if job.let_go_at is not None and job.tick is not None and job.tick <= until
    } - due
    assert not strays, f"launched although never due: {strays}"
    return tally


def _settled(stack: Witnesses, schedules: Sequence[Timed], due: frozenset[TickName], until: float) -> Tally | None:
    if time.time() < until:
        return None
    rows = {TickName(row["schedule_uid"], _tick(row)): row for row in stack.rows.runs(*(one.uid for one in schedules))}
    lags = {}
    for one in schedules:
        for jobs in stack.sights.launched(one.uid).values():
            first = jobs[0]
            if first.tick is not None and first.let_go_at is not None:
                lags[TickName(one.uid, first.tick)] = first.let_go_at - first.tick
    lags = {name: lag for name, lag in lags.items() if name in due}
    verdicts = {
        name: (row["state"], row["reason"])
        for name, row in rows.items()
        if name in due and name not in lags and row["state"] in _OVER
    }
    if due - set(lags) - set(verdicts):
        return None
    return Tally(due, lags, verdicts, rows)


def _tick(row: Row) -> int:
    kind, _, value = str(row["run_key"]).partition(":")
    return int(value) if kind == "tick" else -1
