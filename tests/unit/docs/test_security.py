"""SECURITY.md says what the manifests give: rights, and ports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.unit.docs.pages import ROOT, anchors, tables

PAGE = ROOT / "SECURITY.md"
VALUES = yaml.safe_load((ROOT / "charts" / "ticklock" / "values.yaml").read_text(encoding="utf-8"))
Right = tuple[str, str, str, str]


def granted() -> Iterator[Right]:
    """Each rule of the manifest: role, resource with its group, verbs, and the one object that it is limited to."""
    for one in yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text(encoding="utf-8")):
        for rule in one.get("rules", ()):
            yield from _rule(f"{one['kind']} {one['metadata']['name']}", rule)


def _rule(role: str, rule: dict[str, Any]) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            named = f"{resource}.{group}" if group else resource
            yield role, named, ", ".join(sorted(rule["verbs"])), ", ".join(rule.get("resourceNames", ()))


def test_the_table_of_rights_is_that_of_the_manifest() -> None:
    (told,) = [table for table in tables(PAGE) if table[0][0] == "role"]
    rights = {(role, resource, verbs, only) for role, resource, verbs, only, _ in told[1:]}
    assert rights == set(granted())
    assert len(told) - 1 == len(rights), "no line stands twice"


def test_no_wildcard_and_no_secrets_are_granted() -> None:
    rights = list(granted())
    assert len(rights) > 8
    assert not [one for one in rights if "*" in one[1] + one[2] or one[1].startswith("secrets")]


def test_the_ports_are_those_of_the_chart() -> None:
    (told,) = [table for table in tables(PAGE) if table[0][0] == "who listens"]
    assert [row[1].split()[0] for row in told[1:]] == [str(VALUES["service"]["port"]), "5432"]
    (goes_out,) = re.findall(r"goes out to the API server \((\d+) or (\d+)\), to PostgreSQL \((\d+)", PAGE.read_text())
    assert [*VALUES["networkPolicy"]["apiServerPorts"], VALUES["externalDatabase"]["port"]] == list(map(int, goes_out))


def test_a_vulnerability_can_be_reported() -> None:
    assert "reporting-a-vulnerability" in anchors(PAGE)
    assert "@" not in PAGE.read_text(encoding="utf-8"), "no address was agreed upon that could be given"
