"""The last facts of the replicas' logs, read as they are written."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.devcluster.replica import Replica, parse_fact

_ALWAYS = frozenset({"timestamp", "level", "event", "logger", "pod", "replica", "version", "identity"})
_ALSO_BORING = frozenset({"run", "job", "namespace", "n"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a log."""

    pod: str
    at: str
    level: str
    event: str
    details: str

    def __str__(self) -> str:
        return f"{self.at} {self.pod} {self.event}  {self.details}".rstrip()


@dataclass(slots=True)
class LogTail:
    """Keeps the newest facts of all replicas."""

    replicas: Sequence[Replica]
    facts: deque[Fact] = field(default_factory=lambda: deque(maxlen=200))
    _offsets: dict[Path, int] = field(default_factory=dict)

    def read(self) -> list[Fact]:
        """Read what was written since the last time; return it."""
        news = [fact for replica in self.replicas for fact in self._news(replica)]
        news.sort(key=lambda fact: fact.at)
        self.facts.extend(news)
        return news

    def last(self, count: int) -> list[Fact]:
        """Return the newest facts, oldest first."""
        return list(self.facts)[-count:]

    def _news(self, replica: Replica) -> list[Fact]:
        if not replica.log.exists():
            return []
        with replica.log.open("rb") as file:
            file.seek(self._offsets.get(replica.log, 0))
            whole, _, _ = file.read().rpartition(b"\n")
        self._offsets[replica.log] = self._offsets.get(replica.log, 0) + len(whole) + bool(whole)
        lines = whole.decode(errors="replace").splitlines()
        parsed = (fact for line in lines if (fact := parse_fact(line)) is not None)
        return [_fact(replica.pod, fact) for fact in parsed if not _of_a_library(fact)]


def _of_a_library(line: dict[str, Any]) -> bool:
    return line.get("level") == "info" and not str(line.get("logger", "ticklock")).startswith("ticklock")


def _fact(pod: str, line: dict[str, Any]) -> Fact:
    details = {key: value for key, value in line.items() if key not in _ALWAYS | _ALSO_BORING and value is not False}
    return Fact(
        pod=pod,
        at=str(line.get("timestamp", ""))[11:19],
        level=str(line.get("level", "")),
        event=str(line.get("event", "")),
        details=" ".join(f"{key}={_short(value)}" for key, value in details.items()),
    )


def _short(value: object) -> str:
    text = _TIME.sub(r"\1Z", " ".join(str(value).split()))
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - what fits on a line
