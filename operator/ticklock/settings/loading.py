"""Finding the settings: four layers, of which the upper one wins, and errors in the words of the layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ticklock.settings import environment, file, flags
from ticklock.settings.errors import SettingsError
from ticklock.settings.model import Settings

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_SECRETS = frozenset({"database_url", "database_direct_url", "database_password"})
_FIELD = re.compile(r"\b(" + "|".join(sorted(Settings.model_fields, key=len, reverse=True)) + r")\b")


@dataclass(frozen=True, slots=True)
class _Given:
    """A value, and the name under which it was given."""

    value: Any
    name: str


def load(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    prog: str = "ticklock controller",
    namespace_file: Path = NAMESPACE_FILE,
) -> Settings:
    """Return the settings from the flags, else the environment, else the file, else the defaults.

    The file is the one of `--config` or TICKLOCK_CONFIG. The password file is read here. `--help` prints and raises
    SystemExit(0). Raises SettingsError that tells all that is wrong with the values at once, and no secret.
    """
    by_flag = flags.given(argv, prog=prog)
    by_variable = environment.given(environ)
    path = by_flag.pop("config", None) or environ.get(flags.CONFIG_VARIABLE)
    layers = (
        _named(_surroundings(environ, namespace_file), str),
        _named(file.read(Path(path)) if path else {}, lambda key: f"{key} in {path}"),
        _named(by_variable, flags.variable),
        _named(by_flag, flags.flag),
    )
    given = {key: value for layer in layers for key, value in layer.items()}
    settings = _checked(given)
    if settings.database_password_file is None:
        return settings
    password = _password(settings.database_password_file, given["database_password_file"].name)
    return settings.model_copy(update={"database_password": type(settings.database_url)(password)})


def _named(values: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, _Given]:
    return {key: _Given(value, name(key)) for key, value in values.items()}


def _surroundings(environ: Mapping[str, str], namespace_file: Path) -> dict[str, str]:
    """Return the defaults that depend on where we run."""
    found = {}
    if host := environ.get("HOSTNAME"):
        found["pod_name"] = host
    if "KUBERNETES_SERVICE_HOST" in environ:
        try:
            namespace = namespace_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            namespace = ""
        if namespace:
            found["lease_namespace"] = namespace
    return found


def _password(path: Path, name: str) -> str:
    """Return the text of the file without the line ends at its end."""
    try:
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: {path} is no UTF-8 text; write the password as text into it") from None
    except OSError as error:
        raise SettingsError(
            f"{name}: {path} cannot be read ({error.strerror}); mount the secret there, or name another file"
        ) from None
    if not password:
        raise SettingsError(f"{name}: {path} is empty; write the password into it")
    return password


def _checked(given: Mapping[str, _Given]) -> Settings:
    try:
        return Settings.model_validate({key: item.value for key, item in given.items()})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise SettingsError("\n".join(_sentence(detail, given) for detail in details)) from None


def _sentence(detail: ErrorDetails, given: Mapping[str, _Given]) -> str:
    if not detail["loc"]:  # a rule between settings, told with their names as fields
        text = str(detail["ctx"]["error"])
        return _FIELD.sub(lambda found: given[found[0]].name if found[0] in given else found[0], text)
    key = str(detail["loc"][0])
    wanted = flags.wants(Settings.model_fields[key])
    if key not in given:
        return (
            f"{key} is missing: set {flags.variable(key)}, {flags.flag(key)} or the key {key} of the file to {wanted}"
        )
    shown = "the value" if key in _SECRETS else repr(given[key].value)
    return f"{given[key].name}: {shown} cannot be used; give {wanted}"
