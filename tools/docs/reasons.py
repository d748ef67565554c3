"""The page of reasons, from the docstrings of their enumeration, which only its source still holds."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ticklock.domain import reasons
from ticklock.domain.reasons import Reason
from tools.docs.markdown import code, table

_HEAD = """\
# Reasons

A reason says in one word why something is as it is. The same word stands in conditions, Events, metrics, logs, the
audit trail and the status. Reasons are added to; none ever changes its spelling or its meaning.

"""

_GROUP = re.compile(r" {4}# (.+)")


@dataclass(frozen=True, slots=True)
class Documented:
    """A reason with its docstring, and the heading it stands under."""

    reason: Reason
    group: str
    meaning: str


def page() -> str:
    """Return the page."""
    found = list(documented())
    groups = dict.fromkeys(one.group for one in found)
    return _HEAD + "\n".join(_section(group, [one for one in found if one.group == group]) for group in groups)


def _section(group: str, members: list[Documented]) -> str:
    rows = ((code(one.reason.value), one.meaning) for one in members)
    return f"## {group}\n\n" + table(("reason", "meaning"), rows)


def documented() -> Iterator[Documented]:
    """Yield each reason in the order of the source. Raises ValueError, naming it, where one has no docstring."""
    source = inspect.getsource(reasons)
    headings = {at: found[1] for at, line in enumerate(source.splitlines(), 1) if (found := _GROUP.fullmatch(line))}
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)).body
    for at, node in enumerate(body):
        if isinstance(node, ast.Assign):
            reason = Reason[ast.unparse(node.targets[0])]
            group = headings[max(line for line in headings if line < node.lineno)]
            yield Documented(reason, group.split(" (")[0].rstrip("."), _docstring(reason, body[at + 1 : at + 2]))


def _docstring(reason: Reason, after: list[ast.stmt]) -> str:
    match after:
        case [ast.Expr(value=ast.Constant(value=str(text)))]:
            return " ".join(text.split())
        case _:
            raise ValueError(f"reason {reason.value} has no docstring: say under it, in one sentence, what it means")
