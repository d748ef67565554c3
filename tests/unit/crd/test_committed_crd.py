"""The committed CustomResourceDefinition, as far as it can be judged without an API server."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tools.crd.__main__ import DEFAULT_OUTPUT, main
from tools.crd.assemble import ANNOTATION_LIMIT, OWN_SCHEMA, load, overlay, render, size, spec_properties
from tools.crd.schedule_rules import lay_rules, schedule_rules
from tools.crd.structural import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AIM = 200_000


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return load(DEFAULT_OUTPUT.read_text())


def inside(schema: dict[str, Any], path: str = "jobTemplate") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema below this one with the path to it."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from inside(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from inside(schema[key], f"{path}[]")


def test_kubectl_apply_has_room_for_it(committed: dict[str, Any]) -> None:
    assert size(committed) < AIM < ANNOTATION_LIMIT


def test_our_own_part_is_up_to_date(committed: dict[str, Any]) -> None:
    own = load(OWN_SCHEMA.read_text())
    lay_rules(spec_properties(own))
    published = spec_properties(committed)["jobTemplate"]
    # laying our part over it once more changes nothing
    spec_properties(own)["jobTemplate"] = overlay(published, spec_properties(own)["jobTemplate"], at="jobTemplate")
    assert own == committed


def test_nobody_edited_the_file_by_hand(committed: dict[str, Any]) -> None:
    assert DEFAULT_OUTPUT.read_text() == render(committed)


def test_the_template_carries_no_descriptions_but_our_few(committed: dict[str, Any]) -> None:
    described = [path for path, schema in inside(spec_properties(committed)["jobTemplate"]) if "description" in schema]
    assert described == [
        "jobTemplate",
        "jobTemplate.metadata",
        "jobTemplate.spec",
        "jobTemplate.spec.template",
    ]


def test_the_template_sets_no_defaults(committed: dict[str, Any]) -> None:
    """A default in the template would make two Jobs of one manifest: ours, and the CronJob's."""
    assert [path for path, schema in inside(spec_properties(committed)["jobTemplate"]) if "default" in schema] == []


def test_no_field_of_a_later_version_is_there_yet(committed: dict[str, Any]) -> None:
    assert set(spec_properties(committed)) == {
        "schedule",
        "schedules",
        "everySeconds",
        "startAt",
        "endAt",
        "exclude",
        "dst",
        "jitterSeconds",
        "timeZone",
        "suspend",
        "concurrencyPolicy",
        "startingDeadlineSeconds",
        "catchUp",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
        "jobTemplate",
        "queueName",
        "priority",
        "launchPolicy",
    }


def test_every_rule_has_a_message_of_its_own(committed: dict[str, Any]) -> None:
    root = committed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    rules = [rule for _, schema in inside(root) for rule in schema.get("x-kubernetes-validations", ())]
    messages = [rule["message"] for rule in rules]
    assert len(set(messages)) == len(messages) > 3 * len(schedule_rules())


def test_an_overlay_may_only_speak_of_fields_that_exist() -> None:
    below = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"known": {"type": "string"}}}}}
    above = {"properties": {"spec": {"properties": {"renamed": {"maxLength": 1}}}}}
    with pytest.raises(SchemaError, match=r"jobTemplate\.spec: the published schema has no field renamed"):
        overlay(deepcopy(below), above, at="jobTemplate")


def test_a_document_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "openapi.json"
    wrong.write_text("{}")
    assert main(["check", "--openapi", str(wrong)]) == 2
    assert "not an OpenAPI v3 document" in capsys.readouterr().err


def test_a_missing_document_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--openapi", str(tmp_path / "absent.json")]) == 2
    assert "--openapi" in capsys.readouterr().err
