"""Where the published schemas come from: a file, or a running API server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

OPENAPI_PATH = "/openapi/v3/apis/batch/v1"
"""Where every API server since Kubernetes 1.27 publishes batch/v1 and all that it refers to."""

_TIMEOUT_SECONDS = 30


class SourceError(Exception):
    """The schemas cannot be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """One of the two: a saved document, or the kubeconfig of a cluster to ask."""

    openapi: Path | None = None
    kubeconfig: Path | None = None

    def schemas(self) -> Mapping[str, Any]:
        """Return the published schemas by name, e.g. `io.k8s.api.batch.v1.JobTemplateSpec`.

        Raises SourceError if there is no such document, or it holds no schemas.
        """
        text = self._from_file(self.openapi) if self.openapi else self._from_cluster()
        try:
            schemas: Mapping[str, Any] = json.loads(text)["components"]["schemas"]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"not an OpenAPI v3 document of {OPENAPI_PATH}: {error!r}") from error
        return schemas

    @staticmethod
    def _from_file(path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise SourceError(f"--openapi: {error}") from error

    def _from_cluster(self) -> str:
        if self.kubeconfig is None:
            raise SourceError("give --openapi FILE or --kubeconfig FILE: the schema of jobTemplate is taken from there")
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), "get", "--raw", OPENAPI_PATH]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True)
        except FileNotFoundError as error:
            raise SourceError("kubectl is not on PATH; install it, or give --openapi FILE") from error
        except subprocess.SubprocessError as error:
            detail = getattr(error, "stderr", None) or error
            raise SourceError(f"--kubeconfig {self.kubeconfig}: {detail}") from error
        return done.stdout
