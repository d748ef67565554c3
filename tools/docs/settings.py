"""The page of settings, from their model."""

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ticklock.settings.flags import CONFIG_FLAG, CONFIG_VARIABLE, NO_FLAG, flag, variable, wants
from ticklock.settings.model import Settings
from tools.docs.markdown import code, table

_HEAD = f"""\
# Settings

Every replica reads its settings once, at its start. There are four layers, and the upper one wins:

1. flags of `ticklock controller` and `ticklock migrate`;
2. environment variables;
3. a file, YAML or JSON, named by `{CONFIG_FLAG}` or `{CONFIG_VARIABLE}`; its keys are the names in the first column;
4. the defaults.

A setting that cannot be used ends the process with exit code 2 and one line for each mistake. The line names the
setting as it was given, and says how to mend it. Unknown names are mistakes too. No secret is ever shown.

An empty variable counts as not set. A switch is given as `--name` or `--no-name`.

"""

_TAIL = """
The password has no flag: every process of a machine can read the command lines of the others.
`database_password` and `database_password_file` exclude each other.
`lease_duration_seconds` must exceed `renew_deadline_seconds`, and that must exceed 1.2 times `retry_period_seconds`.
"""


def page() -> str:
    """Return the page."""
    head = ("setting", "flag", "variable", "default", "value", "meaning")
    rows = (_row(name, field) for name, field in Settings.model_fields.items())
    return _HEAD + table(head, rows) + _TAIL


def _row(name: str, field: FieldInfo) -> tuple[str, ...]:
    shown = "—" if name in NO_FLAG else code(flag(name))
    return code(name), shown, code(variable(name)), _default(field), wants(field), field.description or ""


def _default(field: FieldInfo) -> str:
    default = field.get_default()
    match default:
        case _ if field.is_required():
            return "required"
        case None:
            return "—"
        case _ if default is PydanticUndefined:
            return "see meaning"
        case bool():
            return code(str(default).lower())
        case int() | float():
            return code(f"{default:g}")
        case _:
            return code(str(default))
