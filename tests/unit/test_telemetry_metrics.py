"""Metrics: what the catalogue says is what is exported, and nothing else."""

import ast
import importlib.resources
import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from ticklock.telemetry import METRICS, Metric, PrometheusMeter, describe
from ticklock.telemetry.catalogue import Kind

SOURCES = Path(str(importlib.resources.files("ticklock")))


def families(meter: PrometheusMeter) -> dict[str, Family]:
    return {family.name: family for family in text_string_to_metric_families(meter.expose().decode())}


def samples(meter: PrometheusMeter, name: str) -> list[Sample]:
    return [one for family in families(meter).values() for one in family.samples if one.name == f"ticklock_{name}"]


def values(meter: PrometheusMeter, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(one.labels.values()): one.value for one in samples(meter, name)}


@pytest.fixture
def meter() -> PrometheusMeter:
    return PrometheusMeter(version="1.2.3", strict=True)


def use(meter: PrometheusMeter, metric: Metric) -> None:
    labels = {label.name: (label.values or ("x",))[0] for label in metric.labels}
    if metric.kind is Kind.COUNTER:
        meter.count(metric.name, 2, **labels)
    elif metric.kind is Kind.GAUGE:
        meter.gauge(metric.name, 2, **labels)
    else:
        meter.observe(metric.name, 2, **labels)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_each_metric_is_exported_as_the_catalogue_says(meter: PrometheusMeter, metric: Metric) -> None:
    use(meter, metric)
    family = families(meter)[metric.full_name.removesuffix("_total")]
    assert (family.type, family.documentation) == (metric.kind, metric.help)
    shown = [one for one in family.samples if not one.name.endswith("_created")]
    assert all(set(one.labels) - {"le"} == set(metric.label_names) for one in shown)
    assert 2.0 in {one.value for one in shown if not one.name.endswith("_bucket")}
    bounds = sorted({float(one.labels["le"]) for one in shown if one.name.endswith("_bucket")})
    assert bounds == ([*metric.buckets, math.inf] if metric.buckets else [])


def test_nothing_is_exported_that_the_catalogue_does_not_have(meter: PrometheusMeter) -> None:
    for metric in METRICS.values():
        use(meter, metric)
    ours = {name for name in families(meter) if not name.startswith("process_")}
    created = {name for name in ours if name.endswith("_created")}
    assert ours - created == {metric.full_name.removesuffix("_total") for metric in METRICS.values()}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
    assert bool(metric.buckets) is (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds")
    assert metric.help.endswith(".")
    assert not metric.by_object or metric.label_names[:2] == ("namespace", "name")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("duplicates_total", {(): 0.0}, id="a counter"),
        pytest.param("leader", {(): 0.0}, id="a gauge"),
        pytest.param("launches_total", {("false",): 0.0, ("true",): 0.0}, id="labels with known values"),
        pytest.param("status_writes_total", {("written",): 0.0, ("unchanged",): 0.0, ("failed",): 0.0}, id="outcomes"),
        pytest.param("build_info", {("1.2.3",): 1.0}, id="the version"),
    ],
)
def test_what_can_be_known_is_there_from_the_start(
    meter: PrometheusMeter, name: str, expected: dict[tuple[str, ...], float]
) -> None:
    assert values(meter, name) == expected


@pytest.mark.parametrize(
    ("kind", "name", "labels", "wrong"),
    [
        pytest.param("count", "nonsense_total", {}, "there is no such metric", id="unknown name"),
        pytest.param("count", "ticklock_duplicates_total", {}, "there is no such metric", id="with the prefix"),
        pytest.param("gauge", "duplicates_total", {}, "it is a counter, not a gauge", id="another kind"),
        pytest.param("count", "duplicates_total", {"x": "y"}, "its labels are none, not x", id="a label too many"),
        pytest.param("count", "duty_errors_total", {}, "its labels are duty, not none", id="a label missing"),
        pytest.param("count", "launches_total", {"stranded": "True"}, "stranded is one of false, true", id="a value"),
        pytest.param("observe", "claim_seconds", {"operation": "x"}, "operation is one of", id="another value"),
    ],
)
def test_wrong_use(kind: str, name: str, labels: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        getattr(PrometheusMeter(version="1", strict=True), kind)(name, 1, **labels)
    lenient = PrometheusMeter(version="1")
    before = families(lenient).keys()
    getattr(lenient, kind)(name, 1, **labels)
    assert families(lenient).keys() == before


RUN = {"state": "Completed", "reason": "JobCompleted"}


def test_counters_of_an_object_add_up(meter: PrometheusMeter) -> None:
    meter.count("runs_total", namespace="a", name="x", **RUN)
    meter.count("runs_total", 2, namespace="a", name="x", **RUN)
    meter.count("runs_total", namespace="b", name="x", **RUN)
    assert values(meter, "runs_total") == {
        ("a", "x", "Completed", "JobCompleted"): 3.0,
        ("b", "x", "Completed", "JobCompleted"): 1.0,
    }


def test_all_series_of_an_object_that_is_gone_go_and_no_others(meter: PrometheusMeter) -> None:
    per_object = [metric for metric in METRICS.values() if metric.by_object]
    for metric in per_object:
        for name in ("gone", "stays"):
            labels = dict.fromkeys(metric.label_names, "v") | {"namespace": "a", "name": name}
            (meter.count if metric.kind is Kind.COUNTER else meter.gauge)(metric.name, 1, **labels)
    meter.forget("a", "gone")
    meter.forget("a", "never was")
    shown = [one for metric in per_object for one in samples(meter, metric.name)]
    assert [one.labels["name"] for one in shown] == ["stays"] * len(per_object)


def test_gauges_of_objects_go_with_the_term_and_counters_stay(meter: PrometheusMeter) -> None:
    labels = {"namespace": "a", "name": "x"}
    meter.count("runs_total", **labels, **RUN)
    meter.gauge("next_schedule_timestamp_seconds", 5, **labels)
    meter.gauge("objects", 1)
    meter.retire()
    assert values(meter, "runs_total") == {("a", "x", "Completed", "JobCompleted"): 1.0}
    assert not samples(meter, "next_schedule_timestamp_seconds")
    assert values(meter, "objects") == {(): 1.0}


def test_with_the_switch_no_label_tells_objects_apart() -> None:
    meter = PrometheusMeter(version="1", by_object=False, strict=True)
    for name in ("x", "y"):
        meter.count("runs_total", namespace="a", name=name, **RUN)
        meter.gauge("next_schedule_timestamp_seconds", 5, namespace="a", name=name)
    assert values(meter, "runs_total") == {("Completed", "JobCompleted"): 2.0}
    assert "namespace=" not in meter.expose().decode()
    assert not samples(meter, "next_schedule_timestamp_seconds")
    meter.forget("a", "x")
    assert values(meter, "runs_total") == {("Completed", "JobCompleted"): 2.0}


def test_only_the_latest_reason_not_to_launch_is_exported(meter: PrometheusMeter) -> None:
    meter.gauge("can_launch", 0, reason="Quarantine")
    meter.gauge("can_launch", 0, reason="ClockStep")
    assert values(meter, "can_launch") == {("ClockStep",): 0.0}
    meter.gauge("can_launch", 1, reason="")
    assert values(meter, "can_launch") == {("",): 1.0}


def test_touching_sets_the_present_time(meter: PrometheusMeter) -> None:
    before = time.time()
    meter.touch("duty_last_success_timestamp_seconds", duty="planner")
    assert before <= values(meter, "duty_last_success_timestamp_seconds")["planner",] <= time.time()


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", "a\\nb", "ä☃", "{}=,"])
def test_label_values_survive_the_format(meter: PrometheusMeter, value: str) -> None:
    meter.gauge("last_success_timestamp_seconds", 1764000000.25, namespace="a", name=value)
    assert values(meter, "last_success_timestamp_seconds") == {("a", value): 1764000000.25}


def test_the_process_tells_its_memory(meter: PrometheusMeter) -> None:
    assert families(meter)["process_resident_memory_bytes"].samples[0].value > 0


def test_the_table_for_the_docs_has_a_line_for_each_metric() -> None:
    head, ruler, *lines = describe().splitlines()
    assert head.count("|") == ruler.count("|") == 5
    assert [line.split("`")[1] for line in lines] == [metric.full_name for metric in METRICS.values()]
    assert "| `ticklock_launches_total` | counter | `stranded` (false, true) |" in describe()


def uses() -> Iterator[tuple[str, str, str, set[str] | None]]:
    """Every call of a meter in the sources: place, kind, name, labels (None: not told there)."""
    kinds = {"count": Kind.COUNTER, "gauge": Kind.GAUGE, "touch": Kind.GAUGE, "observe": Kind.HISTOGRAM}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in kinds
                and "meter" in ast.unparse(node.func.value)
                and node.args
                and isinstance(name := node.args[0], ast.Constant)
            ):
                labels = [keyword.arg for keyword in node.keywords if keyword.arg != "value"]
                told = {label for label in labels if label} if None not in labels else None
                yield f"{path.name}:{node.lineno}", kinds[node.func.attr], str(name.value), told


def test_duties_use_only_what_the_catalogue_has() -> None:
    found = list(uses())
    assert len(found) >= 10
    wrong = [
        (place, name)
        for place, kind, name, labels in found
        if name not in METRICS
        or METRICS[name].kind is not kind
        or (labels is not None and labels != set(METRICS[name].label_names))
    ]
    assert wrong == []
