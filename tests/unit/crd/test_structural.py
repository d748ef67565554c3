"""From a published schema to a structural one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tools.crd.structural import META_FIELDS, SchemaError, Structural

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
STRING = {"type": "string", "description": "words", "default": ""}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def convert(root: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return Structural({"Root": root, **others}).of("Root")


def keyed(item: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def test_descriptions_defaults_and_enumerations_are_left_out() -> None:
    root = {"type": "object", "description": "d", "properties": {"a": STRING | {"enum": ["x"]}}}
    assert convert(root) == OPEN | {"properties": {"a": {"type": "string"}}}


def test_references_are_resolved_alone_or_beside_a_default() -> None:
    root = {"type": "object", "properties": {"a": reference("S"), "b": {"allOf": [reference("S")], "default": {}}}}
    assert convert(root, S=STRING)["properties"] == {"a": {"type": "string"}, "b": {"type": "string"}}


def test_required_fields_formats_and_kinds_of_maps_stay() -> None:
    root = {
        "type": "object",
        "required": ["b", "a"],
        "x-kubernetes-map-type": "atomic",
        "properties": {"a": {"type": "integer", "format": "int32"}, "b": STRING},
    }
    converted = convert(root)
    assert converted["required"] == ["a", "b"]
    assert converted["x-kubernetes-map-type"] == "atomic"
    assert converted["properties"]["a"] == {"type": "integer", "format": "int32"}


def test_what_clients_alone_use_is_left_out() -> None:
    root = {"type": "object", "x-kubernetes-group-version-kind": [], "properties": {"a": STRING}}
    root["properties"] = {"a": STRING | {"x-kubernetes-patch-merge-key": "name"}}
    assert convert(root) == OPEN | {"properties": {"a": {"type": "string"}}}


def test_objects_keep_what_they_do_not_know_and_maps_do_not_need_to() -> None:
    root = {
        "type": "object",
        "properties": {"inner": {"type": "object"}, "map": {"type": "object", "additionalProperties": STRING}},
    }
    converted = convert(root)["properties"]
    assert converted == {"inner": OPEN, "map": {"type": "object", "additionalProperties": {"type": "string"}}}


def test_a_list_keeps_its_keys() -> None:
    item = {"type": "object", "required": ["name"], "properties": {"name": STRING}}
    converted = convert({"type": "object", "properties": {"volumes": keyed(item, "name")}})["properties"]["volumes"]
    assert (converted["x-kubernetes-list-type"], converted["x-kubernetes-list-map-keys"]) == ("map", ["name"])


def test_a_key_that_may_be_left_out_keeps_its_default() -> None:
    item = {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}, "b": STRING}}
    root = {"type": "object", "properties": {"endpoints": keyed(reference("Item"), "protocol")}}
    converted = convert(root, Item=item)["properties"]["endpoints"]
    assert converted["items"]["properties"] == {
        "protocol": {"type": "string", "default": "TCP"},
        "b": {"type": "string"},
    }


def test_a_list_in_which_kubernetes_bears_repeats_is_merged_as_a_whole() -> None:
    item = {"type": "object", "required": ["name"], "properties": {"name": STRING}}
    converted = convert({"type": "object", "properties": {"env": keyed(item, "name")}})["properties"]["env"]
    assert converted["x-kubernetes-list-type"] == "atomic"
    assert "x-kubernetes-list-map-keys" not in converted


def test_metadata_of_a_template_has_the_fields_that_manifests_write() -> None:
    known = dict.fromkeys((*META_FIELDS, "managedFields", "uid"), STRING)
    root = {"type": "object", "properties": {"metadata": reference(META)}}
    converted = Structural({"Root": root, META: {"type": "object", "properties": known}}).of("Root")
    metadata = converted["properties"]["metadata"]
    assert tuple(metadata["properties"]) == META_FIELDS
    assert metadata["properties"]["creationTimestamp"]["nullable"] is True


@pytest.mark.parametrize(
    "text", ["1", "0.5", ".5", "5.", "+1", "-1", "500m", "1Ki", "1.5Gi", "1e6", "1E3", "1E", "12e-3"]
)
def test_a_quantity_in_text_is_taken(text: str) -> None:
    assert re.search(convert(reference(QUANTITY))["pattern"], text)


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "1GB", "1kB", "1mi", "1e", "Mi", "--1"])
def test_a_quantity_that_is_none_is_not(text: str) -> None:
    assert not re.search(convert(reference(QUANTITY))["pattern"], text)


def test_a_type_that_contains_itself_is_named() -> None:
    root = {"type": "object", "properties": {"child": reference("Root")}}
    with pytest.raises(SchemaError, match="Root contains itself"):
        convert(root)


def test_a_type_that_is_missing_is_named() -> None:
    with pytest.raises(SchemaError, match="no schema Elsewhere"):
        convert({"type": "object", "properties": {"a": reference("Elsewhere")}})


def test_a_key_without_default_that_may_be_left_out_is_named() -> None:
    item = {"type": "object", "properties": {"name": STRING}}
    with pytest.raises(SchemaError, match="key name"):
        convert({"type": "object", "properties": {"volumes": keyed(item, "name")}})
