"""What the chart's alerts and dashboard ask Prometheus for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.chart import FOLDER

SELECTOR = re.compile(r"\b((?:ticklock|process)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')

VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$job": "ticklock", "$namespace": ".*"}


def dashboard() -> dict[str, Any]:
    return dict(json.loads((FOLDER / "files" / "dashboards" / "ticklock.json").read_text()))


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def of_the_dashboard() -> Iterator[tuple[str, str]]:
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            yield f"dashboard: {panel['title']} {target['refId']}", query


def of_the_alerts() -> Iterator[tuple[str, str]]:
    text = (FOLDER / "files" / "alerts.yaml").read_text().replace("@selector@", 'job="ticklock"')
    text = re.sub(r"@runbooks@", "", re.sub(r"@(late|running|intervals|grace)@", "60", text))
    for rule in yaml.safe_load(text)["rules"]:
        yield f"alert: {rule['alert']}", rule["expr"]


def every() -> Iterator[tuple[str, str]]:
    """Each query by where it stands."""
    yield from of_the_alerts()
    yield from of_the_dashboard()
