"""What of the chart is made from something else is made from it as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.chart import EXTERNAL, FOLDER, ROOT, Chart
from ticklock.settings.model import Settings
from tools.chart import outputs, schema
from tools.chart.copies import rules_of
from tools.chart.values import documented

VALUES = (FOLDER / "values.yaml").read_text()


def test_everything_is_up_to_date() -> None:
    assert not outputs.outdated(), "run: python -m tools.chart generate"


def test_what_is_missing_or_edited_is_noticed_and_mended(tmp_path: Path) -> None:
    assert len(outputs.outdated(tmp_path)) == len(outputs.made())
    assert len(outputs.generate(tmp_path)) == len(outputs.made())
    crd = tmp_path / outputs.CHART / "files" / "crds" / "scheduledjobs.yaml"
    crd.write_text(crd.read_text() + "# more\n")
    assert outputs.outdated(tmp_path) == [crd.relative_to(tmp_path)]


def test_the_crd_of_the_chart_is_the_one_of_the_repository(chart: Chart) -> None:
    ours = yaml.safe_load((ROOT / "crds" / "scheduledjobs.yaml").read_text())
    rendered = chart.render(EXTERNAL).one("CustomResourceDefinition")
    assert rendered["metadata"]["name"] == ours["metadata"]["name"]
    assert {**rendered, "metadata": None} == {**ours, "metadata": None}


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        pytest.param("ticklock-controller", "ClusterRole", id="controller"),
        pytest.param("ticklock-strict-pods", "ClusterRole", id="strict pods"),
        pytest.param("ticklock-leader", "Role", id="leader"),
    ],
)
def test_the_rules_of_the_chart_are_those_of_the_manifest(chart: Chart, role: str, kind: str) -> None:
    manifest = list(yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))
    (wanted,) = [one for one in manifest if (one["kind"], one["metadata"]["name"]) == (kind, role)]
    assert chart.render(EXTERNAL).one(kind, role)["rules"] == wanted["rules"]


def test_a_role_of_another_name_is_no_role_of_ours() -> None:
    with pytest.raises(ValueError, match="does not begin with ticklock-"):
        rules_of("kind: Role\nmetadata:\n  name: other\nrules:\n  - verbs: [get]\n")


def test_a_value_that_nothing_describes_is_noticed() -> None:
    assert [value.path for value in documented("# -- A.\na: {b: 1}\n")] == [("a",)]
    with pytest.raises(ValueError, match=r"nothing describes c, d\.e"):
        documented("# -- A.\na: 1\nc: 2\nd:\n  # only a remark\n  e: 3\n")


def test_a_description_goes_on_over_lines_and_is_not_taken_for_that_of_the_next_value() -> None:
    text = '# == Part\n\n# -- A\n# b.\n# @schema {"minimum": 1}\na: 1\nc:\n  # -- C.\n  d: 2\n'
    first, second = documented(text)
    assert (first.section, first.meaning, first.asked) == ("Part", "A b.", {"minimum": 1})
    assert (second.path, second.meaning, second.default) == (("c", "d"), "C.", 2)


def test_every_setting_is_known_or_given_by_the_chart() -> None:
    known = json.loads((FOLDER / "values.schema.json").read_text())["properties"]["settings"]["properties"]
    assert known.keys() | schema.OURS >= Settings.model_fields.keys()
    assert not known.keys() & schema.OURS


def test_every_value_is_used_by_a_template() -> None:
    templates = "".join(path.read_text() for path in (FOLDER / "templates").rglob("*") if path.is_file())
    unused = [value.path for value in documented(VALUES) if not re.search(rf"\.{value.path[-1]}\b", templates)]
    assert unused == []
