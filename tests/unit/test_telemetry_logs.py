"""Log lines: one way for all libraries, one line a fact, no secret."""

import asyncio
import io
import json
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from ticklock.telemetry import configure_logging, log_fields
from ticklock.telemetry.logs import _Handler

CANARY = "c4n4ry-Pa55"
log = structlog.get_logger("ticklock.test")
Write = Callable[..., io.StringIO]


@pytest.fixture
def configured() -> Iterator[Write]:
    """Configures logging into a text of the test's own; afterwards everything is as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = ["kopf", "aiohttp.access", "aiohttp", "asyncio", "kubernetes", "psycopg", "sqlalchemy", "urllib3"]
    levels = {name: logging.getLogger(name).level for name in names}

    def write(log_format: Any = "json", level: str = "info", **fields: str) -> io.StringIO:
        stream = io.StringIO()
        configure_logging(log_format, level, fields=fields, stream=stream)
        return stream

    yield write
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def only_line(stream: io.StringIO) -> dict[str, Any]:
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1, lines
    parsed: dict[str, Any] = json.loads(lines[0])
    return parsed


def test_a_line_has_time_level_event_logger_and_its_fields(configured: Write) -> None:
    stream = configured(pod="a-1")
    log.warning("run deferred", job="default/x", lag=1.5, held=True, at=datetime(2026, 3, 1, tzinfo=UTC), nothing=None)
    line = only_line(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "level": "warning",
        "event": "run deferred",
        "logger": "ticklock.test",
        "pod": "a-1",
        "job": "default/x",
        "lag": 1.5,
        "held": True,
        "at": "2026-03-01T00:00:00Z",
        "nothing": None,
    }


def test_on_the_console_a_line_is_made_for_people(configured: Write) -> None:
    stream = configured("console")
    log.info("run launched", job="x", cause="a b", lag=0.5)
    head, *fields = stream.getvalue().rstrip("\n").split("  ")
    assert re.fullmatch(r"\S+Z info    run launched", stream.getvalue().partition("  job")[0].partition("  logger")[0])
    assert head
    assert {"job=x", "cause='a b'", "lag=0.5"} <= set(fields)


@pytest.mark.parametrize("name", ["kopf", "kopf.objects", "aiohttp.server", "alembic.runtime.migration", "anything"])
def test_lines_of_libraries_look_the_same(configured: Write, name: str) -> None:
    stream = configured(pod="a-1")
    logging.getLogger(name).warning("%s of %d", "part", 2)
    line = only_line(stream)
    assert (line["event"], line["logger"], line["level"], line["pod"]) == ("part of 2", name, "warning", "a-1")


@pytest.mark.parametrize(
    ("name", "level", "threshold", "written"),
    [
        pytest.param("ticklock", "info", "info", True, id="ours at the level"),
        pytest.param("ticklock", "debug", "info", False, id="ours below it"),
        pytest.param("ticklock", "debug", "debug", True, id="ours where all is wanted"),
        pytest.param("kopf.objects", "info", "debug", False, id="kopf below warning, whatever is wanted"),
        pytest.param("kopf.objects", "warning", "error", False, id="kopf above its floor, below the level"),
        pytest.param("kubernetes.client.rest", "debug", "debug", False, id="whole responses never"),
        pytest.param("sqlalchemy.engine", "info", "debug", False, id="statements with parameters never"),
        pytest.param("alembic", "info", "info", True, id="migrations are told"),
    ],
)
def test_levels(configured: Write, name: str, level: str, threshold: str, *, written: bool) -> None:
    stream = configured(level=threshold)
    logging.getLogger(name).log(logging.getLevelNamesMapping()[level.upper()], "x")
    assert bool(stream.getvalue()) is written


def test_our_own_loggers_obey_the_level(configured: Write) -> None:
    stream = configured(level="warning")
    log.info("not this")
    log.error("but this")
    assert only_line(stream)["event"] == "but this"


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a\nlevel=error b", id="newline"),
        pytest.param("a\r\nb", id="Windows newline"),
        pytest.param("a\x85b", id="next line"),
        pytest.param("a\u2028b\u2029c", id="line and paragraph separator"),
        pytest.param("a\x1b[2Jb", id="an escape that clears the screen"),
        pytest.param("a\x00\x0b\x0c\x1cb", id="other control characters"),
        pytest.param("a\ud800b", id="half a character"),
    ],
)
def test_a_line_stays_one_line(configured: Write, log_format: str, text: str) -> None:
    stream = configured(log_format)
    log.info(text, **{"value": text, "list": [text], text: 1})
    logging.getLogger("other").info("%s", text)
    written = stream.getvalue()
    assert written.endswith("\n")
    assert len(written.splitlines()) == 2
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]*", written)


def test_a_traceback_is_in_its_line(configured: Write) -> None:
    stream = configured()
    try:
        raise RuntimeError("first\nsecond")  # noqa: TRY301 - it is to be caught here
    except RuntimeError:
        log.exception("duty failed")
    assert "RuntimeError: first\nsecond" in only_line(stream)["exception"]


@dataclass
class Connection:
    user: str
    password: str


URL = f"postgresql://ticklock:{CANARY}@db:5432/ledger"

SECRETS: list[Any] = [
    pytest.param({"password": CANARY}, id="a password"),
    pytest.param({"database_password": CANARY}, id="part of the key"),
    pytest.param({"Authorization": f"Bearer {CANARY}"}, id="a header"),
    pytest.param({"client_secret": CANARY}, id="a client's secret"),
    pytest.param({"token": CANARY}, id="a token that is text"),
    pytest.param({"dsn": f"host=db password={CANARY}"}, id="a DSN"),
    pytest.param({"headers": {"authorization": CANARY}}, id="nested"),
    pytest.param({"body": {"users": [{"name": "a", "token": CANARY}]}}, id="nested in a list"),
    pytest.param({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"token": CANARY}}}}}}}}, id="nested too deep to look"),
    pytest.param({"url": URL}, id="in a URL"),
    pytest.param({"url": f"postgresql://:{CANARY}@db/x"}, id="in a URL without a user"),
    pytest.param({"url": f"postgresql://u:{CANARY}/{CANARY}@{CANARY}@db/x"}, id="with what a URL must not hold"),
    pytest.param({"urls": [URL, URL]}, id="in a list of URLs"),
    pytest.param({"text": f"cannot reach {URL}: refused"}, id="in a URL in a sentence"),
    pytest.param({"text": f"postgresql://u@db/x?sslmode=require&password={CANARY}"}, id="in a URL's query"),
    pytest.param({"text": f"user=a password={CANARY} host=b"}, id="in a connection string"),
    pytest.param({"text": f"user=a password='{CANARY} \\' {CANARY}' host=b"}, id="quoted in a connection string"),
    pytest.param({"text": f'{{"password": "{CANARY}"}}'}, id="in JSON as text"),
    pytest.param({"text": f"Authorization: Bearer {CANARY}abc"}, id="a bearer token in a sentence"),
    pytest.param({"error": ValueError(f"bad {URL}")}, id="in an error"),
    pytest.param({"object": Connection("a", CANARY)}, id="in an object's text"),
    pytest.param({"object": SecretStr(CANARY)}, id="in a guarded value"),
    pytest.param({"raw": URL.encode()}, id="in bytes"),
    pytest.param({URL: 1}, id="in a key"),
]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("fields", SECRETS)
def test_no_secret_in_a_field(configured: Write, log_format: str, fields: dict[str, Any]) -> None:
    stream = configured(log_format)
    log.info("something happened", **fields)
    assert stream.getvalue()
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_in_what_libraries_say_and_raise(configured: Write, log_format: str) -> None:
    stream = configured(log_format)
    other = logging.getLogger("psycopg.pool")
    other.warning("error connecting in %r: %s", "pool-1", URL)
    try:
        raise ConnectionError(f"{URL} is down")  # noqa: TRY301 - it is to be caught here
    except ConnectionError:
        other.exception("lost")
        log.exception("lost", url=URL)
    log.info("connecting to %s", URL)
    assert len(stream.getvalue().splitlines()) == 4
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"token": 7}, id="a claim token is a number"),
        pytest.param({"server": "https://10.0.0.1:6443/api/v1"}, id="a URL without a password"),
        pytest.param({"who": "a@example.org"}, id="an address"),
        pytest.param({"remark": "no password supplied"}, id="the word alone"),
        pytest.param({"path": "/etc/passwd"}, id="a path"),
    ],
)
def test_what_is_no_secret_is_shown(configured: Write, fields: dict[str, Any]) -> None:
    stream = configured()
    log.info("x", **fields)
    assert fields.items() <= only_line(stream).items()


def test_around_a_secret_the_text_stays_legible(configured: Write) -> None:
    stream = configured()
    log.info("x", error=f"cannot reach {URL}: refused")
    assert only_line(stream)["error"] == "cannot reach postgresql://ticklock:[redacted]@db:5432/ledger: refused"


def test_fields_of_the_process_are_in_the_lines_of_every_thread(configured: Write) -> None:
    stream = configured(replica="r-1")
    other = threading.Thread(target=lambda: log.info("from a thread"))
    other.start()
    other.join()
    assert only_line(stream)["replica"] == "r-1"


async def test_fields_of_a_task_are_in_the_lines_of_what_it_starts_and_no_others(configured: Write) -> None:
    stream = configured()

    async def duty(name: str) -> None:
        with log_fields(duty=name):
            await asyncio.to_thread(log.info, name)

    async with asyncio.TaskGroup() as group:
        group.create_task(duty("planner"))
        group.create_task(duty("observer"))
    log.info("none")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {(line["event"], line.get("duty")) for line in lines} == {
        ("planner", "planner"),
        ("observer", "observer"),
        ("none", None),
    }


def test_configuring_again_replaces_what_was_before(configured: Write) -> None:
    first, second = configured(), configured("console")
    log.info("x")
    assert not first.getvalue()
    assert len(second.getvalue().splitlines()) == 1
    assert sum(isinstance(handler, _Handler) for handler in logging.getLogger().handlers) == 1


def test_warnings_of_python_are_log_lines(configured: Write) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        stream = configured()
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old way" in only_line(stream)["event"]
