"""The page of ScheduledJob, from the CustomResourceDefinition: what is ours in it, not what a Job has anyway."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tools.docs.markdown import code, table

CRD = Path(__file__).parents[2] / "crds" / "scheduledjobs.yaml"

_HEAD = """\
# ScheduledJob

`{api}`, kind `{kind}`, short name `{short}`. The spec is that of a CronJob with a few fields more;
[what differs](../cronjob-differences.md), and [what says when to run](../timetables.md), is told elsewhere. The fields
of a Job are left out here: `kubectl explain job.spec` has them.

`kubectl explain {short}.spec` says the same as this page, with the version that your cluster has.

"""
_ANNOTATION = """
## Annotation

| annotation | meaning |
| --- | --- |
| `ticklock.dev/trigger` | Each new value, of at most 128 characters, starts one run. |
"""
_STATUS = """
## Status

Nobody but the replicas writes it. [Reasons](reasons.md) are those of conditions, Events, metrics and logs.

"""
_RULES = """
## What is refused, in these words

By the API server, when the object is written. What only the controller can know (a day that never comes, an unknown
zone) becomes `Ready=False` with a reason.

"""
_THE_USERS = "jobTemplate"
"""Below it stands the schema of a Job, without descriptions but for a few of ours."""

Schema = Mapping[str, Any]


def page() -> str:
    """Return the page."""
    crd = yaml.load(CRD.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    parts = {part: schema["properties"][part] for part in ("spec", "status")}
    head = _HEAD.format(
        api=f"{crd['spec']['group']}/{version['name']}", kind=names["kind"], short=names["shortNames"][0]
    )
    return (
        head
        + "## Spec\n\n"
        + _fields(parts["spec"])
        + _ANNOTATION
        + _STATUS
        + _fields(parts["status"])
        + _columns(version["additionalPrinterColumns"])
        + _RULES
        + table(
            ("field", "message"), ((code(at) if at else "the object", _text(told)) for at, told in rules(schema, ""))
        )
    )


# ---------------------------------------------------------------------------------------------------------- the fields


def _fields(part: Schema) -> str:
    required = set(part.get("required", ()))
    rows = (
        (code(at), _type(field), _default(at, field, required), _text(field.get("description", "—")), _limits(field))
        for at, field in fields(part, "")
    )
    return table(("field", "type", "default", "meaning", "limits"), rows)


def fields(schema: Schema, at: str) -> Iterator[tuple[str, Schema]]:
    """Yield each field below a schema with its path, parents first; of a Job's only those that are described."""
    for name, field in schema.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        inside = path.startswith(f"{_THE_USERS}.")
        if inside and "description" not in field:
            continue
        yield path, field
        yield from fields(field, path)
        yield from fields(field.get("items", {}), f"{path}[]")


def _type(field: Schema) -> str:
    match field.get("type"):
        case "array":
            return f"list of {field['items']['type']}s"
        case "string" if field.get("format") == "date-time":
            return "time"
        case str(name):
            return name
        case _:
            return "any"


def _default(at: str, field: Schema, required: set[str]) -> str:
    if at in required:
        return "required"
    default = field.get("default")
    return "—" if default is None else code(str(default).lower() if isinstance(default, bool) else str(default))


def _limits(field: Schema) -> str:
    found = [
        *([", ".join(map(str, field["enum"]))] if "enum" in field else []),
        *_range(field.get("minimum"), field.get("maximum"), ""),
        *_range(field.get("minLength"), field.get("maxLength"), " characters"),
        *_range(field.get("minItems"), field.get("maxItems"), " items"),
        *(f"each {one}" for one in _range(None, field.get("items", {}).get("maxLength"), " characters")),
    ]
    return "; ".join(found) or "—"


def _range(low: int | None, high: int | None, of: str) -> list[str]:
    match low, high:
        case None, None:
            return []
        case None, _:
            return [f"at most {high}{of}"]
        case _, None:
            return [f"at least {low}{of}"]
        case _:
            return [f"{low} to {high}{of}"]


def _columns(columns: Sequence[Schema]) -> str:
    """Name what kubectl prints of an object."""
    usual = [one["name"] for one in columns if not one.get("priority")]
    wide = [one["name"] for one in columns if one.get("priority")]
    return f"\n`kubectl get sjob` prints {', '.join(usual)}; with `-o wide` also {', '.join(wide)}.\n"


# ----------------------------------------------------------------------------------------------------------- the rules


def rules(schema: Schema, at: str) -> Iterator[tuple[str, str]]:
    """Yield each rule of a schema and what lies below it: the field, and what is said where it does not hold."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield (at + rule.get("fieldPath", "")).lstrip("."), rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from rules(field, f"{at}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from rules(schema["items"], f"{at}[]")


def _text(text: str) -> str:
    """Return a description as Markdown: a star in it is one, and lines that are folded are one line."""
    return re.sub(r"(?<!\\)([*<])", r"\\\1", " ".join(text.split()))
