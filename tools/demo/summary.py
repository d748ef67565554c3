"""The summary in words, and the exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.demo.books import BOUND_SECONDS, DEAD_BOUND_SECONDS, Books, Late
from tools.demo.facts import Death, clock
from tools.demo.picture import seconds

_NAMED = 12
"""So many late ticks are listed by name; the rest is counted."""
_LAST_BREATH = 0.5
"""A request sent by a replica arrives so long after its death at most; others cannot have taken its claim by then."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Something that the demo promises to show, and whether it was seen."""

    what: str
    seen: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """All that the summary speaks of."""

    books: Books
    deaths: Sequence[Death]
    shown: Sequence[Shown]
    start_seconds: float
    """From the command to the first live table."""
    cold: bool
    """Whether the control plane had to be built first."""
    whole: bool
    """Whether the demo ran its full time."""
    mishaps: Sequence[str]
    """What went wrong with the demo itself: a replica that died unasked."""
    schedules: Mapping[str, str]
    """Names of the schedules by UID."""
    pods: Mapping[str, str]
    """Pods of the replicas by id."""

    @property
    def problems(self) -> list[str]:
        """Return what makes this demo a failure, each in one sentence."""
        unseen = [f"not seen: {one.what}" for one in self.shown if self.whole and not one.seen]
        return [*self.books.problems, *self.mishaps, *unseen]

    @property
    def exit_code(self) -> int:
        """0 if every promise held."""
        return 1 if self.problems else 0


def lines(ending: Ending) -> list[str]:
    """Return the summary, line by line."""
    books = ending.books
    return [
        "",
        "Summary",
        f"  ticks due          {books.due}",
        f"  launched           {books.launched}",
        *(f"  {state.lower():<18} {count}  {reason}" for (state, reason), count in sorted(books.verdicts.items())),
        *([f"  waiting            {books.waiting}  for the run before, which is active"] * bool(books.waiting)),
        f"  missing            {len(books.missing)}",
        f"  double             {len(books.doubles)}",
        f"  triggers           {books.triggers}, launched {books.triggers_launched}",
        f"  lag                p50 {_lag(books.percentile(0.5))}, p99 {_lag(books.percentile(0.99))}",
        *_classes(ending),
        *(f"  leader killed      {death.pod} at {clock(death.at)}" for death in ending.deaths),
        *([] if ending.deaths else ["  leader killed      none yet"]),
        *(f"  shown              {one.what}: {_mark(one, whole=ending.whole)}" for one in ending.shown),
        _start(ending),
        *(f"  PROBLEM            {problem}" for problem in ending.problems),
        f"  verdict            {'FAILED' if ending.problems else 'every tick once'}",
    ]


def _start(ending: Ending) -> str:
    kind = "cold" if ending.cold else "warm"
    return f"  {kind} start         {ending.start_seconds:.1f} s from the command to the first live table"


def _lag(value: float | None) -> str:
    return "-" if value is None else seconds(value)


def _mark(one: Shown, *, whole: bool) -> str:
    return "yes" if one.seen else "no" if whole else "not yet"


def _classes(ending: Ending) -> list[str]:
    """Return the classes of launches, each with its worst lag and its bound; the dead's ticks by name."""
    books = ending.books
    dead = books.of_the_dead()
    return [
        _class("unclaimed by dead", books.others(), f"under {BOUND_SECONDS:g} s"),
        _class("held back by a run", books.held_back(), f"under {BOUND_SECONDS:g} s, from the end of that run"),
        _class("claimed by dead", dead, f"at most {DEAD_BOUND_SECONDS:g} s"),
        *(f"    {_named(late, ending)}" for late in dead[:_NAMED]),
        *([f"    … and {len(dead) - _NAMED} more"] * (len(dead) > _NAMED)),
    ]


def _class(name: str, found: Sequence[Late], bound: str) -> str:
    worst = max((late.seconds for late in found), default=None)
    return f"  {name:<18} {len(found)}, worst {_lag(worst)} (bound: {bound})"


def _named(late: Late, ending: Ending) -> str:
    """Tell the story of a tick that a dead replica had claimed."""
    name = ending.schedules.get(late.run.schedule, late.run.schedule)
    other = ending.pods.get(late.by or "", "another replica")
    death = late.claimed_by
    if death is None:
        return name
    itself = late.at < death.at + _LAST_BREATH
    by = f"its last deed, marked by {other}" if itself else f"launched by {other}"
    return f"{name} {clock(late.run.tick or 0)}: claimed by {death.pod}; {by}, {seconds(late.seconds)} late"
