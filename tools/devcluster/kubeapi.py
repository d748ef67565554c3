"""A plain client of one API server for tools and tests: a request is a method, a path and a dict."""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.devcluster.pki import Pair

_MERGE_PATCH = "application/merge-patch+json"
_IDLE_SECONDS = 60
"""An API server closes a connection that was idle for 90 s, and we would notice only by a request that fails."""


class ApiError(RuntimeError):
    """The API server refused; `status` is the HTTP code, `body` its Status object (empty if it sent none)."""

    def __init__(self, status: int, body: dict[str, Any], what: str) -> None:
        super().__init__(f"{what}: {status} {body.get('message', '')}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a server is and how to speak to it: by a client certificate or by a bearer token."""

    server: str
    authority: Path
    client: Pair | None = None
    token: str | None = None

    def kubeconfig(self) -> str:
        """Return it as a kubeconfig (which is YAML, hence JSON will do). It carries the credentials as paths."""
        user: dict[str, str] = {"token": self.token} if self.token is not None else {}
        if self.client is not None:
            user |= {"client-certificate": str(self.client.certificate), "client-key": str(self.client.key)}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "dev", "cluster": {"server": self.server, "certificate-authority": str(self.authority)}}
                ],
                "users": [{"name": "user", "user": user}],
                "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "user", "namespace": "default"}}],
                "current-context": "dev",
            },
            indent=1,
        )


class KubeApi:
    """Blocking requests over one connection per thread. Trusts nothing but the cluster's own CA."""

    def __init__(
        self, credentials: Credentials, *, timeout: float = 30, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        address = urlsplit(credentials.server)
        self._host, self._port = address.hostname or "", address.port
        self._timeout = timeout
        self._context = ssl.create_default_context(cafile=str(credentials.authority))
        if credentials.client is not None:
            self._context.load_cert_chain(credentials.client.certificate, credentials.client.key)
        self.credentials = credentials
        self._headers = {"Authorization": f"Bearer {credentials.token}"} if credentials.token is not None else {}
        self._local = threading.local()
        self._open: list[http.client.HTTPSConnection] = []

    def get(self, path: str) -> dict[str, Any]:
        """GET an object or a list. Raises ApiError."""
        return self.request("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object, or send what a subresource wants. Raises ApiError."""
        return self.request("POST", path, body)

    def merge_patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge-PATCH an object. Raises ApiError."""
        return self.request("PATCH", path, body, content_type=_MERGE_PATCH)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """DELETE an object, with options if given. Raises ApiError."""
        return self.request("DELETE", path, body)

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Send one request and return the answer. Raises ApiError, or OSError where nobody answers."""
        status, content = self._send(method, path, None if body is None else json.dumps(body), content_type)
        answer: Any = json.loads(content) if content[:1] == b"{" else {"message": content.decode(errors="replace")}
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiError(status, answer, f"{method} {path}")
        return dict(answer)

    def _send(self, method: str, path: str, body: str | None, content_type: str) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request(method, path, body, {**self._headers, "Content-Type": content_type})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as problem:
            connection.close()  # the next request on it connects again
            raise OSError(f"{method} {path}: {problem!r}") from problem

    def _connection(self) -> http.client.HTTPSConnection:
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._context
            )
            self._local.connection = connection
            self._open.append(connection)
        elif self._monotonic() - self._local.used_at > _IDLE_SECONDS:
            connection.close()  # the request opens it anew
        self._local.used_at = self._monotonic()
        return connection

    def close(self) -> None:
        """Close the connections of all threads; the next request opens another."""
        for connection in self._open:
            connection.close()
