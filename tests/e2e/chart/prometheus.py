"""A Prometheus of its own that reads the replicas as the chart's ServiceMonitor says, and evaluates its rules."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import yaml

from tools.devcluster.process import Daemon, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.support.chart import Object

INTERVAL = "2s"
SHORTER = 20
"""By what the windows of the second set of rules are divided."""
_LENGTH = re.compile(r"(?<=\[)(\d+)([smh])(?=\])|(?<=offset )(\d+)([smh])\b")
_UNITS = {"s": 1, "m": 60, "h": 3600}


def shortened(rules: Iterable[Object]) -> list[Object]:
    """The same rules with each `for:`, each range and each offset a twentieth as long, and so labelled.

    What they compare, and with what, stays. Only they can show within a test that an alert goes when its window ends.
    """
    return [
        {
            **rule,
            "expr": _LENGTH.sub(lambda found: _divided(found.group(0)), rule["expr"]),
            **({"for": _divided(rule["for"])} if "for" in rule else {}),
            "labels": {**rule["labels"], "windows": "shortened"},
        }
        for rule in rules
    ]


def _divided(length: str) -> str:
    return f"{int(length[:-1]) * _UNITS[length[-1]] // SHORTER}s"


def scraping(monitor: Object, kubeconfig: Path) -> Object:
    """The scrape_config that the Prometheus Operator makes of a ServiceMonitor with one endpoint, as far as it goes."""
    (endpoint,) = monitor["spec"]["endpoints"]
    wanted = monitor["spec"]["selector"]["matchLabels"]
    kept = {f"__meta_kubernetes_service_label_{re.sub(r'[./-]', '_', name)}": value for name, value in wanted.items()}
    kept["__meta_kubernetes_endpointslice_port_name"] = endpoint["port"]
    copied = {"namespace": "namespace", "service_name": "job", "pod_name": "pod"}
    return {
        "job_name": monitor["metadata"]["name"],
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"],
        "kubernetes_sd_configs": [
            {
                "role": "endpointslice",
                "kubeconfig_file": str(kubeconfig),
                "namespaces": {"names": monitor["spec"]["namespaceSelector"]["matchNames"]},
            }
        ],
        "relabel_configs": [
            *({"action": "keep", "source_labels": [name], "regex": value} for name, value in kept.items()),
            *(
                {"source_labels": [f"__meta_kubernetes_{source}"], "target_label": target}
                for source, target in copied.items()
            ),
        ],
    }


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is pending or firing."""

    name: str
    state: str
    shortened: bool
    labels: Mapping[str, str]


class Prometheus:
    """The server. Use it as a context manager."""

    def __init__(self, program: Path, folder: Path, scrape: Object, rules: list[Object]) -> None:
        config = {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [scrape],
        }
        groups = [{"name": "shipped", "rules": rules}, {"name": "shortened", "rules": shortened(rules)}]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/api/v1/"
        argv = [str(program), f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
        self._daemon = Daemon(
            "prometheus", [*argv, f"--web.listen-address=127.0.0.1:{port}"], log=folder / "prometheus.log"
        )

    def __enter__(self) -> Self:
        self._daemon.start()
        wait_until(self._answers, what="Prometheus answers", daemons=[self._daemon], seconds=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def _answers(self) -> bool:
        try:
            self.ask("status/buildinfo")
        except OSError:
            return False
        return True

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its HTTP API."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(self._url + path + query, timeout=10) as answer:  # noqa: S310 - http, our own
            return json.load(answer)["data"]

    def version(self) -> str:
        """Return what it says of its version."""
        return str(self.ask("status/buildinfo")["version"])

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        return list(self.ask("query", query=expression)["result"])

    def rules(self, group: str) -> list[dict[str, Any]]:
        """Return the rules of a group as it has understood them."""
        return next(list(one["rules"]) for one in self.ask("rules")["groups"] if one["name"] == group)

    def targets(self) -> dict[str, str]:
        """Return how each pod that it reads is, by the pod's name."""
        return {one["labels"]["pod"]: one["health"] for one in self.ask("targets", state="active")["activeTargets"]}

    def alerts(self, name: str, labels: Mapping[str, str]) -> list[Alert]:
        """Return the alerts of that name that have these labels, those of the shortened rules too."""
        found = []
        for one in self.ask("alerts")["alerts"]:
            own = dict(one["labels"])
            if own.pop("alertname") == name and labels.items() <= own.items():
                found.append(Alert(name, one["state"], own.pop("windows", "") == "shortened", own))
        return found

    def firing(self, name: str, labels: Mapping[str, str] | None = None, *, shortened: bool = False) -> bool:
        """Whether an alert of that name, from the rules as shipped unless others are asked for, fires."""
        return any(one.state == "firing" and one.shortened is shortened for one in self.alerts(name, labels or {}))
