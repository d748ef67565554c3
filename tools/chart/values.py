"""values.yaml read with its comments.

A comment that begins with `# --` describes the key below it and all that is in it, up to the next description.
`# @schema {…}` adds to what its schema asks; `# == …` begins a section of the README.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_KEY = re.compile(r"^( *)([A-Za-z][\w]*):(?: |$)")


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value."""

    path: tuple[str, ...]
    section: str
    meaning: str
    asked: dict[str, Any]
    """What `@schema` says."""
    default: Any


@dataclass(slots=True)
class _Comment:
    """The comment that has been read so far."""

    lines: list[str]
    asked: dict[str, Any]

    def take(self, text: str) -> None:
        if text.startswith("@schema "):
            self.asked |= json.loads(text.removeprefix("@schema "))
        elif text.startswith("-- "):
            self.lines = [text.removeprefix("-- ")]
        elif self.lines:
            self.lines.append(text)


def documented(text: str) -> Sequence[Value]:
    """Return the values that are described, in their order. Raises ValueError for one that nothing describes."""
    defaults = yaml.safe_load(text)
    values = list(_walk(text, defaults))
    paths = {value.path for value in values}
    lost = [path for path in _leaves(defaults) if not any(path[:length] in paths for length in range(len(path) + 1))]
    if lost:
        raise ValueError(f"nothing describes {', '.join('.'.join(path) for path in lost)}")
    return values


def _walk(text: str, defaults: Any) -> Iterator[Value]:
    place: list[tuple[int, str]] = []
    section, comment = "", _Comment([], {})
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# == "):
            section = stripped.removeprefix("# == ")
        elif stripped.startswith("#"):
            comment.take(stripped.removeprefix("#").strip())
        elif not stripped:
            comment = _Comment([], {})
        elif key := _KEY.match(line):
            indent = len(key[1])
            place = [(depth, name) for depth, name in place if depth < indent] + [(indent, key[2])]
            if comment.lines:
                path = tuple(name for _, name in place)
                yield Value(path, section, " ".join(comment.lines), comment.asked, _at(defaults, path))
            comment = _Comment([], {})


def _at(defaults: Any, path: Sequence[str]) -> Any:
    for name in path:
        defaults = defaults[name]
    return defaults


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path
