"""The command line and its help, built from the model."""

from __future__ import annotations

from argparse import Action, ArgumentParser, BooleanOptionalAction, HelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ticklock.settings.errors import SettingsError, did_you_mean
from ticklock.settings.model import Settings, Wants

PREFIX = "TICKLOCK_"
CONFIG_FLAG, CONFIG_VARIABLE = "--config", f"{PREFIX}CONFIG"
NO_FLAG = frozenset({"database_password"})
"""Every process of a machine can read the command lines of the others."""

_EPILOG = "A flag comes before its variable, and that before the file. In the file, names are as in database_url."


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def flag(name: str) -> str:
    """Return the flag of a setting."""
    return "--" + name.replace("_", "-")


def given(argv: Sequence[str], *, prog: str) -> dict[str, str]:
    """Return what the flags say, by setting, and `config`. `--help` prints and exits. Raises SettingsError."""
    parser = _parser(prog)
    known, unknown = parser.parse_known_args(list(argv))
    if unknown:
        raise SettingsError(_unknown(unknown))
    return {name: str(value) for name, value in vars(known).items() if value is not None}


def wants(field: FieldInfo) -> str:
    """Return what a value of this setting must be, in words."""
    for mark in field.metadata:
        if isinstance(mark, Wants):
            return mark.words
    kind = field.annotation
    if kind in (int, float):
        low = next(mark.ge for mark in field.metadata if isinstance(mark, Ge))
        high = next(mark.le for mark in field.metadata if isinstance(mark, Le))
        return f"a {'whole ' if kind is int else ''}number from {low} to {high}"
    if kind is bool:
        return "true or false"
    return _of_other_kind(kind)


def _of_other_kind(kind: object) -> str:
    choices = getattr(kind, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(choices)
    if Path in choices:
        return "the path of a file"
    for inner in choices:
        for mark in getattr(inner, "__metadata__", ()):
            if isinstance(mark, Wants):
                return mark.words
    return "text that is not empty"


class _Formatter(HelpFormatter):
    """Wide enough that a line of help is a line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=6, width=110)


class _Parser(ArgumentParser):
    """A parser whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(message.removeprefix("argument "))


def _parser(prog: str) -> ArgumentParser:
    parser = _Parser(prog=prog, epilog=_EPILOG, allow_abbrev=False, formatter_class=_Formatter, usage=f"{prog} [flags]")
    parser.add_argument(
        CONFIG_FLAG, metavar="FILE", help=f"YAML or JSON file with settings. Variable {CONFIG_VARIABLE}; default: none"
    )
    for name, field in Settings.model_fields.items():
        told = _help(name, field)
        if name in NO_FLAG:
            parser.add_argument(flag(name), dest=name, action=_NoFlag, nargs="?", metavar="REFUSED", help=told)
        elif field.annotation is bool:
            parser.add_argument(flag(name), dest=name, action=BooleanOptionalAction, help=told)
        else:
            parser.add_argument(flag(name), dest=name, metavar=_metavar(name, field), help=told)
    return parser


class _NoFlag(Action):
    """Stands in the help beside the others, but refuses to be used."""

    def __call__(self, *_: object) -> NoReturn:
        raise SettingsError(
            f"{self.option_strings[0]}: a password on the command line can be read by every process; "
            f"set {variable(self.dest)} or {flag(self.dest + '_file')} instead"
        )


def _help(name: str, field: FieldInfo) -> str:
    default = field.get_default()
    if default is PydanticUndefined:
        shown = "required" if field.is_required() else None
    else:
        shown = None if default is None else f"default: {_plain(default)}"
    return f"{field.description} Variable {variable(name)}{'; ' + shown if shown else ''}".replace("%", "%%")


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _metavar(name: str, field: FieldInfo) -> str:
    kind = field.annotation
    if kind in (int, float):
        return "N"
    choices = getattr(kind, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return "|".join(choices)
    return "FILE" if Path in choices else "URL" if name.endswith("_url") else "TEXT"


def _unknown(arguments: Sequence[str]) -> str:
    """Return what to say; never a word that follows an unknown flag: it may be a secret."""
    first = arguments[0]
    if not first.startswith("-"):
        return "there is an argument that belongs to no flag; settings are given as --name value"
    name = first.partition("=")[0]
    return f"{name}: there is no such flag; {did_you_mean(name, all_flags())}"


def all_flags() -> list[str]:
    """Return every flag that works."""
    names = [name for name in Settings.model_fields if name not in NO_FLAG]
    switches = [name for name in names if Settings.model_fields[name].annotation is bool]
    return [CONFIG_FLAG, *map(flag, names), *(flag(f"no_{name}") for name in switches)]
