"""Series as Prometheus has them after it has read two replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ONE, TWO = "10.0.0.1:8080", "10.0.0.2:8080"


@dataclass(frozen=True, slots=True)
class Case:
    """What is there, and what an alert is to make of it at a moment."""

    what: str
    alert: str
    series: Mapping[str, str]
    """Values at each minute, in promtool's notation, by series."""
    at: str
    firing: Sequence[Mapping[str, str]]
    """The labels of each alert, beside those of the rule."""
    summary: str = ""


def one(metric: str) -> str:
    """A metric, without its prefix, as read from the first replica."""
    return _read(metric, ONE)


def other(metric: str) -> str:
    """The same of the second."""
    return _read(metric, TWO)


def _read(metric: str, instance: str) -> str:
    name, _, labels = metric.partition("{")
    own = f'job="ticklock",instance="{instance}"'
    return f"ticklock_{name}{{{own}{',' + labels if labels else '}'}"
