"""Each alert of the chart, on series as replicas export them: when it is raised, what it says, when it is silent."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.series import ONE, Case, one, other
from tests.support.chart import EXTERNAL, ROOT, Chart, Object, Values

REPORT = 'namespace="a",name="report"'
MISSED = f'runs_total{{{REPORT},state="Missed",reason="DeadlineExceeded"}}'
FAILED = f'runs_total{{{REPORT},state="Failed",reason="JobFailed"}}'
COMPLETED = f'runs_total{{{REPORT},state="Completed",reason="JobCompleted"}}'
UNKNOWN = f'runs_total{{{REPORT},state="Unknown",reason="JobVanished"}}'
OBJECT = {"namespace": "a", "name": "report"}
NOBODY: list[Mapping[str, str]] = []


def times(last_success: int, last: int, following: int) -> dict[str, str]:
    """The gauges of a schedule, in minutes, as they stand all the time."""
    return {
        one(f"last_success_timestamp_seconds{{{REPORT}}}"): f"{last_success * 60}x500",
        one(f"last_schedule_timestamp_seconds{{{REPORT}}}"): f"{last * 60}x500",
        one(f"next_schedule_timestamp_seconds{{{REPORT}}}"): f"{following * 60}x500",
    }


CASES = [
    Case("a run is missed, the first of that schedule", "TicklockMissedRun",
         {one(MISSED): "_x5 1x20"}, "8m", [{**OBJECT, "reason": "DeadlineExceeded"}],
         "A run of a/report was missed: DeadlineExceeded."),
    Case("another run is missed", "TicklockMissedRun", {one(MISSED): "3x20 4x20"}, "25m",
         [{**OBJECT, "reason": "DeadlineExceeded"}], "A run of a/report was missed: DeadlineExceeded."),
    Case("a run was missed long ago", "TicklockMissedRun", {one(MISSED): "_x5 1x60"}, "40m", NOBODY),
    Case("a replica that was counting is restarted", "TicklockMissedRun", {one(MISSED): "3x20 0x20"}, "25m", NOBODY),
    Case("runs complete", "TicklockMissedRun", {one(COMPLETED): "0+1x40"}, "30m", NOBODY),
    Case("a run has been due for too long", "TicklockRunLate",
         {one("overdue_seconds"): "0+60x20", other("overdue_seconds"): "0+60x20"}, "8m", [{}],
         "A run has been due for 8m 0s."),
    Case("a run is due and is being launched", "TicklockRunLate", {one("overdue_seconds"): "0 400 0 400 0"}, "3m",
         NOBODY),
    Case("the first run fails", "TicklockFailing", {one(FAILED): "_x5 1x20"}, "8m", [OBJECT],
         "Runs of a/report fail, and none has completed within the last hour."),
    Case("each run fails, those before another replica led included", "TicklockFailing",
         {one(FAILED): "0+1x30 _x100", other(FAILED): "_x31 0+1x60"}, "80m", [OBJECT],
         "Runs of a/report fail, and none has completed within the last hour."),
    Case("one fails among others that complete", "TicklockFailing",
         {one(FAILED): "0x30 1x60", one(COMPLETED): "0+1x90"}, "40m", NOBODY),
    Case("it fails, is mended and completes", "TicklockFailing",
         {one(FAILED): "_x5 1x30", one(COMPLETED): "_x20 1x30"}, "25m", NOBODY),
    Case("a schedule of ten minutes has not completed for more than an hour", "TicklockNoRecentSuccess",
         times(0, 80, 90), "85m", [OBJECT], "a/report has not completed for 1h 25m 0s."),
    Case("it completed a while ago", "TicklockNoRecentSuccess", times(70, 80, 90), "85m", NOBODY),
    Case("a schedule of every minute pauses over the night", "TicklockNoRecentSuccess", times(1, 1, 400), "395m",
         NOBODY),
    Case("a schedule is suspended: nothing is next", "TicklockNoRecentSuccess", times(0, 10, 20), "200m", NOBODY),
    Case("a Job runs for seven hours", "TicklockRunningTooLong",
         {one('finalizer_age_seconds{state="running"}'): "0+60x600", one("leader"): "1x600"}, "420m",
         [{"instance": ONE}], "A Job has been running for 7h 0m 0s."),
    Case("a former leader still tells of one", "TicklockRunningTooLong",
         {one('finalizer_age_seconds{state="running"}'): "25200x600", one("leader"): "0x600",
          other('finalizer_age_seconds{state="running"}'): "0x600", other("leader"): "1x600"}, "60m", NOBODY),
    Case("a Job that has finished keeps its finalizer", "TicklockRunningTooLong",
         {one('finalizer_age_seconds{state="finished"}'): "25200x600", one("leader"): "1x600"}, "60m", NOBODY),
    Case("a Job vanishes", "TicklockRunUnknown", {one(UNKNOWN): "_x5 1x20"}, "8m",
         [{**OBJECT, "reason": "JobVanished"}], "Nobody knows how a run of a/report ended: JobVanished."),
    Case("a run fails", "TicklockRunUnknown", {one(FAILED): "_x5 1x20"}, "8m", NOBODY),
    Case("a second pod appears without a reason", "TicklockSecondPod",
         {one('further_pods_total{cause="unfounded"}'): "0x5 1x20"}, "8m", [{}],
         "Kubernetes has made a second pod for a Job, although none had failed."),
    Case("a pod is tried again within backoffLimit", "TicklockSecondPod",
         {one('further_pods_total{cause="retry"}'): "0+1x20", one('further_pods_total{cause="held"}'): "0+1x20"},
         "8m", NOBODY),
    Case("nobody leads", "TicklockNoLeader", {one("leader"): "1x5 0x20", other("leader"): "0x25"}, "10m", [{}],
         "No replica of Ticklock leads."),
    Case("there is no replica at all", "TicklockNoLeader", {one("leader"): "1x5 stale"}, "10m", [{}],
         "No replica of Ticklock leads."),
    Case("the Lease changes hands", "TicklockNoLeader",
         {one("leader"): "1x5 0x20", other("leader"): "0x6 1x20"}, "10m", NOBODY),
    Case("the database is away for both replicas", "TicklockDatabaseUnavailable",
         {one('can_launch{reason=""}'): "1x5 stale", one('can_launch{reason="DatabaseUnavailable"}'): "_x5 0x20",
          other('can_launch{reason="DatabaseUnavailable"}'): "_x5 0x20"}, "10m", [{}],
         "2 replicas cannot reach PostgreSQL."),
    Case("the database is back", "TicklockDatabaseUnavailable",
         {one('can_launch{reason="DatabaseUnavailable"}'): "0x5 stale", one('can_launch{reason=""}'): "_x6 1x20"},
         "10m", NOBODY),
    Case("the gate is closed for another reason", "TicklockDatabaseUnavailable",
         {one('can_launch{reason="Quarantine"}'): "0x20"}, "10m", NOBODY),
    Case("an attempt has started two Jobs", "TicklockDuplicateDetected", {one("duplicates_total"): "0x5 1x20"},
         "8m", [{}], "An attempt has started more than one Job."),
    Case("it was counted before the first reading", "TicklockDuplicateDetected",
         {one("duplicates_total"): "_x5 1x20"}, "8m", [{}], "An attempt has started more than one Job."),
    Case("none has", "TicklockDuplicateDetected",
         {one("duplicates_total"): "0x90", other("duplicates_total"): "_x5 0x90"}, "80m", NOBODY),
    Case("the quarantine lasts", "TicklockQuarantine", {one("quarantine"): "1x20", other("quarantine"): "1x20"},
         "5m", [{}], "Nothing is launched: the database may have lost commits."),
    Case("the quarantine is over within seconds", "TicklockQuarantine", {one("quarantine"): "0 0 1 0 0 0"}, "3m",
         NOBODY),
    Case("the clock has stepped", "TicklockClockStep", {one("clock_step"): "0 1x20"}, "5m", [{}],
         "Nothing is launched: the clock of the database is not believed."),
    Case("the clock is believed again", "TicklockClockStep", {one("clock_step"): "1x5 0x20"}, "10m", NOBODY),
]  # fmt: skip


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
