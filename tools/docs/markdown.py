"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell is written so that it does not end the cell."""
    lines = [head, ["---"] * len(head), *([_cell(one) for one in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def code(text: str) -> str:
    """Return the text as code, or a dash where there is none."""
    return f"`{text}`" if text else "—"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
