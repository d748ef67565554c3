"""How the chart has the replicas believe a server: `ticklock migrate` with its variables, and a PostgreSQL with TLS."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.chart import EXTERNAL, Chart
from tests.support.tls_front import TlsFront
from tools.devcluster.pki import Authority
from tools.devcluster.replica import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Secured:
    """A server whose certificate is for localhost and 127.0.0.1, and two authorities: its own, and another."""

    url: str
    port: int
    authority: Path
    stranger: Path

    def migrate(self, variables: Mapping[str, str], *, host: str = "localhost") -> str:
        """Run it; return its complaint, empty where it went well."""
        parts = urlsplit(self.url)
        url = f"postgresql://{parts.username}@{host}:{self.port}{parts.path}?hostaddr=127.0.0.1"
        own = {"TICKLOCK_DATABASE_URL": url, "TICKLOCK_DATABASE_PASSWORD": parts.password or ""}
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables, **own}
        done = subprocess.run([PROGRAM, "migrate"], env=env, capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else ""


@pytest.fixture
def secured(empty_database: str, tmp_path: Path) -> Iterator[Secured]:
    ours, other = Authority(tmp_path / "keys", "ca"), Authority(tmp_path / "other", "ca")
    with TlsFront(ours.issue("server", "localhost"), urlsplit(empty_database).port or 0) as front:
        yield Secured(empty_database, front.port, ours.pair.certificate, other.pair.certificate)


def variables(chart: Chart, files: Mapping[str, Path], **tls: str) -> dict[str, str]:
    """The chart's variables of libpq, with the files of a pod standing elsewhere."""
    env = chart.render({**EXTERNAL, "externalDatabase": {**EXTERNAL["externalDatabase"], "tls": tls}}).env()
    found = {name: str(value) for name, value in env.items() if "SSL" in name}
    return {name: str(files.get(value, value)) for name, value in found.items()}


IN_THE_POD = "/etc/ticklock/database-ca/ca.crt"
OF_THE_IMAGE = "/etc/ssl/certs/ca-certificates.crt"


def test_the_users_authority_is_believed(secured: Secured, chart: Chart) -> None:
    assert secured.migrate(variables(chart, {IN_THE_POD: secured.authority}, caSecret="ca")) == ""


def test_another_is_not(secured: Secured, chart: Chart) -> None:
    complaint = secured.migrate(variables(chart, {IN_THE_POD: secured.stranger}, caSecret="ca"))
    assert "certificate verify failed" in complaint


def test_nor_a_server_of_another_name(secured: Secured, chart: Chart) -> None:
    given = variables(chart, {IN_THE_POD: secured.authority}, caSecret="ca")
    assert "does not match host name" in secured.migrate(given, host="db.example.com")


def test_without_a_secret_the_authorities_of_the_image_are_believed(secured: Secured, chart: Chart) -> None:
    assert secured.migrate(variables(chart, {OF_THE_IMAGE: secured.authority})) == ""


def test_and_no_others(secured: Secured, chart: Chart) -> None:
    assert "certificate verify failed" in secured.migrate(variables(chart, {OF_THE_IMAGE: secured.stranger}))


def test_a_server_without_tls_is_not_spoken_to(empty_database: str, chart: Chart) -> None:
    nothing = Path("/nonexistent")
    plain = Secured(empty_database, urlsplit(empty_database).port or 0, nothing, nothing)
    assert "server does not support SSL" in plain.migrate(variables(chart, {}))
