"""Alerts and dashboard ask for metrics, labels and values that the product has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.chart import EXTERNAL, Chart
from tests.support.queries import MATCHER, SELECTOR, dashboard, every, panels
from ticklock.domain.model import RunState
from ticklock.domain.reasons import Reason
from ticklock.telemetry.catalogue import METRICS, Kind, Metric

_GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")

OF_THE_TARGET = {"job", "instance", "pod", "namespace"}
OF_THE_PROCESS = {"process_resident_memory_bytes"}
NAMED: dict[str, set[str]] = {
    "state": {state.value for state in RunState},
    "reason": {reason.value for reason in Reason} | {""},
}
"""Labels whose values are enumerations of the product, where the catalogue does not list them."""
QUERIES = [pytest.param(query, id=name) for name, query in every()]


def wrong(query: str) -> Iterator[str]:
    """What of a query the product does not have."""
    known = set(OF_THE_TARGET)
    for name, matchers in SELECTOR.findall(query):
        if name in OF_THE_PROCESS:
            continue
        metric = _metric(name)
        if metric is None:
            yield name
            continue
        labels = {label.name: set(label.values) or NAMED.get(label.name, set()) for label in metric.labels}
        known |= labels.keys() | ({"le"} if name.endswith("_bucket") else set())
        for label, operator, value in MATCHER.findall(matchers):
            if label not in labels and label not in OF_THE_TARGET:
                yield f"{name}{{{label}}}"
            values = value.split("|") if operator in {"=~", "!~"} else [value]
            yield from (
                f"{name}{{{label}={one!r}}}" for one in values if labels.get(label) and one not in labels[label]
            )
    for group in _GROUPED.findall(query):
        yield from (label.strip() for label in group.split(",") if label.strip() not in known)


def _metric(name: str) -> Metric | None:
    """The metric that a series is of: a histogram has three kinds, and none under its own name."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    by_name = {metric.full_name: metric for metric in METRICS.values()}
    histogram = by_name.get(base)
    if base != name and histogram is not None and histogram.kind is Kind.HISTOGRAM:
        return histogram
    found = by_name.get(name)
    return None if found is None or found.kind is Kind.HISTOGRAM else found


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_there_is(query: str) -> None:
    assert SELECTOR.search(query)
    assert list(wrong(query)) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("sum(ticklock_lunches_total)", "ticklock_lunches_total", id="a metric"),
        pytest.param("ticklock_run_lag_seconds", "ticklock_run_lag_seconds", id="a histogram under its own name"),
        pytest.param("ticklock_due_count", "ticklock_due_count", id="a gauge as if it were a histogram"),
        pytest.param('ticklock_due{state="x"}', "ticklock_due{state}", id="a label"),
        pytest.param('ticklock_runs_total{state="Lost"}', "ticklock_runs_total{state='Lost'}", id="a state"),
        pytest.param('ticklock_can_launch{reason="Rain"}', "ticklock_can_launch{reason='Rain'}", id="a reason"),
        pytest.param('ticklock_api_retries_total{outcome=~"sent|lost"}',
                     "ticklock_api_retries_total{outcome='lost'}", id="one of several values"),
        pytest.param("sum by (queue) (ticklock_due)", "queue", id="what is grouped by"),
    ],
)  # fmt: skip
def test_one_that_asks_for_something_else_would_be_noticed(query: str, found: str) -> None:
    assert list(wrong(query)) == [found]


def test_prometheus_understands_every_query(promtool: Path, tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query.values[0]} for number, query in enumerate(QUERIES)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_carried_by_its_config_map(chart: Chart) -> None:
    found = chart.render({**EXTERNAL, "dashboard": {"enabled": True}}).one("ConfigMap", "ticklock-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["ticklock.json"]) == dashboard()


def test_panels_do_not_lie_over_one_another_and_each_has_its_own_id() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def test_legends_name_labels_that_are_there() -> None:
    for panel in panels():
        for target in panel["targets"]:
            grouped = {label.strip() for group in _GROUPED.findall(target["expr"]) for label in group.split(",")}
            labels = grouped or OF_THE_TARGET
            assert set(_LEGEND.findall(target["legendFormat"])) <= labels, panel["title"]
