"""Structured log lines: one line a fact, on one way for structlog and for every library that uses `logging`."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from ticklock.telemetry.redaction import redacted, scrubbed

log_fields = bound_contextvars
"""`with log_fields(duty="planner"):` adds fields to every line of this task and those that it starts."""

Format = Literal["json", "console"]

_FLOORS = {
    "kopf": logging.WARNING,  # at INFO, a line for each event of each object
    "aiohttp.access": logging.WARNING,
    "aiohttp": logging.INFO,
    "asyncio": logging.INFO,
    "kubernetes": logging.INFO,  # at DEBUG, whole responses
    "psycopg": logging.INFO,
    "sqlalchemy": logging.WARNING,  # at INFO, statements with their parameters
    "urllib3": logging.INFO,
}
"""Below these levels libraries tell too much, whatever our own level is."""

_FIRST = ("timestamp", "level", "event")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def configure_logging(
    log_format: Format, level: str, *, fields: Mapping[str, str] | None = None, stream: TextIO | None = None
) -> None:
    """Send every log line of the process to standard error, or to `stream`.

    `level`: debug, info, warning or error. `fields` go into every line of every thread: who this replica is. May be
    called again; the last call counts. Times are UTC. Secrets are hidden as `redaction` describes.
    """
    handler = _Handler(sys.stderr if stream is None else stream)
    handler.setFormatter(_formatter(log_format, fields or {}))
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(threshold)
    for name, floor in _FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, threshold))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second configuration finds it."""


def _formatter(log_format: Format, fields: Mapping[str, str]) -> logging.Formatter:
    def who(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**fields, **event}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            who,
            structlog.processors.format_exc_info,
            _redact,
            _in_order,
            _as_json if log_format == "json" else _as_text,
        ],
    )


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {scrubbed(key): redacted(key, value) for key, value in event.items()}


def _in_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put first what every line has."""
    return {**{key: event[key] for key in _FIRST if key in event}, **event}


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    """ASCII only: every other character that some reader takes for the end of a line is escaped."""
    return json.dumps(event, ensure_ascii=True, separators=(",", ":"), default=str)


def _as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    head = f"{event.pop('timestamp', '')} {event.pop('level', ''):<7} {escaped(str(event.pop('event', '')))}"
    return "  ".join([head, *(f"{escaped(key)}={_value(value)}" for key, value in event.items())])


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = escaped(text)
    return f"'{text}'" if isinstance(value, str) and (not text or " " in text) else text


def escaped(text: str) -> str:
    r"""Return the text with control characters written out, as \n or \x1b: it stays one line and moves no cursor."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
