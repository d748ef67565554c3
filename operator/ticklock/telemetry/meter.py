"""Metrics for Prometheus.

Series that exist once for each object are kept in plain dictionaries and written by a writer of our own: 20,000 of them
cost 17 ms a scrape, with the client library 500 ms, which would be felt as launch lag.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import product

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ticklock.telemetry.catalogue import METRICS, OBJECT, Kind, Metric

log = structlog.get_logger(__name__)

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Content type of what `expose` returns."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
Labels = tuple[str, ...]
Plain = Counter | Gauge | Histogram


class PrometheusMeter:
    """The engine's Meter, read by Prometheus. The catalogue says what may be counted.

    A name, label or value that the catalogue does not have is logged once and otherwise ignored, since a slip in
    counting must not stop a launch; `strict`, for tests, raises ValueError instead. Calls belong to the event loop's
    thread; `expose` may run in any.
    """

    def __init__(self, *, version: str, by_object: bool = True, strict: bool = False) -> None:
        """`by_object` False: no label tells objects apart. Counters are sums then, gauges of objects are left out."""
        self._strict = strict
        self._complained: set[str] = set()
        self._registry = CollectorRegistry()
        self._plain: dict[str, Plain] = {}
        self._by_object: dict[str, _ObjectSeries] = {}
        for metric in METRICS.values():
            if not metric.by_object:
                self._plain[metric.name] = _registered(metric, self._registry)
            elif by_object or metric.kind is Kind.COUNTER:
                self._by_object[metric.name] = _ObjectSeries(metric, told_apart=by_object)
        ProcessCollector(registry=self._registry)
        self.gauge("build_info", 1, version=version)

    @property
    def content_type(self) -> str:
        """Content type of what `expose` returns."""
        return CONTENT_TYPE

    def count(self, name: str, value: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        if (metric := self._known(name, Kind.COUNTER, labels)) is None:
            return
        if series := self._by_object.get(name):
            series.add(value, labels)
        elif isinstance(counter := _child(self._plain.get(name), metric, labels), Counter):
            counter.inc(value)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        if (metric := self._known(name, Kind.GAUGE, labels)) is None:
            return
        if series := self._by_object.get(name):
            series.set(value, labels)
            return
        gauge = self._plain.get(name)
        if metric.exclusive and gauge is not None:
            gauge.clear()
        if isinstance(gauge := _child(gauge, metric, labels), Gauge):
            gauge.set(value)

    def touch(self, name: str, /, **labels: str) -> None:
        """Set a gauge to the present Unix time."""
        self.gauge(name, time.time(), **labels)  # noqa: TID251 - a metric's value, nothing is decided by it

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Observe a value of a histogram, in seconds."""
        if (metric := self._known(name, Kind.HISTOGRAM, labels)) is None:
            return
        if isinstance(histogram := _child(self._plain.get(name), metric, labels), Histogram):
            histogram.observe(value)

    def forget(self, namespace: str, name: str) -> None:
        """Drop all series of an object that is gone."""
        for series in self._by_object.values():
            series.forget((namespace, name))

    def retire(self) -> None:
        """Drop the gauges of all objects; counters stay, they are this replica's own."""
        for name, series in self._by_object.items():
            if METRICS[name].kind is Kind.GAUGE:
                series.clear()

    def expose(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry) + "".join(map(str, self._by_object.values())).encode()

    def _known(self, name: str, kind: Kind, labels: Mapping[str, str]) -> Metric | None:
        metric = METRICS.get(name)
        if wrong := _wrong(metric, name, kind, labels):
            self._complain(wrong)
            return None
        return metric

    def _complain(self, wrong: str) -> None:
        if self._strict:
            raise ValueError(wrong)
        if wrong not in self._complained:
            self._complained.add(wrong)
            log.error("a metric is used wrongly", cause=wrong)


class _ObjectSeries:
    """The series of one metric, by object and then by its other labels."""

    def __init__(self, metric: Metric, *, told_apart: bool) -> None:
        self._metric = metric
        self._told_apart = told_apart
        self._others = metric.label_names[len(OBJECT) :]
        self._values: defaultdict[Labels, dict[Labels, float]] = defaultdict(dict)

    def add(self, value: float, labels: Mapping[str, str]) -> None:
        series, others = self._place(labels)
        series[others] = series.get(others, 0.0) + value

    def set(self, value: float, labels: Mapping[str, str]) -> None:
        series, others = self._place(labels)
        series[others] = value

    def forget(self, item: Labels) -> None:
        self._values.pop(item, None)

    def clear(self) -> None:
        self._values.clear()

    def __str__(self) -> str:
        """Return the text format. Each dictionary is copied before it is walked, as another thread may change it."""
        name = self._metric.full_name
        head = f"# HELP {name} {self._metric.help}\n# TYPE {name} {self._metric.kind}\n"
        return head + "".join(self._lines(name))

    def _lines(self, name: str) -> Iterator[str]:
        for item, series in list(self._values.items()):
            place = f'namespace="{item[0]}",name="{item[1]}",' if item else ""
            for others, value in list(series.items()):
                rest = "".join(f'{label}="{one}",' for label, one in zip(self._others, others, strict=True))
                yield f"{name}{{{(place + rest).rstrip(',')}}} {value!r}\n"

    def _place(self, labels: Mapping[str, str]) -> tuple[dict[Labels, float], Labels]:
        item = (_escaped(labels["namespace"]), _escaped(labels["name"])) if self._told_apart else ()
        return self._values[item], tuple(_escaped(labels[label]) for label in self._others)


def _wrong(metric: Metric | None, name: str, kind: Kind, labels: Mapping[str, str]) -> str | None:
    """Return what is wrong with a use of a metric."""
    if metric is None:
        return f"{name}: there is no such metric"
    if metric.kind is not kind:
        return f"{name}: it is a {metric.kind}, not a {kind}"
    if labels.keys() != set(metric.label_names):
        return f"{name}: its labels are {', '.join(metric.label_names) or 'none'}, not {', '.join(labels) or 'none'}"
    for label in metric.labels:
        if label.values and labels[label.name] not in label.values:
            return f"{name}: {label.name} is one of {', '.join(label.values)}, not {labels[label.name]}"
    return None


def _registered(metric: Metric, registry: CollectorRegistry) -> Plain:
    made: Plain
    if metric.kind is Kind.COUNTER:
        made = Counter(metric.full_name, metric.help, metric.label_names, registry=registry)
    elif metric.kind is Kind.GAUGE:
        made = Gauge(metric.full_name, metric.help, metric.label_names, registry=registry)
    else:
        bounds = (*metric.buckets, math.inf)
        made = Histogram(metric.full_name, metric.help, metric.label_names, registry=registry, buckets=bounds)
    if metric.labels and all(label.values for label in metric.labels):
        for values in product(*(label.values for label in metric.labels)):
            made.labels(*values)
    return made


def _child(made: Plain | None, metric: Metric, labels: Mapping[str, str]) -> Plain | None:
    """Return the series with these labels; None for a metric that is left out."""
    return made.labels(**labels) if made is not None and metric.labels else made


def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)
