"""What the pages say to Helm, said to Helm: commands, flags, values."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.chart import EXTERNAL, FOLDER, ROOT, Chart, RefusedError, Values
from tests.unit.docs.pages import WITH_THE_CHARTS, invocations, name, values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_OF_TWO_WORDS = {"get", "show", "repo", "registry", "dependency", "plugin", "search"}

# `helm --wait` and the like name a flag, not a command
CALLS = [
    (name(page), call)
    for page in WITH_THE_CHARTS
    for call in invocations(page, "helm")
    if call and not call[0].startswith("-")
]
EACH_CALL = [pytest.param(call, id=f"{page}: helm {' '.join(call)}"[:110]) for page, call in CALLS]
RENDERING = [
    pytest.param(call, id=f"{page}: helm {' '.join(call)}"[:110])
    for page, call in CALLS
    if any(token.startswith(("--set", "--show-only")) for token in call)
]
GIVEN = [
    pytest.param(one, id=f"{name(page)}, {number}")
    for page in WITH_THE_CHARTS
    for number, one in enumerate(values(page), 1)
]


@cache
def helps(helm: Path, command: Sequence[str]) -> str:
    done = subprocess.run([helm, *command, "--help"], capture_output=True, text=True, check=True)
    assert f"helm {' '.join(command)}" in done.stdout, "of an unknown command Helm prints its own help"
    return done.stdout


def test_many_calls_and_values_are_found() -> None:
    assert len(CALLS) > 20
    assert len(GIVEN) > 6


@pytest.mark.parametrize("call", EACH_CALL)
def test_helm_has_the_command_and_its_flags(helm: Path, call: list[str]) -> None:
    command = tuple(call[: 2 if call[0] in _OF_TWO_WORDS else 1])
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", helps(helm, command)))
    assert {token.partition("=")[0] for token in call if token.startswith("-") and token != "-"} <= known


@pytest.mark.parametrize("call", RENDERING)
def test_what_is_set_and_shown_is_taken(chart: Chart, call: list[str]) -> None:
    """Rendered alone, with the flags that say what: it needs no cluster."""
    kept = [
        token
        for before, token in pairwise(call)
        if token.startswith("--show-only=") or token == "--set" or before == "--set"
    ]
    assert "kind:" in chart.run("template", "ticklock", str(FOLDER), *kept)


@pytest.mark.parametrize("given", GIVEN)
def test_the_chart_takes_the_values(chart: Chart, given: Values) -> None:
    """The schema refuses what it does not know, the templates what contradicts itself."""
    database = {} if "externalDatabase" in given else EXTERNAL
    assert chart.render({**database, **given}).has("Deployment")


def test_a_value_that_the_chart_does_not_have_would_be_refused(chart: Chart) -> None:
    with pytest.raises(RefusedError, match="replicaCounts"):
        chart.render({**EXTERNAL, "replicaCounts": 2})


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        pytest.param("Deployment", "deployment/(\\S+)", id="the Deployment"),
        pytest.param("StatefulSet", "statefulset/(\\S+)", id="the StatefulSet of PostgreSQL"),
        pytest.param("Secret", "delete secret (\\S+)", id="the Secret that stays"),
        pytest.param("Container", "--container (\\S+)", id="the container whose log is shown"),
        pytest.param("Component", "app.kubernetes.io/component=(\\S+)", id="the label of the replicas"),
        pytest.param("Claim", "persistentvolumeclaim (\\S+)", id="the volume that stays"),
    ],
)
def test_what_commands_name_is_what_the_chart_makes(chart: Chart, kind: str, told: str) -> None:
    """Of a release called ticklock, as all pages say."""
    calls = [" ".join(call) for page in WITH_THE_CHARTS for call in invocations(page, "kubectl")]
    named = {name_ for call in calls for name_ in re.findall(told, call)}
    assert named
    assert named <= made(chart, kind)


def made(chart: Chart, kind: str) -> set[str]:
    found = chart.render()
    match kind:
        case "Container":
            return {one["name"] for one in found.replica()["initContainers"]}
        case "Component":
            return {found.one("Deployment")["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]}
        case "Claim":
            server = found.one("StatefulSet")
            (claim,) = server["spec"]["volumeClaimTemplates"]
            return {f"{claim['metadata']['name']}-{server['metadata']['name']}-0"}
        case _:
            return {one["metadata"]["name"] for one in found.all(kind)}


def test_the_rules_as_a_file_are_what_prometheus_takes(chart: Chart, promtool: Path, tmp_path: Path) -> None:
    page = ROOT / "docs" / "howto" / "monitoring.md"
    (call,) = [call for call in invocations(page, "helm") if call[0] == "template"]
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(yaml.safe_load(chart.run(*call[:2], str(FOLDER), *call[3:]))["spec"]))
    done = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SUCCESS: 12 rules found" in done.stdout


def test_the_chart_lies_where_the_commands_say() -> None:
    named = {token for _, call in CALLS for token in call if token.startswith("charts/")}
    assert named == {"charts/ticklock"}
    assert (ROOT / "charts" / "ticklock" / "Chart.yaml").exists()
