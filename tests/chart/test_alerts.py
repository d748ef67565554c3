"""Each alert of the chart, on series as replicas export them: when it is raised, what it says, when it is silent."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.alerts import CASES, NOBODY
from tests.chart.series import Case, one
from tests.support.chart import EXTERNAL, ROOT, Chart, Object, Values


@pytest.fixture(scope="module")
def rules(chart: Chart) -> list[Object]:
    return rules_of(chart, {})


def rules_of(chart: Chart, values: Values) -> list[Object]:
    found = chart.render({**EXTERNAL, "prometheusRule": {"enabled": True, **values}}).one("PrometheusRule")
    (group,) = found["spec"]["groups"]
    return list(group["rules"])


def wanted(case: Case, rule: Object) -> list[dict[str, Any]]:
    """The alerts that are to fire, whole: labels and annotations as they come out."""
    annotations = {**rule["annotations"], "summary": case.summary}
    return [{"exp_labels": {**rule["labels"], **labels}, "exp_annotations": annotations} for labels in case.firing]


def test_of(case: Case, rule: Object) -> dict[str, Any]:
    return {
        "name": named(case),
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": wanted(case, rule)}],
    }


test_of.__test__ = False  # type: ignore[attr-defined]  # what promtool calls a test


def named(case: Case) -> str:
    return f"{case.alert}: {case.what}".replace(",", ";")  # promtool ends a name with a comma


def judged(promtool: Path, folder: Path, rules: Sequence[Object], cases: Sequence[Case]) -> dict[str, str]:
    """Run promtool on all of them at once; return what it complains about, by the name of the case."""
    by_name = {rule["alert"]: rule for rule in rules}
    tests = [test_of(case, by_name[case.alert]) for case in cases]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "ticklock", "rules": list(rules)}]}))
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(whole))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    told = re.split(r"^ *name: (.+?),$", done.stdout + done.stderr, flags=re.MULTILINE)
    assert (done.returncode == 0) is (len(told) == 1), told
    return dict(zip(told[1::2], told[2::2], strict=True))


@pytest.fixture(scope="module")
def complaints(promtool: Path, rules: list[Object], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What promtool says of each case that is not as it should be; it takes a second to start."""
    return judged(promtool, tmp_path_factory.mktemp("alerts"), rules, CASES)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.alert}: {case.what}") for case in CASES])
def test_an_alert(complaints: dict[str, str], case: Case) -> None:
    assert named(case) not in complaints, complaints[named(case)]


def test_a_complaint_would_be_noticed(promtool: Path, rules: list[Object], tmp_path: Path) -> None:
    quiet = {one("quarantine"): "0x20"}
    silent = Case("silent, as it should be", "TicklockQuarantine", quiet, "5m", NOBODY)
    wrong = Case("raised, which it is not", "TicklockQuarantine", quiet, "5m", [{}], "Nothing")
    assert judged(promtool, tmp_path, rules, [silent, wrong]).keys() == {named(wrong)}


def test_every_alert_is_raised_by_a_case_and_silent_in_another(rules: list[Object]) -> None:
    names = {rule["alert"] for rule in rules}
    assert names == {case.alert for case in CASES if case.firing}
    assert names == {case.alert for case in CASES if not case.firing}


def test_every_alert_has_its_page(rules: list[Object]) -> None:
    folder = ROOT / "docs" / "runbooks"
    pages = {path.name for path in folder.glob("ticklock*.md")}
    assert {rule["annotations"]["runbook_url"].rpartition("/")[2] for rule in rules} == pages
    for rule in rules:
        text = (folder / f"{rule['alert'].lower()}.md").read_text()
        assert text.startswith(f"# {rule['alert']}\n")
        for heading in ("## What it means", "## What to look at", "## What helps"):
            assert text.count(f"\n{heading}\n") == 1, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_alerts_can_be_left_out_labelled_and_made_stricter(chart: Chart) -> None:
    values = {"disabled": ["TicklockRunLate"], "alertLabels": {"team": "a"}, "runningSeconds": 60, "selector": 'x="y"'}
    found = {rule["alert"]: rule for rule in rules_of(chart, values)}
    assert "TicklockRunLate" not in found
    assert all(rule["labels"]["team"] == "a" for rule in found.values())
    assert '{x="y",state="running"}) > 60' in found["TicklockRunningTooLong"]["expr"]


def test_alerts_of_one_namespace_do_not_mind_an_installation_of_the_same_name_in_another(chart: Chart) -> None:
    values = {**EXTERNAL, "namespaced": True, "prometheusRule": {"enabled": True}}
    found = chart.render(values, namespace="team-a").one("PrometheusRule")["spec"]["groups"][0]["rules"]
    selectors = [selector for rule in found for selector in re.findall(r"ticklock_\w+\{([^}]*)\}", rule["expr"])]
    assert len(selectors) > len(found)
    assert all(one.startswith('job="ticklock",namespace="team-a"') for one in selectors)


def test_what_is_read_keeps_the_namespaces_of_the_schedules(chart: Chart) -> None:
    """Otherwise Prometheus calls them exported_namespace, and no alert finds them."""
    values = {"serviceMonitor": {"enabled": True, "labels": {"release": "x"}}}
    found = chart.render({**EXTERNAL, **values}).one("ServiceMonitor")
    (endpoint,) = found["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["honorLabels"]) == ("http", "/metrics", True)
    assert found["metadata"]["labels"]["release"] == "x"
    service = chart.render(EXTERNAL).one("Service")["metadata"]["labels"]
    assert found["spec"]["selector"]["matchLabels"].items() <= service.items()
