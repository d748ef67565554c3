"""The table of fields and checks: whole, true to the marks, and silent about no hole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bad_manifests import CASES, valid_manifest
from tools.docs import fields

if TYPE_CHECKING:
    from pathlib import Path

CRD = """
spec:
  versions:
  - schema: {openAPIV3Schema: {properties: {spec: {properties: {schedule: {}, dst: {}, novel: {}, jobTemplate: {}}}}}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with a field of which nobody has thought yet, and one test."""
    for folder in ("crds", "tests/unit", "examples", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "crds/scheduledjobs.yaml").write_text(CRD)
    for page in fields._HANDBOOK:
        (tmp_path / page).write_text("`dst` says …")
    (tmp_path / "examples/one.yaml").write_text("kind: ScheduledJob\nspec: {dst: {}}")
    return tmp_path


def write(root: Path, marked: str, folder: str = "unit") -> None:
    (root / "tests" / folder).mkdir(exist_ok=True)
    (root / "tests" / folder / "test_one.py").write_text(f"{marked}\ndef test_nights(): ...\n")


def cells(page: str, name: str) -> dict[str, str]:
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.splitlines() if line[:1] == "|"]
    return next(dict(zip(lines[0], line, strict=True)) for line in lines if line[0] == f"`{name}`")


def test_a_mark_is_counted_where_it_belongs(repository: Path) -> None:
    write(repository, '@pytest.mark.field("dst", "schedule", check="semantics")')
    row = cells(fields.page(repository), "dst")
    assert (row["semantics"], row["unit"], row["example"], row["docs"]) == ("1", "1", "1", "4")
    assert (row["schema"], row["validation"], row["cluster"]) == ("**hole**",) * 3
    assert row["metric"] == "·"


def test_two_marks_on_one_test_are_one_test(repository: Path) -> None:
    write(repository, '@pytest.mark.field("dst", check="semantics")\n@pytest.mark.field("dst", check="schema")')
    row = cells(fields.page(repository), "dst")
    assert (row["semantics"], row["schema"], row["unit"]) == ("1", "1", "1")


def test_a_new_field_is_there_with_all_its_holes(repository: Path) -> None:
    page = fields.page(repository)
    assert cells(page, "novel")["unit"] == "**hole**"
    assert "* `novel`: schema, validation, semantics, SIGKILL, docs, example, unit, store, cluster\n" in page


def test_every_hole_of_the_table_is_listed() -> None:
    table, _, rest = fields.page().partition("\n## Holes\n\n")
    listed = rest.partition("\n## ")[0].splitlines()
    for line in table.splitlines():
        if "**hole**" in line and line.startswith("| `"):
            name = line.split(" | ")[0].strip("| `")
            (found,) = [one for one in listed if one.startswith(f"* `{name}`: ")]
            assert len(found.split(": ")[-1].split(", ")) == line.count("**hole**")
    assert "**hole**" in table.replace(fields._HEAD, "") or listed == ["None."]


@pytest.mark.parametrize(
    ("marked", "complaint"),
    [
        pytest.param('@pytest.mark.field("dts", check="schema")', "the CRD does not have: dts", id="a misspelt field"),
        pytest.param('@pytest.mark.field("dst", check="all")', "check= one of schema, validation", id="another check"),
        pytest.param('@pytest.mark.field("dst")', "check= one of", id="no check"),
        pytest.param('@pytest.mark.field(check="schema")', "name fields", id="no field"),
        pytest.param('@pytest.mark.field(NAME, check="schema")', "write names and check as plain", id="a variable"),
    ],
)
def test_a_mark_that_says_nothing_is_named(repository: Path, marked: str, complaint: str) -> None:
    write(repository, marked)
    with pytest.raises(fields.BadMark, match=complaint):
        fields.page(repository)


def test_marks_stand_on_tests_that_are_there() -> None:
    for mark in fields.marks():
        assert mark.test.startswith("test_")
        assert mark.tier in {"unit", "store", "cluster", "engine", "oracle"}


def test_the_table_of_bad_manifests_says_which_fields_the_api_server_refuses() -> None:
    good = valid_manifest()["spec"]
    spoilt = [case.manifest.get("spec", {}) for case in CASES if case.outcome == "refused"]
    refused = {field for spec in spoilt for field in spec if spec[field] != good.get(field)}
    of_it = {mark.field for mark in fields.marks() if mark.test == "test_refused_with_the_field_named"}
    assert of_it == refused - {"jobTemplate"}
