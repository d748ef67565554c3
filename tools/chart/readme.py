"""README.md of the chart: how to begin, and a table of all values."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import yaml

from tools.chart.values import Value
from tools.docs.markdown import code, table

_HEAD = Path(__file__).with_name("readme.md")


def text(values: Sequence[Value], chart: str) -> str:
    """Return the page."""
    description = yaml.safe_load(chart)["description"].replace(" - ", " — ")
    return (
        _HEAD.read_text(encoding="utf-8").replace("@description@", description)
        + "\n".join(_sections(values)).rstrip()
        + "\n"
    )


def _sections(values: Sequence[Value]) -> Iterator[str]:
    for section, members in groupby(values, key=lambda value: value.section):
        rows = [(code(".".join(one.path)), code(_short(one.default)), one.meaning) for one in members]
        yield f"### {section}\n\n{table(('value', 'default', 'meaning'), rows)}"


def _short(default: object) -> str:
    return json.dumps(default, ensure_ascii=False)
