"""Manifests from files, folders and standard input, as their users write them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_SUFFIXES = {".yaml", ".yml", ".json"}


class UnreadableError(Exception):
    """What was given cannot be read as manifests; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One manifest, and where it stands."""

    source: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its kind; empty where it names none."""
        return str(self.body.get("kind") or "")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata; empty where there is none."""
        metadata = self.body.get("metadata")
        return metadata if isinstance(metadata, Mapping) else {}

    def named(self, namespace: str) -> str:
        """Return namespace and name; `namespace` is where it would go that names none."""
        return f"{self.metadata.get('namespace') or namespace}/{self.metadata.get('name') or '(no name)'}"


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a time is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_manifests(places: Sequence[str]) -> Iterator[Found]:
    """Yield the manifests of files and folders, `-` being standard input; Lists are taken apart.

    Raises UnreadableError.
    """
    for place in places:
        for source, text in _texts(place):
            yield from parse_manifests(text, source)


def parse_manifests(text: str, source: str) -> Iterator[Found]:
    """Yield the manifests of a text in YAML or JSON. Raises UnreadableError."""
    try:
        documents = list(yaml.load_all(text, _Loader))
    except (yaml.YAMLError, RecursionError) as wrong:
        raise UnreadableError(f"{source}: no YAML: {' '.join(str(wrong).split())}") from wrong
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, Mapping):
            raise UnreadableError(f"{source}: no manifest but {type(document).__name__} {document!r:.40}")
        items = document.get("items")
        if str(document.get("kind") or "").endswith("List") and isinstance(items, list):
            yield from (Found(source, item) for item in items if isinstance(item, Mapping))
        else:
            yield Found(source, document)


def _texts(place: str) -> Iterator[tuple[str, str]]:
    if place == "-":
        yield "standard input", sys.stdin.read()
        return
    path = Path(place)
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES) if path.is_dir() else [path]
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as wrong:
            raise UnreadableError(f"{file}: {wrong}") from wrong


def dump(body: Mapping[str, Any]) -> str:
    """Return a manifest as YAML, its fields in their order."""
    return yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True, width=100)
