"""The chart, rendered by Helm as it stands in the repository."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.chart.outputs import CHART, ROOT

__all__ = ["EXTERNAL", "FOLDER", "HOME", "RELEASE", "ROOT", "Chart", "Object", "RefusedError", "Rendered", "Values"]

FOLDER = ROOT / CHART
HOME = "ticklock-system"
RELEASE = "ticklock"

_RENDERED: dict[tuple[str, ...], Rendered] = {}
# the CRD has thousands of lines
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Object = dict[str, Any]
Values = Mapping[str, Any]

EXTERNAL: Values = {
    "postgresql": {"enabled": False},
    "externalDatabase": {"host": "db.example.com", "existingSecret": "database"},
}
"""A database of the user's own, in the fewest words."""


class RefusedError(Exception):
    """Helm does not render these values; the message is Helm's."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What Helm makes of values."""

    objects: Sequence[Object]

    def all(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Object:
        """The object of that kind (and name), of which there must be exactly one."""
        found = [one for one in self.all(kind) if name in {None, one["metadata"]["name"]}]
        assert len(found) == 1, f"{kind} {name or ''}: {[one['metadata']['name'] for one in self.all(kind)]}"
        return found[0]

    def has(self, kind: str, name: str | None = None) -> bool:
        return any(name in {None, one["metadata"]["name"]} for one in self.all(kind))

    @property
    def names(self) -> set[str]:
        """Each object as Kind/name."""
        return {f"{one['kind']}/{one['metadata']['name']}" for one in self.objects}

    def pods(self) -> Iterator[tuple[str, Object]]:
        """The spec of each pod that comes of the release, with what it belongs to."""
        for one in self.objects:
            if one["kind"] == "Pod":
                yield f"Pod/{one['metadata']['name']}", one["spec"]
            elif template := one.get("spec", {}).get("template", {}).get("spec"):
                yield f"{one['kind']}/{one['metadata']['name']}", template

    def replica(self) -> Object:
        """The spec of a replica's pod."""
        return dict(self.one("Deployment")["spec"]["template"]["spec"])

    def container(self, name: str = "controller") -> Object:
        spec = self.replica()
        return next(dict(one) for one in [*spec["containers"], *spec.get("initContainers", ())] if one["name"] == name)

    def env(self, name: str = "controller") -> dict[str, Any]:
        """Its variables: the value, or where it comes from."""
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in self.container(name)["env"]}


@dataclass(frozen=True, slots=True)
class Chart:
    """Helm, and the chart of this repository."""

    helm: Path

    def render(
        self, values: Values | None = None, *, release: str = RELEASE, namespace: str = HOME, kubernetes: str = ""
    ) -> Rendered:
        """Render it without a cluster, for another version of Kubernetes if given. Raises RefusedError.

        The same values give the same objects, which are not to be changed; but for what is made by chance: that of the
        defaults is made anew each time.
        """
        version = ("--kube-version", kubernetes) if kubernetes else ()
        arguments = ("template", release, str(FOLDER), "--namespace", namespace, "--values", "-", *version)
        if not values:
            return self._render(arguments, None)
        key = (*arguments, json.dumps(values, sort_keys=True))
        if key not in _RENDERED:
            _RENDERED[key] = self._render(arguments, values)
        return _RENDERED[key]

    def _render(self, arguments: Sequence[str], values: Values | None) -> Rendered:
        return Rendered([one for one in yaml.load_all(self.run(*arguments, values=values), _LOADER) if one])

    def run(self, *arguments: str, values: Values | None = None, kubeconfig: Path | None = None) -> str:
        """Run Helm; `--values -` reads the values. Raises RefusedError."""
        done = subprocess.run(
            [self.helm, *arguments],
            input=yaml.safe_dump(dict(values or {})),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KUBECONFIG": str(kubeconfig) if kubeconfig else "/dev/null"},
        )
        if done.returncode:
            raise RefusedError(done.stderr.strip())
        return done.stdout
