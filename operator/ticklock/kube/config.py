"""How to reach the API server: as a pod by its ServiceAccount, or elsewhere by a kubeconfig.

In a pod nothing but the mounted files is read. A kubeconfig is read by the `kubernetes` package, which is imported only
then: it costs a second and 20 MB.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ticklock.domain.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REREAD_SECONDS = 60.0
"""Tokens are rotated in their file; client-go rereads as often."""


class Credentials(Protocol):
    """Where the Authorization header comes from."""

    def authorization(self, now: float) -> str | None:
        """Return the header's value; `now` is any monotonic time in seconds."""

    def refused(self) -> None:
        """Read anew before the next use: the API server answered 401."""


@dataclass(frozen=True, slots=True)
class Access:
    """A server, how to trust it, and how to be known to it."""

    server: str
    tls: ssl.SSLContext | None
    """None for plain HTTP."""
    credentials: Credentials
    server_name: str | None = None
    """Name to expect in the certificate, where it is not the server's host."""


class Rereading:
    """Credentials that are read again every minute, and after a 401.

    What was read last goes on being used while reading fails: a token outlives its rotation by far.
    """

    def __init__(self, read: Callable[[], str | None]) -> None:
        self._read = read
        self._value = read()
        self._read_at: float | None = None

    def authorization(self, now: float) -> str | None:
        """Return the value, read at most a minute ago where it could be read."""
        if self._read_at is None or now - self._read_at >= REREAD_SECONDS:
            self._read_at = now
            try:
                self._value = self._read()
            except (OSError, Refused):
                return self._value
        return self._value

    def refused(self) -> None:
        """Read anew next time."""
        self._read_at = None


def connect(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    mount: Path = MOUNT,
) -> Access:
    """Find the API server: the kubeconfig and context given, else the pod's ServiceAccount, else the usual kubeconfig.

    Raises Refused, saying what is missing and how to mend it.
    """
    environ = os.environ if environ is None else environ
    in_pod = "KUBERNETES_SERVICE_HOST" in environ and (mount / "token").exists()
    if kubeconfig is None and context is None and in_pod:
        return _from_mount(environ, mount)
    return _from_kubeconfig(kubeconfig, context)


def _from_mount(environ: Mapping[str, str], mount: Path) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        return Access(
            server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            tls=ssl.create_default_context(cafile=str(mount / "ca.crt")),
            credentials=Rereading(lambda: f"Bearer {(mount / 'token').read_text().strip()}"),
        )
    except OSError as missing:
        message = (
            f"the ServiceAccount's files cannot be read ({missing}): set automountServiceAccountToken, or kubeconfig"
        )
        raise Refused(message) from missing


def _from_kubeconfig(path: str | None, context: str | None) -> Access:
    configuration = _load(path, context)

    def read() -> str | None:
        fresh = _load(path, context)
        value = fresh.get_api_key_with_prefix("BearerToken")
        return None if value is None else str(value)

    server = str(configuration.host).rstrip("/")
    return Access(
        server=server,
        tls=_tls(configuration) if server.startswith("https:") else None,
        credentials=Rereading(read),
        server_name=configuration.tls_server_name,
    )


def _load(path: str | None, context: str | None) -> Any:
    """Let the `kubernetes` package read a kubeconfig, with all the ways of authentication that it knows."""
    from kubernetes.client import Configuration  # noqa: PLC0415 - see the module's docstring
    from kubernetes.config import ConfigException, load_kube_config  # noqa: PLC0415
    from yaml import YAMLError  # noqa: PLC0415

    configuration = Configuration()
    try:
        load_kube_config(path, context, client_configuration=configuration, persist_config=False)  # type: ignore[no-untyped-call]
    except (ConfigException, YAMLError, OSError, ValueError, TypeError, KeyError) as wrong:
        name = path or "the default kubeconfig"
        raise Refused(f"{name} cannot be used ({wrong}): check the kubeconfig and context settings") from wrong
    return configuration


def _tls(configuration: Any) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    return tls
