"""The table of differences from CronJob names tests that there are."""

from __future__ import annotations

import ast
import re

import pytest

from tests.unit.docs.pages import ROOT, tables

ROWS = [row for table in tables(ROOT / "docs" / "cronjob-differences.md") for row in table[1:]]
NOT_YET = "—"
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_nearly_every_difference_is_held_by_a_test() -> None:
    assert len(ROWS) > 20
    assert sum(row[-1] == NOT_YET for row in ROWS) < len(ROWS) / 5


@pytest.mark.parametrize("row", [row for row in ROWS if row[-1] != NOT_YET], ids=lambda row: row[1][:60])
def test_its_test_exists(row: list[str]) -> None:
    named = _TEST.fullmatch(row[-1])
    assert named is not None, f"{row[-1]} is no `path::test`"
    path, function = named.groups()
    module = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    assert function in {
        node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
