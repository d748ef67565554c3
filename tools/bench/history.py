"""What the watch on Jobs wrote down: one JSON object a line, in the order in which it arrived."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NewType

ScheduleName = NewType("ScheduleName", str)
JobUid = NewType("JobUid", str)
Tick = NewType("Tick", int)
"""Seconds since 1970."""


class Phase(StrEnum):
    """What a version of a Job shows."""

    HELD = "held"
    """`spec.suspend` is true: it cannot start."""
    FREE = "free"
    """It may start."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Sight:
    """A Job was seen in a phase that it was not seen in before. `at` is when that arrived, in seconds since 1970."""

    at: float
    phase: Phase
    job: JobUid
    schedule: ScheduleName
    tick: Tick | None
    """None where the Job does not name its tick."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The watch was connected then, and had written down all that had arrived."""

    at: float


@dataclass(frozen=True, slots=True)
class Break:
    """The watch was cut then. Until the next beat nothing could arrive, and arrived late.

    Where it went on from the version it had seen last nothing is missing (`lost` False); else something may be.
    """

    at: float
    cause: str
    lost: bool


Entry = Sight | Beat | Break
_KINDS: dict[str, type[Sight | Beat | Break]] = {"sight": Sight, "beat": Beat, "break": Break}


def to_line(entry: Entry) -> bytes:
    """Write an entry as one line."""
    return json.dumps({"kind": type(entry).__name__.lower(), **asdict(entry)}).encode() + b"\n"


def from_line(line: str) -> Entry:
    """Read one line. Raises ValueError, KeyError or TypeError where it is not one of ours."""
    fields: dict[str, Any] = json.loads(line)
    kind = _KINDS[fields.pop("kind")]
    if kind is Sight:
        fields["phase"] = Phase(fields["phase"])
    return kind(**fields)


@dataclass(slots=True)
class Tail:
    """Reads a file of entries that is still being written; each line is read once."""

    path: Path
    entries: list[Entry] = field(default_factory=list)
    _read: int = 0

    def grow(self) -> list[Entry]:
        """Read what was added in whole lines; return all entries until now."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read += len(whole) + len(newline)
            self.entries += [from_line(line) for line in whole.decode().splitlines()]
        return self.entries


def sights(entries: Iterable[Entry]) -> Iterator[Sight]:
    """Yield the sights alone."""
    return (entry for entry in entries if isinstance(entry, Sight))
