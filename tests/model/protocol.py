"""All steps together: from a state to the states that may follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.model import faults, launching, quarantine, reporting, settling, surroundings, tidying
from tests.model.setup import Setup
from tests.model.state import Moves, Op, State

Duty = Callable[[State, Setup], Moves]
NextStep = Callable[[State, Setup, Op], Moves]

DUTIES: tuple[Duty, ...] = (
    launching.claim,
    launching.bind,
    launching.rescue,
    launching.judge,
    settling.observe,
    settling.let_be_deleted,
    settling.look_up,
    reporting.report,
    reporting.release,
    tidying.tidy,
    quarantine.look,
)
"""What a replica may begin, if it has a hand free."""

AT_ONCE: tuple[Duty, ...] = (
    launching.plan,
    reporting.absent,
    reporting.prune,
    surroundings.stored_deletion,
)
"""What is over in one transaction."""

NEXT: dict[str, NextStep] = {
    "create": launching.create,
    "store": launching.store,
    "bind": launching.bind_as_read,
    "launch": launching.launch,
    "mark": launching.mark,
    "record": settling.record,
    "forget": settling.forget,
    "let go": settling.let_go_of,
    "free": settling.free,
    "stop": settling.stop,
    "witness": reporting.witness,
    "witnessed": reporting.witnessed,
    "release": reporting.take_off,
    "released": reporting.released,
    "unstage": tidying.unstage,
    "delete": tidying.delete,
    "taken": tidying.taken_away,
    "never started": tidying.never_started,
    "rebuild": tidying.rebuild,
    "settle": tidying.settle,
    "list Jobs": quarantine.list_jobs,
    "list objects": quarantine.list_objects,
    "reconcile": quarantine.reconcile,
}
"""What a replica does next that is in the middle of something."""

AROUND: tuple[Duty, ...] = (
    surroundings.run,
    surroundings.collect,
    surroundings.resume,
    faults.arrive,
    faults.notice,
)
"""What happens by itself, sooner or later."""

BUDGETED: dict[str, tuple[Duty, ...]] = {
    "crash": (faults.crash,),
    "late": (faults.give_up,),
    "error": (faults.error,),
    "delete": (faults.delete_job,),
    "strip": (faults.strip,),
    "loss": (faults.fall_behind, faults.fail_over),
    "restore": (faults.back_up, faults.restore),
    "edit": (surroundings.edit,),
    "suspend": (surroundings.suspend,),
    "backfill": (surroundings.backfill,),
    "stop": (surroundings.stop,),
    "bury": (surroundings.delete_object,),
}
"""What may happen only so often, and need not."""


def by_itself(s: State, w: Setup) -> Iterator[tuple[str, State]]:
    """Yield what may follow without a fault and without a person."""
    free = len(s.doing) < w.hands
    for duty in DUTIES if free else ():
        for text, after in duty(s, w):
            if not _twice(s, after):
                yield text, after
    for duty in (*AT_ONCE, *AROUND):
        yield from duty(s, w)
    for op in dict.fromkeys(s.doing):
        yield from NEXT[op.kind](s, w, op)


REPEATED = frozenset({"create", "launch"})
"""What two replicas may be in the middle of alike: the rest would only be the same thing done again."""


def _twice(s: State, after: State) -> bool:
    """Tell whether a replica would begin what another is in the middle of just so."""
    if len(after.doing) < 2 or len(after.doing) == len(s.doing):
        return False
    first, second = after.doing[0], after.doing[1]
    return first == second and first.kind not in REPEATED


def by_fault(s: State, w: Setup) -> Iterator[tuple[str, State]]:
    """Yield what may follow because something goes wrong, or somebody wants something."""
    for fault, left in zip(s.left._fields, s.left, strict=True):
        if left:
            for duty in BUDGETED[fault]:
                yield from duty(s, w)


def every(s: State, w: Setup) -> Iterator[tuple[str, State]]:
    """Yield all that may follow."""
    yield from by_itself(s, w)
    yield from by_fault(s, w)
