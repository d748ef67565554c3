"""PostgreSQL URLs, read by libpq itself. No function here puts any part of a URL into an error: it may be a secret."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL

_DRIVER = "postgresql+psycopg"
_OWN_PLACE = ("user", "password", "dbname", "host", "port")


def parse(url: str) -> dict[str, str]:
    """Return libpq's parameters. Raises ValueError if it is no URL of a PostgreSQL database."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", _DRIVER}:
        raise ValueError("no PostgreSQL URL")
    try:
        urlsplit(url)
        found = conninfo_to_dict(f"postgresql://{rest}")
    except (ProgrammingError, ValueError):
        raise ValueError("no PostgreSQL URL") from None
    if not all(port.isdigit() for port in str(found.get("port", "5432")).split(",") if port):
        raise ValueError("no PostgreSQL URL")
    return {name: str(value) for name, value in found.items()}


def sqlalchemy_url(parameters: Mapping[str, str], password: str | None) -> URL:
    """Return the URL for SQLAlchemy; a password given apart comes before the one in the URL."""
    query = {name: value for name, value in parameters.items() if name not in _OWN_PLACE}
    host, port = parameters.get("host"), parameters.get("port")
    if host is not None and ("," in host or host.startswith("/")):  # several hosts, or the folder of a socket
        query |= {"host": host} | ({"port": port} if port else {})
        host = port = None
    return URL.create(
        _DRIVER,
        username=parameters.get("user"),
        password=password or parameters.get("password"),
        host=host,
        port=int(port) if port else None,
        database=parameters.get("dbname"),
        query=query,
    )


def conninfo(parameters: Mapping[str, str], password: str | None) -> str:
    """Return libpq's `name=value` form, with this password."""
    return make_conninfo("", **{**parameters, "password": password})


def place(parameters: Mapping[str, str]) -> str:
    """Return host, port and name of the database, none of which is secret."""
    return f"{parameters.get('host', 'localhost')}:{parameters.get('port', '5432')}/{parameters.get('dbname', '')}"
