"""One run: a contender, its schedules, some minutes; what came of it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tools.bench import schedules
from tools.bench.counting import MINUTE, Count, Due, count
from tools.bench.ground import Ground, ground
from tools.bench.history import Tick
from tools.bench.plan import LEAD_SECONDS, Contender, Trial
from tools.bench.proc import Usage, usage

STAGING_SECONDS = 10
"""Work for a tick may begin so long before it: the window in which processor time counts begins then."""
_LOOK_SECONDS = 3.0
_DISTURBANCE = 0.15
"""The kernel's own threads stay far below it."""

Tell = Callable[[str, Count | None], None]
"""Called with what is being done, and with the count until now."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run used, by program."""

    cpu_ms_per_launch: dict[str, float]
    memory: dict[str, int]
    """Peak resident memory in bytes."""
    busy: float
    """Share of the machine's processors in use during the window."""
    strangers: float
    """Share of them that programs used which have nothing to do with the run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial."""

    count: Count
    costs: Costs


def perform(trial: Trial, *, processors: int, tell: Tell) -> Outcome:
    """Measure one contender on a ground of its own, which is gone afterwards. Takes about its expected time."""
    tell("starting the cluster", None)
    with ground(trial.contender) as prepared:
        first = fill(prepared, trial, tell)
        due = _due(trial, first)
        sleep_until(first - STAGING_SECONDS, lambda: tell("waiting for the first minute", None))
        late = schedules.unknown_to_ticklock(prepared.cluster) if due.held_first else 0
        before = usage(prepared.programs)
        # the window is as long as the counting, and as much earlier as staging begins
        sleep_until(due.end - STAGING_SECONDS, lambda: tell("counting", count(prepared.history(), _now(due))))
        after = usage(prepared.programs)
        sleep_until(due.end + 1, lambda: tell("counting", count(prepared.history(), _now(due))))
        counted = count(prepared.history(), due)
        tell("removing the cluster", counted)
    used = costs(before, after, counted.overall.launched, capacity=processors * MINUTE * trial.minutes)
    return Outcome(with_doubts(counted, used, late), used)


def with_doubts(counted: Count, used: Costs, late: int) -> Count:
    """Add what the history cannot know: disturbed by others, or schedules not taken up when the first tick neared."""
    doubts = []
    if used.strangers > _DISTURBANCE:
        doubts.append(f"other programs used {used.strangers:.0%} of the processors meanwhile")
    if late:
        doubts.append(f"{late} schedules were not taken up {STAGING_SECONDS} s before the first tick")
    return replace(counted, problems=(*counted.problems, *doubts))


def costs(before: Usage, after: Usage, launches: int, *, capacity: float) -> Costs:
    """Work out what was used between two readings. `capacity` is what the processors could have done, in seconds."""
    spent = {name: after.cpu[name] - before.cpu[name] for name in after.cpu}
    machine = after.machine - before.machine
    return Costs(
        cpu_ms_per_launch={name: 1000 * seconds / max(launches, 1) for name, seconds in spent.items()},
        memory=dict(after.memory),
        busy=machine / capacity,
        strangers=max(machine - sum(spent.values()), 0) / capacity,
    )


def fill(prepared: Ground, trial: Trial, tell: Tell) -> Tick:
    """Create the schedules, within one minute if it is long enough; return the first tick at which all stand."""
    room = max(MINUTE - LEAD_SECONDS - trial.creation_seconds, 1)
    if time.time() % MINUTE > room:
        following = (time.time() // MINUTE + 1) * MINUTE
        sleep_until(following, lambda: tell("waiting for a new minute to create the schedules in", None))
    tell(f"creating {trial.size:,} schedules", None)
    schedules.create(prepared.cluster, trial.contender, schedules.names(trial.size))
    return Tick(math.ceil((time.time() + LEAD_SECONDS / 2) / MINUTE) * MINUTE)


def _due(trial: Trial, first: Tick) -> Due:
    ticks = tuple(Tick(first + MINUTE * number) for number in range(trial.minutes))
    return Due(
        frozenset(schedules.names(trial.size)),
        ticks,
        end=float(ticks[-1] + MINUTE),
        held_first=trial.contender is Contender.TICKLOCK,
    )


def _now(due: Due) -> Due:
    """Cut what is due to the ticks that have come."""
    now = time.time()
    return Due(due.schedules, tuple(tick for tick in due.ticks if tick <= now) or due.ticks[:1], now, due.held_first)


def sleep_until(moment: float, tell: Callable[[], None]) -> None:
    """Sleep until a moment in seconds since 1970, and tell something now and then."""
    while (left := moment - time.time()) > 0:
        tell()
        time.sleep(min(left, _LOOK_SECONDS))
