"""From a published OpenAPI schema to a structural one, as a CustomResourceDefinition wants it.

Promise: whatever the API server takes as this type, and stores, the result accepts and keeps, fields of newer
releases included. No promise that it refuses all that the API server refuses: enumerations and defaults are left out
on purpose (a newer release may know more values; defaults are given to the Job, at its own creation).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Schema = dict[str, Any]

_REF_PREFIX = "#/components/schemas/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_KEPT = ("type", "format", "x-kubernetes-map-type")
_ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}

META_FIELDS = ("annotations", "creationTimestamp", "finalizers", "generateName", "labels", "name", "namespace")
"""What a template's metadata may hold. kubectl writes `creationTimestamp: null` into what it prints."""

MERGED_LISTS_WITH_REPEATS = frozenset({"env", "hostAliases", "imagePullSecrets", "ports"})
"""Lists with keys in which the API server bears a key twice, with a warning only (`X: $(X):more` is even useful).

As maps they would be refused, and a CronJob's manifest with them; so they are lists merged as a whole.
"""

_QUANTITY: Mapping[str, Any] = {
    # "500m", 2 and 0.5 are all quantities. No structural type is `string or number` (int-or-string refuses 0.5):
    # so no type at all, a pattern for the strings, and two contradictions that no list and no mapping can meet.
    **_ANYTHING,
    "pattern": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(m|k|[numKMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
    "maxItems": 0,
    "minProperties": 1,
    "maxProperties": 0,
}

_REPLACED: Mapping[str, Mapping[str, Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"x-kubernetes-int-or-string": True},
    # A template never has them: the list must be empty, its items need no description.
    "io.k8s.api.core.v1.EphemeralContainer": {"type": "object", **_ANYTHING},
}


class SchemaError(Exception):
    """The published schema has something this generator does not know how to carry over."""


@dataclass(frozen=True, slots=True)
class Structural:
    """Converts the types of one OpenAPI document."""

    schemas: Mapping[str, Any]
    _open: list[str] = field(default_factory=list)

    def of(self, name: str) -> Schema:
        """Return the structural schema of a published type, all references resolved.

        Raises SchemaError for an unknown type or one that contains itself.
        """
        if name in _REPLACED:
            return dict(_REPLACED[name])
        if name not in self.schemas:
            raise SchemaError(f"the document has no schema {name}")
        if name in self._open:
            raise SchemaError(f"{name} contains itself; a structural schema cannot say that")
        self._open.append(name)
        try:
            return self._metadata() if name == _META else self._convert(self.schemas[name])
        finally:
            self._open.pop()

    def _convert(self, schema: Mapping[str, Any]) -> Schema:
        reference = _reference(schema)
        if reference is not None:
            # facts beside the reference, such as the type of a map, belong to the place
            return self.of(reference) | _kept(schema)
        result = _kept(schema)
        match schema.get("type"):
            case "object":
                result |= self._object(schema)
            case "array":
                result |= {"items": self._convert(schema["items"])}
            case None:
                raise SchemaError(f"neither type nor reference: {dict(schema)}")
        return result

    def _object(self, schema: Mapping[str, Any]) -> Schema:
        if "additionalProperties" in schema:
            return {"additionalProperties": self._convert(schema["additionalProperties"])}
        properties = {
            name: self._property(name, published) for name, published in sorted(schema.get("properties", {}).items())
        }
        # beside the known fields, and below them again: a newer release adds fields at every level
        result: Schema = dict(_ANYTHING)
        if properties:
            result["properties"] = properties
        if "required" in schema:
            result["required"] = sorted(schema["required"])
        return result

    def _property(self, name: str, published: Mapping[str, Any]) -> Schema:
        result = self._convert(published)
        kind = published.get("x-kubernetes-list-type")
        if kind is None:
            return result
        if kind != "map":
            return result | {"x-kubernetes-list-type": kind}
        if name in MERGED_LISTS_WITH_REPEATS or "properties" not in result["items"]:
            return result | {"x-kubernetes-list-type": "atomic"}
        keys = list(published["x-kubernetes-list-map-keys"])
        self._default_keys(keys, result["items"], published["items"])
        return result | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}

    def _default_keys(self, keys: list[str], items: Schema, published: Mapping[str, Any]) -> None:
        """Keep the defaults of keys that may be left out: the API server demands one or the other."""
        source = self.schemas.get(_reference(published) or "", published)
        for key in keys:
            if key in items.get("required", ()):
                continue
            default = source["properties"][key].get("default")
            if not default:
                raise SchemaError(f"the list's key {key} is neither required nor has it a default")
            items["properties"][key]["default"] = default

    def _metadata(self) -> Schema:
        known = self.schemas[_META]["properties"]
        properties = {name: self._convert(known[name]) for name in META_FIELDS}
        properties["creationTimestamp"]["nullable"] = True
        return {"type": "object", "properties": properties}


def _reference(schema: Mapping[str, Any]) -> str | None:
    """Return the name a schema refers to: `$ref`, or `allOf` with a single one (how a default gets beside it)."""
    alone = schema.get("allOf", ())
    target = schema.get("$ref") or (alone[0].get("$ref") if len(alone) == 1 else None)
    return None if target is None else str(target).removeprefix(_REF_PREFIX)


def _kept(schema: Mapping[str, Any]) -> Schema:
    return {key: schema[key] for key in _KEPT if key in schema}
