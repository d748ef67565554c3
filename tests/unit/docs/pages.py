"""The Markdown of this repository, taken apart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
WITH_THE_CHARTS = [*PAGES, ROOT / "charts" / "ticklock" / "README.md"]

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_HEREDOC = re.compile(r"<<'(\w+)'$")
_PLACEHOLDER = re.compile(r"<[a-z]+>|…")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a console block, and what the page says that it prints."""

    line: str
    output: str


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    return [first or second for first, second in _LINK.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    return {slug(heading) for heading in _HEADING.findall(prose(page))}


def slug(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
    return kept.strip().replace(" ", "-")


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in _FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def codes(page: Path) -> set[str]:
    """What stands in backticks, outside of blocks."""
    return set(_CODE.findall(prose(page)))


def commands(page: Path) -> Iterator[Command]:
    """The commands of console blocks: lines that begin with `$ `, each with the lines up to the next one.

    What a command reads from the page (`<<'EOF'`) belongs to it.
    """
    for body in blocks(page, "console"):
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, _, output = part.replace("\\\n", "").partition("\n")
            if word := _HEREDOC.search(line):
                given, _, output = output.partition(f"{word[1]}\n")
                yield Command(f"{line}\n{given}{word[1]}", output)
            else:
                yield Command(" ".join(line.split()) if '"' not in line else line.strip(), output)


def invocations(page: Path, program: str) -> Iterator[list[str]]:
    """How the page calls a program: in its blocks, in backticks, after `--` of another; without the program's name."""
    lines = [command.line for command in commands(page)]
    lines += [line for body in blocks(page, "shell") for line in body.replace("\\\n", "").splitlines()]
    lines += [code for code in sorted(codes(page)) if code.startswith(f"{program} ")]
    for line in lines:
        yield from _calls(line.partition("\n")[0], program)


def _calls(line: str, program: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(_PLACEHOLDER.sub("placeholder", line), posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "#", True
    call: list[str] = []
    for token in (*lexer, ";"):
        if token != "--" and not set(token) <= set("|&;()<>"):
            call.append(token)
            continue
        if call[:1] == [program]:
            yield call[1:]
        call = []


def values(page: Path) -> list[dict[str, Any]]:
    """The values for the chart that a page shows: YAML without a kind."""
    found = [yaml.safe_load(body) for body in blocks(page, "yaml")]
    return [one for one in found if "kind" not in one]


def tables(page: Path) -> list[list[list[str]]]:
    """The rows of each table, the head first, without the line of dashes."""
    found: list[list[list[str]]] = [[]]
    for line in prose(page).splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [[rows[0], *rows[2:]] for rows in found if rows]
