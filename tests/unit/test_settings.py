"""Where settings come from, which layer wins, and what is made of them."""

import json
from pathlib import Path
from typing import Any

import psycopg.conninfo
import pytest
from pydantic import SecretStr

from ticklock.settings import Settings, load
from ticklock.settings.flags import flag, variable

URL = "postgresql://ticklock@db:5433/ledger"
CANARY = "c4n4ry-Pa55"
NOWHERE = Path("/nonexistent/namespace")


def loaded(*flags: str, environ: dict[str, str] | None = None) -> Settings:
    return load(flags, {"TICKLOCK_DATABASE_URL": URL} | (environ or {}), namespace_file=NOWHERE)


def test_only_the_database_must_be_given() -> None:
    settings = loaded()
    assert settings.staging
    assert settings.stage_ahead_seconds == 5.0
    assert (settings.lease_namespace, settings.lease_name) == ("ticklock-system", "ticklock")
    assert settings.http_port == 8080
    assert (settings.log_format, settings.log_level) == ("json", "info")
    assert settings.pod_name


@pytest.mark.parametrize(
    ("file", "variables", "flags", "expected"),
    [
        pytest.param("", {}, [], 8080, id="nothing given: the default"),
        pytest.param("http_port:", {}, [], 8080, id="a null in the file says nothing"),
        pytest.param("http_port: 1", {}, [], 1, id="the file comes before the default"),
        pytest.param("http_port: 1", {"TICKLOCK_HTTP_PORT": "2"}, [], 2, id="the environment comes before the file"),
        pytest.param("http_port: 1", {"TICKLOCK_HTTP_PORT": ""}, [], 1, id="an empty variable says nothing"),
        pytest.param("http_port: 1", {"TICKLOCK_HTTP_PORT": "2"}, ["--http-port=3"], 3, id="a flag before them all"),
        pytest.param("http_port: 1", {}, ["--http-port", "3"], 3, id="a flag comes before the file"),
        pytest.param("", {}, ["--http-port=3", "--http-port=4"], 4, id="of two flags the last"),
    ],
)
def test_precedence(tmp_path: Path, file: str, variables: dict[str, str], *, flags: list[str], expected: int) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(file)
    assert loaded(*flags, environ={"TICKLOCK_CONFIG": str(path)} | variables).http_port == expected


def test_the_file_of_the_flag_comes_before_that_of_the_variable(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("http_port: 1")
    (tmp_path / "b.yaml").write_text("http_port: 2")
    environ = {"TICKLOCK_CONFIG": str(tmp_path / "a.yaml")}
    assert loaded("--config", str(tmp_path / "b.yaml"), environ=environ).http_port == 2


SAMPLES: dict[str, Any] = {
    "database_url": "postgresql://other/x",
    "database_direct_url": "postgresql://direct/x",
    "database_password_file": None,  # a test of its own
    "database_password": None,
    "kubeconfig": "/some/config",
    "context": "kind",
    "watch_namespace": "team-a",
    "lease_namespace": "elsewhere",
    "lease_name": "blue",
    "pod_name": "pod-7",
    "http_host": "127.0.0.1",
    "log_format": "console",
    "log_level": "debug",
    "renew_deadline_seconds": 9.0,
    "lease_duration_seconds": 20.0,
    "retry_period_seconds": 1.5,
    "stage_ahead_seconds": 2.5,
    "claim_seconds": 7.0,
    "report_interval_seconds": 0.5,
    "database_pool_size": 5,
    "http_port": 0,
}


def sample(name: str) -> Any:
    """A value that is not the default."""
    if name in SAMPLES:
        return SAMPLES[name]
    default = Settings.model_fields[name].default
    return (not default) if isinstance(default, bool) else default + 1


def plain(value: Any) -> Any:
    return (
        value.get_secret_value() if isinstance(value, SecretStr) else str(value) if isinstance(value, Path) else value
    )


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if sample(name) is not None])
def test_each_setting_can_be_given_in_each_of_the_three_ways(tmp_path: Path, name: str) -> None:
    value = sample(name)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({name: value}))
    switch = [flag(name if value else f"no_{name}")] if isinstance(value, bool) else [flag(name), str(value)]
    base = {} if name == "database_url" else {"TICKLOCK_DATABASE_URL": URL}
    by_flag = load(switch, base, namespace_file=NOWHERE)
    by_variable = load([], base | {variable(name): str(value)}, namespace_file=NOWHERE)
    by_file = load(["--config", str(path)], base, namespace_file=NOWHERE)
    assert [plain(getattr(one, name)) for one in (by_flag, by_variable, by_file)] == [value] * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("pass\n", "pass", id="the newline at the end does not count"),
        pytest.param("pass\r\n", "pass", id="nor one of Windows"),
        pytest.param(" p ass \n", " p ass ", id="spaces do"),
        pytest.param("päß☃", "päß☃", id="any character may be in it"),
    ],
)
def test_password_from_a_file(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(text.encode())
    settings = loaded("--database-password-file", str(path))
    assert settings.sqlalchemy_url.password == expected
    assert psycopg.conninfo.conninfo_to_dict(settings.conninfo)["password"] == expected


@pytest.mark.parametrize(
    ("environ", "main", "direct"),
    [
        pytest.param({}, None, None, id="no password"),
        pytest.param({"TICKLOCK_DATABASE_PASSWORD": "a"}, "a", "a", id="given apart, for both"),
        pytest.param({"TICKLOCK_DATABASE_URL": "postgresql://u:b%40c@h/d"}, "b@c", "b@c", id="in the URL, for both"),
        pytest.param({"TICKLOCK_DATABASE_URL": "postgresql://u@h/d?password=q"}, "q", "q", id="in the URL's query"),
        pytest.param(
            {"TICKLOCK_DATABASE_URL": "postgresql://u:b@h/d", "TICKLOCK_DATABASE_PASSWORD": "a"},
            "a",
            "a",
            id="given apart comes before the URL's",
        ),
        pytest.param(
            {"TICKLOCK_DATABASE_URL": "postgresql://u:b@h/d", "TICKLOCK_DATABASE_DIRECT_URL": "postgresql://u:c@i/d"},
            "b",
            "c",
            id="each URL its own",
        ),
        pytest.param(
            {"TICKLOCK_DATABASE_URL": "postgresql://u:b@h/d", "TICKLOCK_DATABASE_DIRECT_URL": "postgresql://u@i/d"},
            "b",
            "b",
            id="the direct way inherits that of the URL",
        ),
    ],
)
def test_which_password_is_used(environ: dict[str, str], main: str | None, direct: str | None) -> None:
    settings = loaded(environ=environ)
    assert settings.sqlalchemy_url.password == main
    assert psycopg.conninfo.conninfo_to_dict(settings.conninfo).get("password") == direct


@pytest.mark.parametrize(
    ("url", "rendered", "place"),
    [
        pytest.param(URL, "postgresql+psycopg://ticklock@db:5433/ledger", "db:5433/ledger", id="plain"),
        pytest.param("postgres://h/d", "postgresql+psycopg://h/d", "h:5432/d", id="the other scheme"),
        pytest.param("postgresql+psycopg://h/d", "postgresql+psycopg://h/d", "h:5432/d", id="SQLAlchemy's own"),
        pytest.param(
            "postgresql://h/d?sslmode=require", "postgresql+psycopg://h/d?sslmode=require", "h:5432/d", id="parameters"
        ),
        pytest.param("postgresql://[::1]:5433/d", "postgresql+psycopg://[::1]:5433/d", "::1:5433/d", id="IPv6"),
    ],
)
def test_the_database_for_sqlalchemy(url: str, rendered: str, place: str) -> None:
    settings = loaded(environ={"TICKLOCK_DATABASE_URL": url})
    assert settings.sqlalchemy_url.render_as_string(hide_password=False) == rendered
    assert settings.database_place == place


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        pytest.param("postgresql://a:1,b:2/d", "a,b", "1,2", id="several hosts"),
        pytest.param("postgresql:///d?host=/run/pg&port=7", "/run/pg", "7", id="the folder of a socket"),
    ],
)
def test_hosts_that_a_url_has_no_place_for_reach_the_driver(url: str, host: str, port: str) -> None:
    made = loaded(environ={"TICKLOCK_DATABASE_URL": url}).sqlalchemy_url
    _, arguments = made.get_dialect()().create_connect_args(made)
    assert (arguments["host"], str(arguments["port"]), arguments["dbname"]) == (host, port, "d")


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"TICKLOCK_DATABASE_PASSWORD": CANARY}, id="given apart"),
        pytest.param({"TICKLOCK_DATABASE_URL": f"postgresql://u:{CANARY}@h/d"}, id="in the URL"),
        pytest.param({"TICKLOCK_DATABASE_URL": f"postgresql://u@h/d?sslpassword={CANARY}"}, id="the key's, in the URL"),
        pytest.param({"TICKLOCK_DATABASE_DIRECT_URL": f"postgresql://u:{CANARY}@h/d"}, id="in the direct URL"),
    ],
)
def test_no_secret_is_shown(environ: dict[str, str]) -> None:
    settings = loaded(environ=environ)
    shown = [repr(settings), str(settings), settings.model_dump_json(), settings.database_place]
    assert not [text for text in shown if CANARY in text]
    assert CANARY in settings.conninfo + settings.sqlalchemy_url.render_as_string(hide_password=False)


def test_a_password_does_not_show_in_the_url_for_sqlalchemy() -> None:
    url = loaded(environ={"TICKLOCK_DATABASE_PASSWORD": CANARY}).sqlalchemy_url
    assert CANARY not in f"{url} {url!r}"


@pytest.mark.parametrize(
    ("environ", "namespace"),
    [
        pytest.param({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "team-a", id="in a pod: its own namespace"),
        pytest.param({}, "ticklock-system", id="not in a pod: the default"),
        pytest.param(
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "TICKLOCK_LEASE_NAMESPACE": "given"}, "given", id="given: that"
        ),
    ],
)
def test_namespace_of_the_lease(tmp_path: Path, environ: dict[str, str], namespace: str) -> None:
    file = tmp_path / "namespace"
    file.write_text("team-a\n")
    settings = load([], {"TICKLOCK_DATABASE_URL": URL} | environ, namespace_file=file)
    assert settings.lease_namespace == namespace


def test_the_pod_is_named_by_its_hostname() -> None:
    assert loaded(environ={"HOSTNAME": "ticklock-abc"}).pod_name == "ticklock-abc"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("TICKLOCK_CACHE", "/x", id="of the tools"),
        pytest.param("TICKLOCK_FAILPOINTS", "x", id="of the tests"),
        pytest.param("TICKLOCK_RUN_ID", "x", id="of a Job that Ticklock runs"),
        pytest.param("TICKLOCK_SERVICE_HOST", "10.0.0.1", id="the address of a Service of our name"),
        pytest.param("TICKLOCK_SERVICE_PORT_METRICS", "8080", id="a named port of it"),
        pytest.param("TICKLOCK_PORT", "tcp://10.0.0.1:8080", id="its URL"),
        pytest.param("TICKLOCK_PORT_8080_TCP_ADDR", "10.0.0.1", id="its port's address"),
        pytest.param("TICKLOCK_HTTP_PORT", "tcp://10.0.0.1:8080", id="the URL of a Service named ticklock-http"),
    ],
)
def test_variables_of_others_are_left_alone(name: str, value: str) -> None:
    assert loaded(environ={name: value}).http_port == 8080


def test_help_tells_each_setting_with_variable_default_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(["--help"], {})
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for name, field in Settings.model_fields.items():
        assert f"{flag(name)} " in told or f"{flag(name)}, " in told
        assert variable(name) in told
        assert " ".join(str(field.description).split()) in told
    assert "TICKLOCK_STAGING; default: true" in told
    assert "TICKLOCK_STAGE_AHEAD_SECONDS; default: 5 " in told


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded().http_port = 1
