"""What clock changes will do to a timetable, told ahead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ticklock.domain.clock_note import clock_note
from ticklock.domain.recurrence import Cron
from ticklock.domain.times import Nonexistent
from ticklock.domain.timetable import Timetable
from ticklock.domain.zones import Spell, epoch_of, moment_of, spells

_LONGEST_NOTED = 100
"""Ticks that are looked at around one change; an expression of every second is told by its first ones."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a timetable's ticks at one clock change."""

    at: datetime
    note: str


def clock_changes(timetable: Timetable, *, after: datetime, until: datetime) -> list[Change]:
    """Return the clock changes of a span that touch the timetable, each with one sentence."""
    if not any(isinstance(part, Cron) for part in timetable.parts):
        return []
    found = list(spells(timetable.time_zone, epoch_of(after), epoch_of(until)))
    changes = [(before, spell) for before, spell in pairwise(found) if before.offset != spell.offset]
    noted = [(moment_of(spell.begin), _note(timetable, before, spell)) for before, spell in changes]
    return [Change(at, note) for at, note in noted if note is not None]


def _note(timetable: Timetable, before: Spell, after: Spell) -> str | None:
    """Return what happens at the change between two spells."""
    skipped = [wall for part in timetable.parts if isinstance(part, Cron) for wall in _skipped(part, after)]
    if skipped:
        return f"{moment_of(min(skipped)):%H:%M} does not exist on this day: no run"
    length = timedelta(seconds=abs(after.offset - before.offset))
    change = moment_of(after.begin)
    ticks = timetable.ticks(after=change - length - timedelta(seconds=1), until=change + length)
    notes = (clock_note(timetable, tick) for _, tick in zip(range(_LONGEST_NOTED), ticks, strict=False))
    return next((note for note in notes if note is not None), None)


def _skipped(part: Cron, spell: Spell) -> list[int]:
    """Return the first local time that the change leaves out and that nothing makes up for."""
    if not part.pattern.real_time and part.nonexistent is Nonexistent.SHIFT:
        return []
    return [wall for _, wall in zip(range(1), part.skipped(spell), strict=False)]
