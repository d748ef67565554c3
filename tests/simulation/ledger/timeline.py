"""Which ticks each schedule owes, reckoned by arithmetic from the specs that were in force, not by the timetable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tests.simulation.ledger.book import Book
from ticklock.domain.model import ScheduleUid, run_id, tick_key


def owed(expression: str, created: datetime, after: datetime, until: datetime) -> Iterator[datetime]:
    """The ticks of (after, until] of the two kinds of expression that the simulation uses."""
    if expression.startswith("@every "):
        step, origin = int(expression.removeprefix("@every ").removesuffix("s")), int(created.timestamp())
    else:
        step, origin = int(expression.split(maxsplit=1)[0].removeprefix("*/")), None
    second = int(after.timestamp()) + 1
    while second <= until.timestamp():
        if second % 60 % step == 0 if origin is None else second > origin and (second - origin) % step == 0:
            yield datetime.fromtimestamp(second, UTC)
        second += 1


def uncovered(book: Book, now: datetime, *, changed: set[str], losses: int) -> Iterator[str]:
    """Ticks that were owed and have neither a run nor a verdict.

    Where commits were lost, only of schedules that nobody changed: a change whose storing was lost was in force for a
    time that nobody can name.
    """
    for uid, periods in book.in_force.items():
        schedule = book.schedules.get(uid)
        if schedule is None or (losses and (uid in changed or schedule.deleted_at is not None)):
            continue
        ends = [period.at for period in periods[1:]] + [now]
        for period, end in zip(periods, ends, strict=True):
            if period.expression is None:
                continue
            for tick in owed(period.expression, schedule.created_at, period.at, min(end, now)):
                if not _handled(book, uid, tick):
                    yield f"{schedule.ref.name} {uid[-4:]}: the tick {tick:%T} has neither a run nor a verdict"


def _handled(book: Book, uid: ScheduleUid, tick: datetime) -> bool:
    if run_id(book.cluster, uid, tick_key(tick)) in book.runs:
        return True
    marks = (book.states[uid].pruned_through, book.stored_anew.get(uid))
    return any(mark is not None and tick <= mark for mark in marks)
