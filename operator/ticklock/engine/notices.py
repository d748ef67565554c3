"""Events that would say the same many times over are told as one.

Promise: each Event of the outbox is told, by itself or as one of a number; nothing is told twice but after a crash.
After an outage a schedule may have a hundred missed ticks, and a cluster a thousand such schedules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ticklock.domain.model import RunState
from ticklock.ports import ObjectEvent

FEW = 3
"""So many verdicts of one schedule are told one by one."""

_NEVER_RAN = frozenset({RunState.MISSED, RunState.SKIPPED})


@dataclass(frozen=True, slots=True)
class Notice:
    """One Event to be posted, and what of the outbox it tells."""

    event: ObjectEvent
    parts: tuple[ObjectEvent, ...]


def gathered(events: Sequence[ObjectEvent]) -> list[Notice]:
    """Return what to post for these Events, in the order in which they came."""
    groups: dict[tuple[object, ...], list[ObjectEvent]] = {}
    for event in events:
        alike = event.ref is not None and event.state in _NEVER_RAN
        groups.setdefault((event.ref, event.state, event.reason) if alike else (event.id,), []).append(event)
    return [notice for parts in groups.values() for notice in _told(parts)]


def _told(parts: list[ObjectEvent]) -> list[Notice]:
    """Tell a few one by one, more as one. It has the name of the last one: a later number has another name."""
    if len(parts) <= FEW:
        return [Notice(part, (part,)) for part in parts]
    last, ticks = parts[-1], sum(part.ticks for part in parts)
    note = f"{ticks} ticks did not run; the last of them: {last.note}"
    return [Notice(replace(last, note=note, ticks=ticks), tuple(parts))]
