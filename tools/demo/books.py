"""Closing the books: each tick that was due is launched once, or accounted for. Pure arithmetic on facts.

A tick is **due** if our own enumeration has it between the creation of its schedule and the end. It is
* launched: our watch saw exactly one Job of it let go; two are a **double**;
* accounted for: the ledger has a verdict with a reason (Skipped, Missed …), and no Job was seen;
* waiting: its schedule forbids overlaps and our watch sees the run before it still active;
* else it is **missing**.

Lag counts from the tick, or, where overlaps are forbidden and a run was in the way, from its end.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tools.demo.enumeration import ticks
from tools.demo.facts import Death, Entry, Launch, RunName, Schedule

BOUND_SECONDS = 2.0
"""How late a tick may be that no dead replica had claimed."""
DEAD_BOUND_SECONDS = 12.0
"""How late a tick may be that a dead replica had claimed."""

_OVER = frozenset({"Skipped", "Missed", "Stopped", "Failed", "Unknown"})


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the demo has seen."""

    schedules: Sequence[Schedule]
    launches: Sequence[Launch]
    ledger: Mapping[RunName, Entry]
    deaths: Sequence[Death]
    triggers: frozenset[RunName]
    end: float
    claims: Mapping[RunName, Death] = field(default_factory=dict)
    """Runs that were seen in the claim of a replica that was dead."""


@dataclass(frozen=True, slots=True)
class Late:
    """How late one tick was launched."""

    run: RunName
    seconds: float
    at: float
    by: str | None
    """The replica that marked it as launched."""
    claimed_by: Death | None = None
    """The dead replica that had claimed it."""
    waited: bool = False
    """An earlier run of its schedule was in the way."""


@dataclass(frozen=True, slots=True)
class Books:
    """The result."""

    due: int
    lags: tuple[Late, ...]
    verdicts: Counter[tuple[str, str]]
    waiting: int
    missing: tuple[RunName, ...]
    doubles: tuple[RunName, ...]
    strays: tuple[RunName, ...]
    """Launched without being due, or against a verdict."""
    overlaps: tuple[RunName, ...]
    triggers: int
    triggers_launched: int
    problems: tuple[str, ...] = ()

    @property
    def launched(self) -> int:
        """How many ticks were launched, once or more often."""
        return len(self.lags)

    def of_the_dead(self) -> list[Late]:
        """Return the launches that a dead replica had claimed."""
        return [late for late in self.lags if late.claimed_by is not None]

    def held_back(self) -> list[Late]:
        """Return the launches that waited for a run of their own schedule."""
        return [late for late in self.lags if late.waited and late.claimed_by is None]

    def others(self) -> list[Late]:
        """Return all other launches."""
        return [late for late in self.lags if not late.waited and late.claimed_by is None]

    def too_late(self) -> list[RunName]:
        """Return the ticks beyond the bound for all that no dead replica had claimed."""
        return [late.run for late in (*self.others(), *self.held_back()) if late.seconds >= BOUND_SECONDS]

    def too_late_for_the_dead(self) -> list[RunName]:
        """Return the ticks beyond the bound for those that a dead replica had claimed."""
        return [late.run for late in self.of_the_dead() if late.seconds > DEAD_BOUND_SECONDS]

    def percentile(self, share: float) -> float | None:
        """Return the lag that this share of the launches does not exceed (nearest rank); None without launches."""
        values = sorted(late.seconds for late in self.lags)
        return values[max(math.ceil(share * len(values)) - 1, 0)] if values else None


def close(facts: Facts) -> Books:
    """Account for every tick."""
    names = {schedule.uid: schedule.name for schedule in facts.schedules}
    due = due_ticks(facts.schedules, facts.end)
    launches = _by_run(facts.launches)
    seen = {run: found for run, found in launches.items() if run in due}
    unseen = sorted(due - set(seen))
    waiting = {run for run in unseen if _judged(facts, run) is None and _held_at(facts, run, facts.end)}
    judged = {run: entry for run in unseen if (entry := _judged(facts, run)) is not None}
    lags = tuple(_late(facts, run, found[0]) for run, found in sorted(seen.items()))
    books = Books(
        due=len(due),
        lags=lags,
        verdicts=Counter((entry.state, entry.reason) for entry in judged.values()),
        waiting=len(waiting),
        missing=tuple(run for run in unseen if run not in judged and run not in waiting),
        doubles=tuple(run for run, found in sorted(launches.items()) if len(found) > 1),
        strays=tuple(run for run in sorted(launches) if _stray(facts, run, due)),
        overlaps=tuple(sorted(_overlaps(facts))),
        triggers=len(facts.triggers),
        triggers_launched=sum(run in launches for run in facts.triggers),
    )
    return replace(books, problems=_problems(books, names))


def due_ticks(schedules: Iterable[Schedule], end: float) -> set[RunName]:
    """Enumerate the ticks that were due, by our own means."""
    return {
        RunName(schedule.uid, f"tick:{int(tick.timestamp())}")
        for schedule in schedules
        for tick in ticks(schedule.expression, schedule.zone, after=_utc(schedule.created), until=_utc(end))
    }


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _by_run(launches: Iterable[Launch]) -> dict[RunName, list[Launch]]:
    """Return the launches of each run, one for each Job, oldest first."""
    found: dict[RunName, dict[str, Launch]] = defaultdict(dict)
    for launch in sorted(launches, key=lambda one: one.at):
        found[launch.run].setdefault(launch.job_uid, launch)
    return {run: list(jobs.values()) for run, jobs in found.items()}


def _judged(facts: Facts, run: RunName) -> Entry | None:
    entry = facts.ledger.get(run)
    return entry if entry is not None and entry.state in _OVER else None


def _stray(facts: Facts, run: RunName, due: set[RunName]) -> bool:
    if run.tick is None:
        return run not in facts.triggers
    judged = _judged(facts, run)
    against = judged is not None and judged.state in {"Skipped", "Missed"}
    return against or (run not in due and run.tick <= facts.end)


def _forbidding(facts: Facts) -> set[str]:
    return {schedule.uid for schedule in facts.schedules if schedule.forbids}


def _in_the_way(facts: Facts, run: RunName, at: float) -> list[Launch]:
    """Return the other runs of a schedule without overlaps that were active at that moment."""
    if run.schedule not in _forbidding(facts):
        return []
    others = [one for one in facts.launches if one.run.schedule == run.schedule and one.run != run]
    return [one for one in others if one.at <= at and (one.ended is None or one.ended > at)]


def _held_at(facts: Facts, run: RunName, at: float) -> bool:
    return bool(_in_the_way(facts, run, at))


def _late(facts: Facts, run: RunName, launch: Launch) -> Late:
    tick = run.tick or launch.at
    blockers = [one for one in _in_the_way(facts, run, tick) if one.ended is not None and one.ended <= launch.at]
    start = max([tick, *(one.ended for one in blockers if one.ended is not None)])
    entry = facts.ledger.get(run)
    return Late(
        run,
        seconds=max(launch.at - start, 0.0),
        at=launch.at,
        by=entry.launched_by if entry else None,
        claimed_by=_dead_claimant(facts, entry, launch),
        waited=bool(blockers),
    )


def _dead_claimant(facts: Facts, entry: Entry | None, launch: Launch) -> Death | None:
    """Return the dead replica that had claimed or bound this run and did not live to mark its launch."""
    if entry is None:
        return None
    bound_by = next((death for death in facts.deaths if death.replica == entry.bound_by), None)
    if bound_by is not None and entry.bound_at is not None and entry.bound_at > bound_by.at:
        bound_by = None
    death = facts.claims.get(entry.run) or bound_by
    if death is None:
        return None
    by_another = entry.launched_by is not None and entry.launched_by != death.replica
    return death if by_another or launch.at > death.at else None


def _overlaps(facts: Facts) -> Iterable[RunName]:
    """Yield the runs that began while another of their schedule was active, where that is forbidden."""
    forbidding = _forbidding(facts)
    for launch in facts.launches:
        if launch.run.schedule in forbidding and any(
            one.at < launch.at and (one.ended is None or one.ended > launch.at)
            for one in facts.launches
            if one.run.schedule == launch.run.schedule and one.job_uid != launch.job_uid
        ):
            yield launch.run


def _problems(books: Books, names: Mapping[str, str]) -> tuple[str, ...]:
    """Say what breaks the promise, each in one sentence."""

    def listed(runs: Sequence[RunName]) -> str:
        return ", ".join(f"{names.get(run.schedule, run.schedule)} {run.key}" for run in runs)

    slow, slow_dead = books.too_late(), books.too_late_for_the_dead()
    missed = sum(count for (state, _), count in books.verdicts.items() if state in {"Missed", "Unknown"})
    silent = books.triggers - books.triggers_launched
    found = [
        (books.missing, f"{len(books.missing)} due, but neither launched nor judged: {listed(books.missing)}"),
        (books.doubles, f"{len(books.doubles)} launched more than once: {listed(books.doubles)}"),
        (books.strays, f"{len(books.strays)} launched without being due: {listed(books.strays)}"),
        (
            books.overlaps,
            f"{len(books.overlaps)} began beside another run, which is forbidden: {listed(books.overlaps)}",
        ),
        (slow, f"{len(slow)} later than {BOUND_SECONDS:g} s: {listed(slow)}"),
        (slow_dead, f"{len(slow_dead)} claimed by the dead, later than {DEAD_BOUND_SECONDS:g} s: {listed(slow_dead)}"),
        (missed, f"{missed} could not be launched in time, or nobody knows how they ended"),
        (silent, f"{silent} of {books.triggers} triggers did not start a run"),
    ]
    return tuple(sentence for wrong, sentence in found if wrong)
