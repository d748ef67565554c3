"""What is said about settings that cannot be used: where, what, and how to mend it; never a secret."""

from pathlib import Path

import pytest

from ticklock.settings import SettingsError, load

URL = "postgresql://ticklock@db/ledger"
CANARY = "c4n4ry-Pa55"


def refusal(*flags: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as refused:
        load(flags, {"TICKLOCK_DATABASE_URL": URL} | (environ or {}))
    return str(refused.value)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        pytest.param(
            {"TICKLOCK_DATABASE_URL": ""},
            "database_url is missing: set TICKLOCK_DATABASE_URL, --database-url or the key database_url of the file to "
            "a URL like postgresql://user@host:5432/database, with special characters percent-encoded",
            id="no database",
        ),
        pytest.param(
            {"TICKLOCK_DATABASE_URL": "mysql://h/d"},
            "TICKLOCK_DATABASE_URL: the value cannot be used; give a URL like postgresql://",
            id="another kind of database",
        ),
        pytest.param(
            {"TICKLOCK_DATABASE_DIRECT_URL": "host=x"},
            "TICKLOCK_DATABASE_DIRECT_URL: the value cannot be used; give a URL like postgresql://",
            id="no URL at all",
        ),
        pytest.param(
            {"TICKLOCK_HTTP_PORT": "eighty"},
            "TICKLOCK_HTTP_PORT: 'eighty' cannot be used; give a whole number from 0 to 65535",
            id="no number",
        ),
        pytest.param(
            {"TICKLOCK_HTTP_PORT": "65536"},
            "TICKLOCK_HTTP_PORT: '65536' cannot be used; give a whole number from 0 to 65535",
            id="a number too great",
        ),
        pytest.param(
            {"TICKLOCK_STAGE_AHEAD_SECONDS": "0.4"},
            "TICKLOCK_STAGE_AHEAD_SECONDS: '0.4' cannot be used; give a number from 0.5 to 60",
            id="a number too small",
        ),
        pytest.param(
            {"TICKLOCK_GRACE_SECONDS": "nan"},
            "TICKLOCK_GRACE_SECONDS: 'nan' cannot be used; give a number from 0 to 600",
            id="not a number, by name",
        ),
        pytest.param(
            {"TICKLOCK_STAGING": "perhaps"},
            "TICKLOCK_STAGING: 'perhaps' cannot be used; give true or false",
            id="neither true nor false",
        ),
        pytest.param(
            {"TICKLOCK_LOG_FORMAT": "xml"},
            "TICKLOCK_LOG_FORMAT: 'xml' cannot be used; give json or console",
            id="none of the choices",
        ),
        pytest.param(
            {"TICKLOCK_LEASE_NAME": "Big Name"},
            "TICKLOCK_LEASE_NAME: 'Big Name' cannot be used; give a name of lower-case letters, digits, '-' and '.'",
            id="no name that Kubernetes takes",
        ),
        pytest.param(
            {"TICKLOCK_STAGEING": "false"},
            "TICKLOCK_STAGEING: there is no such setting; did you mean TICKLOCK_STAGING",
            id="a variable misspelled",
        ),
        pytest.param(
            {"TICKLOCK_ZZZ": "1"}, "TICKLOCK_ZZZ: there is no such setting; see --help", id="a variable like no other"
        ),
        pytest.param(
            {"TICKLOCK_LEASE_DURATION_SECONDS": "10"},
            "TICKLOCK_LEASE_DURATION_SECONDS (10) must be more than renew_deadline_seconds (10), or two replicas",
            id="a Lease shorter than its renewal",
        ),
        pytest.param(
            {"TICKLOCK_RENEW_DEADLINE_SECONDS": "6", "TICKLOCK_RETRY_PERIOD_SECONDS": "5"},
            "TICKLOCK_RENEW_DEADLINE_SECONDS (6) must be more than 1.2 times TICKLOCK_RETRY_PERIOD_SECONDS (5)",
            id="no time for a second try",
        ),
        pytest.param(
            {"TICKLOCK_DATABASE_PASSWORD": "a", "TICKLOCK_DATABASE_PASSWORD_FILE": "/x"},
            "TICKLOCK_DATABASE_PASSWORD and TICKLOCK_DATABASE_PASSWORD_FILE are both set; give one of them",
            id="the password twice",
        ),
        pytest.param(
            {"TICKLOCK_DATABASE_PASSWORD_FILE": "/nonexistent/password"},
            "TICKLOCK_DATABASE_PASSWORD_FILE: /nonexistent/password cannot be read (No such file or directory); mount",
            id="no password file",
        ),
        pytest.param(
            {"TICKLOCK_CONFIG": "/nonexistent/settings"},
            "/nonexistent/settings: the settings file cannot be read (No such file or directory); mend --config",
            id="no settings file",
        ),
    ],
)
def test_bad_variables(environ: dict[str, str], told: str) -> None:
    assert refusal(environ=environ).startswith(told)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        pytest.param(
            ["--http-port", "x"], "--http-port: 'x' cannot be used; give a whole number from 0 to 65535", id="no number"
        ),
        pytest.param(["--http-port"], "--http-port: expected one argument", id="no value"),
        pytest.param(
            ["--http-prot=80"], "--http-prot: there is no such flag; did you mean --http-port", id="misspelled"
        ),
        pytest.param(["--http", "80"], "--http: there is no such flag", id="abbreviated"),
        pytest.param(
            ["80"], "there is an argument that belongs to no flag; settings are given as --name", id="no flag"
        ),
        pytest.param(
            ["--lease-duration-seconds", "5"],
            "--lease-duration-seconds (5) must be more than renew_deadline_seconds (10)",
            id="at odds with another",
        ),
    ],
)
def test_bad_flags(flags: list[str], told: str) -> None:
    assert refusal(*flags).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("http_port: x", "http_port in {path}: 'x' cannot be used; give a whole number", id="no number"),
        pytest.param("pod_name: 7", "pod_name in {path}: 7 cannot be used; give text", id="a number for a text"),
        pytest.param(
            "http_host: ''", "http_host in {path}: '' cannot be used; give text that is not empty", id="empty"
        ),
        pytest.param("kubeconfig: [a]", "kubeconfig in {path}: ['a'] cannot be used; give the path", id="a list"),
        pytest.param(
            "http-port: 1", "http-port in {path}: there is no such setting; did you mean http_port?", id="unknown key"
        ),
        pytest.param("7: 1", "7 in {path}: there is no such setting", id="a key that is no text"),
        pytest.param("- http_port", "{path}: the file must hold settings, one a line", id="a list for a file"),
        pytest.param("a: 1\n  b: 2", "{path}: line 2 is no YAML", id="no YAML"),
        pytest.param("http_port: 1\nhttp_port: 2", "{path}: line 2 is no YAML, or gives a key twice", id="a key twice"),
        pytest.param("? [a]\n: 1", "{path}: ", id="a list for a key"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    assert refusal("--config", str(path)).startswith(told.format(path=path))


@pytest.mark.parametrize(
    ("content", "told"),
    [pytest.param(b"\n", "is empty", id="empty"), pytest.param(b"\xff", "is no UTF-8 text", id="no text")],
)
def test_bad_password_files(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    assert refusal("--database-password-file", str(path)).startswith(f"--database-password-file: {path} {told}")


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = refusal("--http-port", "x", environ={"TICKLOCK_STAGING": "x", "TICKLOCK_LOG_LEVEL": "x"})
    assert {line.partition(":")[0] for line in told.splitlines()} == {
        "TICKLOCK_STAGING",
        "--http-port",
        "TICKLOCK_LOG_LEVEL",
    }


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["--database-password", CANARY], id="two words"),
        pytest.param([f"--database-password={CANARY}"], id="one word"),
        pytest.param(["--database-password"], id="no value"),
    ],
)
def test_a_password_on_the_command_line_is_refused(flags: list[str]) -> None:
    told = refusal(*flags)
    assert told.startswith("--database-password: a password on the command line can be read by every process; ")
    assert "TICKLOCK_DATABASE_PASSWORD or --database-password-file" in told
    assert CANARY not in told


@pytest.mark.parametrize(
    ("flags", "environ", "text"),
    [
        pytest.param(["--database-pasword", CANARY], {}, "", id="after a flag that is misspelled"),
        pytest.param([f"--database-pasword={CANARY}"], {}, "", id="in a flag that is misspelled"),
        pytest.param([CANARY], {}, "", id="alone"),
        pytest.param([], {"TICKLOCK_DATABASE_PASWORD": CANARY}, "", id="in a variable that is misspelled"),
        pytest.param([], {"TICKLOCK_DATABASE_URL": f"mysql://u:{CANARY}@h/d"}, "", id="in a URL of another kind"),
        pytest.param([], {"TICKLOCK_DATABASE_URL": f"postgresql://u:{CANARY}%zz@h/d"}, "", id="in a broken URL"),
        pytest.param([], {"TICKLOCK_DATABASE_URL": f"postgresql://u:{CANARY}/1@h/d"}, "", id="taken for a port"),
        pytest.param([], {}, f"database_url: postgresql://h:{CANARY}/d", id="in a URL in the file"),
        pytest.param([], {}, f"database_pasword: {CANARY}", id="under a key that is misspelled"),
        pytest.param([], {}, f"database_password: [{CANARY}]", id="in a list"),
        pytest.param([], {}, f"database_password: *{CANARY}", id="taken for an alias"),
        pytest.param([], {}, f"database_password: !{CANARY}", id="taken for a tag"),
        pytest.param([], {}, f"database_password: '{CANARY}", id="in quotes that do not end"),
    ],
)
def test_no_secret_in_an_error(tmp_path: Path, flags: list[str], environ: dict[str, str], text: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    base = {} if "database_url" in text else {"TICKLOCK_DATABASE_URL": URL}
    with pytest.raises(SettingsError) as refused:
        load(["--config", str(path), *flags], base | environ)
    assert CANARY not in str(refused.value)
