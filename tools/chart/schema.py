"""values.schema.json: the types of the defaults, what comments add, and the product's own settings."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ticklock.settings.model import Settings
from tools.chart.values import Value

OURS = frozenset(
    {
        "context",
        "database_direct_url",
        "database_password",
        "database_password_file",
        "database_url",
        "http_port",
        "kubeconfig",
        "lease_name",
        "lease_namespace",
        "migrate_wait_seconds",
        "pod_name",
        "watch_namespace",
    }
)
"""Settings that the chart gives, so that nobody else should."""

_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_KEPT = ("type", "enum", "minimum", "maximum", "minLength", "description")


def text(values: Sequence[Value]) -> str:
    """Return the schema as JSON. A name that is none of ours is refused, wherever we know the names."""
    root = _closed("Values of the chart ticklock")
    # Helm hands these to every chart, and a chart above this one may use them.
    root["properties"] = {"global": {"type": "object"}}
    for value in values:
        _place(root, value)
    return (
        json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **root}, indent=2, ensure_ascii=False) + "\n"
    )


def _place(root: dict[str, Any], value: Value) -> None:
    node = root
    for name in value.path[:-1]:
        node = node["properties"].setdefault(name, _closed())
    node["properties"][value.path[-1]] = _schema(value)


def _schema(value: Value) -> dict[str, Any]:
    asked = dict(value.asked)
    if asked.pop("$settings", False):
        return {"description": value.meaning, **_settings()}
    return {"description": value.meaning, "type": _TYPES[type(value.default)], **asked}


def _settings() -> dict[str, Any]:
    known = Settings.model_json_schema()["properties"]
    free = {name: {key: one[key] for key in _KEPT if key in one} for name, one in known.items() if name not in OURS}
    return {**_closed(), "properties": free}


def _closed(description: str = "") -> dict[str, Any]:
    told = {"description": description} if description else {}
    return {**told, "type": "object", "additionalProperties": False, "properties": {}}
