"""Where the replicas are told the database is: as their settings read it, and without a password in the open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.chart import Chart, Values
from ticklock.settings import load

PLACED = {"host": "db.example.com", "existingSecret": "database"}


def external(**values: Any) -> Values:
    return {"postgresql": {"enabled": False}, "externalDatabase": values}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        pytest.param(PLACED, "host=db.example.com port=5432 user=ticklock dbname=ticklock", id="host and Secret"),
        pytest.param({**PLACED, "port": 6432, "user": "a b", "name": "c/d@e"},
                     "host=db.example.com port=6432 user='a b' dbname=c/d@e", id="names that a URL must escape"),
        pytest.param({**PLACED, "host": "a,b"}, "host=a,b port=5432,5432 user=ticklock dbname=ticklock",
                     id="two hosts"),
        pytest.param({**PLACED, "parameters": {"target_session_attrs": "read-write", "connect_timeout": 3}},
                     "host=db.example.com port=5432 user=ticklock dbname=ticklock connect_timeout=3 "
                     "target_session_attrs=read-write", id="further parameters"),
    ],
)  # fmt: skip
def test_the_url_means(chart: Chart, values: dict[str, Any], wanted: str) -> None:
    env = chart.render(external(**values)).env()
    given = {name: value for name, value in env.items() if name.startswith("TICKLOCK_") and "PASSWORD" not in name}
    settings = load([], {**given, "TICKLOCK_DATABASE_PASSWORD": "x"})
    found = dict(part.partition("=")[::2] for part in _parts(settings.conninfo))
    assert found == {**dict(part.partition("=")[::2] for part in _parts(wanted)), "password": "x"}


def _parts(conninfo: str) -> list[str]:
    return conninfo.replace("'a b'", "a_b").split()


@pytest.mark.parametrize("container", ["controller", "migrate"])
def test_the_password_is_a_file_of_the_users_secret(chart: Chart, container: str) -> None:
    found = chart.render(external(**PLACED, passwordKey="pw"))
    assert found.env(container)["TICKLOCK_DATABASE_PASSWORD_FILE"] == "/etc/ticklock/database/password"
    assert {"name": "database", "mountPath": "/etc/ticklock/database", "readOnly": True} in (
        found.container(container)["volumeMounts"]
    )
    (volume,) = [one for one in found.replica()["volumes"] if one["name"] == "database"]
    assert volume["secret"]["secretName"] == "database"
    assert volume["secret"]["items"] == [{"key": "pw", "path": "password"}]
    assert volume["secret"]["defaultMode"] == 0o440
    assert not found.has("Secret")


def test_a_password_among_the_values_goes_into_a_secret_and_nowhere_else(chart: Chart) -> None:
    found = chart.render(external(host="db", password="s3cr3t"))
    secret = found.one("Secret", "ticklock-database")
    assert secret["data"] == {"password": "czNjcjN0"}
    assert "s3cr3t" not in json.dumps([one for one in found.objects if one is not secret])


def test_another_password_is_another_rollout(chart: Chart) -> None:
    first, second = (chart.render(external(host="db", password=one)).one("Deployment") for one in ("a", "b"))
    assert first["spec"]["template"] != second["spec"]["template"]


def test_a_whole_url_from_a_secret(chart: Chart) -> None:
    found = chart.render(external(existingSecret="app", urlKey="uri"))
    assert found.env()["TICKLOCK_DATABASE_URL"] == {"secretKeyRef": {"name": "app", "key": "uri"}}
    assert "TICKLOCK_DATABASE_PASSWORD_FILE" not in found.env(), "the URL has it"


def test_without_a_password(chart: Chart) -> None:
    found = chart.render(external(**PLACED, passwordKey="", tls={"clientSecret": "client"}))
    assert "TICKLOCK_DATABASE_PASSWORD_FILE" not in found.env()
    assert found.env()["PGSSLCERT"] == "/etc/ticklock/database-client/tls.crt"
    assert found.env()["PGSSLKEY"] == "/etc/ticklock/database-client/tls.key"


def test_the_way_past_a_pooler(chart: Chart) -> None:
    env = chart.render(external(**PLACED, port=6432, directHost="primary")).env()
    assert env["TICKLOCK_DATABASE_DIRECT_URL"] == "postgresql://ticklock@primary:5432/ticklock"


@pytest.mark.parametrize(
    ("tls", "wanted"),
    [
        pytest.param({}, {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "system",
                          "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"},
                     id="by default the certificate is checked, against the authorities of the image"),
        pytest.param({"caSecret": "ca"}, {"PGSSLMODE": "verify-full",
                                          "PGSSLROOTCERT": "/etc/ticklock/database-ca/ca.crt"},
                     id="against the user's own"),
        pytest.param({"mode": "require"}, {"PGSSLMODE": "require"}, id="not at all, where somebody says so"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", [{"host": "db"}, {"urlKey": "uri"}], ids=["by host", "by URL"])
def test_how_the_server_is_believed(
    chart: Chart, tls: dict[str, str], wanted: dict[str, str], way: dict[str, str]
) -> None:
    env = chart.render(external(**way, existingSecret="s", tls=tls)).env()
    assert {name: value for name, value in env.items() if "SSL" in name} == wanted


def test_the_users_authority_is_mounted(chart: Chart) -> None:
    found = chart.render(external(**PLACED, tls={"caSecret": "ca", "caKey": "root.pem"}))
    (volume,) = [one for one in found.replica()["volumes"] if one["name"] == "database-ca"]
    assert volume["secret"]["items"] == [{"key": "root.pem", "path": "ca.crt"}]
