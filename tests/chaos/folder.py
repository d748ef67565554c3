"""A history on disk: a folder with `meta.json` and `history.jsonl`, one JSON object a line.

Promised: each line was handed to the operating system before `write` returned, so a harness that is killed loses
nothing it wrote, and at most the last line is torn. Threads and processes may write to one folder.
Not promised: order; entries are sorted by their time when they are read. Nor a loss of power.
"""

from __future__ import annotations

import json
import os
import threading
import types
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar, cast, get_args, get_origin, get_type_hints

from tests.chaos.history import KINDS, Entry, Final, History, Meta

HISTORY = "history.jsonl"
META = "meta.json"

ValueT = TypeVar("ValueT")


class HistoryError(Exception):
    """A folder that cannot be read as a history."""


class Recorder:
    """Appends to a folder; each line is one write at the end of the file."""

    def __init__(self, folder: Path, meta: Meta | None = None) -> None:
        """Open a folder; who starts the run gives `meta`, who joins it does not."""
        folder.mkdir(parents=True, exist_ok=True)
        if meta is not None:
            (folder / META).write_text(json.dumps(plain(meta), indent=2) + "\n")
        self._file = os.open(folder / HISTORY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._over = False

    def write(self, entry: Entry) -> None:
        """Append an entry. When this returns, the line survives the death of this process.

        After the last entry nothing is appended: what a watch brings then is younger than all that is known.
        """
        if self._over:
            return
        self._over = isinstance(entry, Final)
        line = (json.dumps({"kind": entry.KIND, **plain(entry)}, separators=(",", ":")) + "\n").encode()
        with self._lock:
            while line:
                line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(folder: Path) -> History:
    """Read a folder; raises HistoryError. A torn last line counts as not written."""
    try:
        meta = revive(Meta, json.loads((folder / META).read_text()))
        lines = (folder / HISTORY).read_text().split("\n")
    except (OSError, ValueError, TypeError) as problem:
        raise HistoryError(f"{folder}: {problem}") from problem
    return History.of(meta, _entries(folder, lines))


def _entries(folder: Path, lines: Sequence[str]) -> Iterator[Entry]:
    # What follows the last newline is torn, or empty.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            value = json.loads(line)
            yield revive(KINDS[value.pop("kind")], value)
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise HistoryError(f"{folder / HISTORY}:{number}: {problem!r}") from problem


def plain(value: Any) -> Any:
    """Return a value as JSON has it. Moments become RFC 3339; what has no form of its own becomes its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def revive(kind: type[ValueT], value: Mapping[str, Any]) -> ValueT:
    """Return the dataclass that `plain` was given; raises TypeError or ValueError for anything else."""
    hints: Mapping[str, Any] = _hints(cast("Hashable", kind))
    unknown = value.keys() - hints.keys()
    if unknown:
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    return kind(**{name: _revived(hints[name], one) for name, one in value.items()})


@cache
def _hints(kind: Hashable) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(cast("Any", kind))}


def _revived(hint: Any, value: Any) -> Any:
    """Give back enumerations, tuples and dataclasses; the rest is as JSON has it."""
    if get_origin(hint) is types.UnionType:
        return None if value is None else _revived(next(one for one in get_args(hint) if one is not type(None)), value)
    if get_origin(hint) in {tuple, Sequence}:
        return tuple(_revived(get_args(hint)[0], one) for one in value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return revive(hint, value)
    return float(value) if hint is float else value
