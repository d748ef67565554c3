"""What a clock change did to a tick, in words for people."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ticklock.domain.recurrence import Cron
from ticklock.domain.times import Ambiguous, Nonexistent
from ticklock.domain.zones import epoch_of, moment_of, spells

if TYPE_CHECKING:
    from datetime import datetime

    from ticklock.domain.timetable import Timetable
    from ticklock.domain.zones import Spell

_LONGEST_FOLD = 2 * 86_400
_NAMED = 3


def clock_note(timetable: Timetable, tick: datetime) -> str | None:
    """Return one sentence if the local time of a tick was shifted or exists twice, else None.

    `tick` must be one of the timetable's.
    """
    epoch = epoch_of(tick)
    crons = [part for part in timetable.parts if isinstance(part, Cron)]
    return next((_note(cron, epoch) for cron in crons if any(True for _ in cron.epochs(epoch, epoch + 1))), None)


def _note(cron: Cron, epoch: int) -> str | None:
    around = list(spells(cron.zone, epoch - _LONGEST_FOLD, epoch + _LONGEST_FOLD))
    at = next(index for index, spell in enumerate(around) if spell.begin <= epoch < spell.end)
    here, later = around[at], around[at + 1 :]
    if cron.pattern.real_time:
        return _pass_note(here, later, epoch)
    if cron.nonexistent is Nonexistent.SHIFT and (note := _shift_note(cron, here, epoch)):
        return note
    match cron.ambiguous:
        case Ambiguous.FIRST:
            return _twice_note(here, later, epoch)
        case Ambiguous.LAST:
            wall = epoch + here.offset
            return f"{_clock(wall, wall)} exists twice: the last one runs" if wall < here.reached else None
        case Ambiguous.BOTH:
            return _pass_note(here, later, epoch)


def _shift_note(recurrence: Cron, spell: Spell, epoch: int) -> str | None:
    """Name the skipped local times that the tick stands for."""
    if epoch != spell.begin:
        return None
    skipped = list(islice(recurrence.skipped(spell), _NAMED + 1))
    if not skipped:
        return None
    here = _clock(spell.opening, spell.opening)
    names = [_clock(wall, spell.opening) for wall in skipped]
    if len(names) == 1:
        return f"{names[0]} does not exist on this day: shifted to {here}"
    listed = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    return f"{listed} do not exist on this day: one run at {here}"


def _twice_note(spell: Spell, later: list[Spell], epoch: int) -> str | None:
    wall = epoch + spell.offset
    return f"{_clock(wall, wall)} exists twice: the first one runs" if _shown_again(wall, later) else None


def _pass_note(spell: Spell, later: list[Spell], epoch: int) -> str | None:
    """Say which of the two passes through a repeated hour the tick belongs to."""
    wall = epoch + spell.offset
    if wall < spell.reached:
        return f"{_clock(wall, wall)} exists twice: this is the second one"
    return f"{_clock(wall, wall)} exists twice: this is the first one" if _shown_again(wall, later) else None


def _shown_again(wall: int, later: list[Spell]) -> bool:
    return any(spell.opening <= wall < spell.reached for spell in later)


def _clock(wall: int, beside: int) -> str:
    """Return a wall second as `02:30`, with seconds and date only where they are needed."""
    face = moment_of(wall)
    text = f"{face:%H:%M:%S}" if face.second else f"{face:%H:%M}"
    return text if face.date() == moment_of(beside).date() else f"{face:%Y-%m-%d} {text}"
