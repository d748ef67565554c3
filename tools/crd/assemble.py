"""Our own part and the published one become one CustomResourceDefinition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tools.crd.schedule_rules import lay_rules
from tools.crd.structural import SchemaError, Structural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.crd.structural import Schema

OWN_SCHEMA = Path(__file__).with_name("own_schema.yaml")
TEMPLATE_TYPE = "io.k8s.api.batch.v1.JobTemplateSpec"
ANNOTATION_LIMIT = 262_144
"""Bytes of all annotations of an object. Client-side `kubectl apply` puts the whole CRD into one."""

_HEADER = "# Made by `python -m tools.crd generate` from an API server's OpenAPI and tools/crd/own_schema.yaml.\n"


class _Dumper(yaml.SafeDumper):
    """Plain YAML: no anchors, which some readers of CRDs do not follow."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  the base class asks about each value
        return True


def assemble(schemas: Mapping[str, Any]) -> Schema:
    """Return the whole CRD: the published jobTemplate with our own part laid over it.

    Raises SchemaError where our part speaks of a field that the published schema does not have.
    """
    crd: Schema = load(OWN_SCHEMA.read_text(encoding="utf-8"))
    properties = spec_properties(crd)
    lay_rules(properties)
    published = Structural(schemas).of(TEMPLATE_TYPE)
    properties["jobTemplate"] = overlay(published, properties["jobTemplate"], at="jobTemplate")
    return crd


def spec_properties(crd: Schema) -> Schema:
    """Return the properties of `spec` of the CRD's one version, to be changed in place."""
    properties: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return properties


def overlay(below: Schema, above: Schema, *, at: str) -> Schema:
    """Return `below` with what `above` says in addition; only facts about fields that exist may be added."""
    result = dict(below)
    for key, value in above.items():
        if key == "properties":
            unknown = value.keys() - below.get("properties", {}).keys()
            if unknown:
                raise SchemaError(f"{at}: the published schema has no field {', '.join(sorted(unknown))}")
            result[key] = below[key] | {
                name: overlay(below[key][name], more, at=f"{at}.{name}") for name, more in value.items()
            }
        elif key == "items":
            result[key] = overlay(below[key], value, at=f"{at}[]")
        elif key == "description":
            result = {key: value, **result}
        else:
            result[key] = value
    return result


def load(text: str) -> Schema:
    """Read one YAML document."""
    document: Schema = yaml.safe_load(text)
    return document


def render(crd: Schema) -> str:
    """Return the file's text. Equal CRDs give equal texts."""
    return _HEADER + yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=118, allow_unicode=True)


def size(crd: Schema) -> int:
    """Return the bytes that client-side `kubectl apply` writes into its annotation."""
    return len(json.dumps(crd, separators=(",", ":"), ensure_ascii=False).encode())
