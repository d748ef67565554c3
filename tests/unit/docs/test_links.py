"""What the pages point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import PAGES, ROOT, anchors, codes, links, name, prose

EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=name)

_PATH = re.compile(
    r"(?:[\w.-]+/)*[\w.-]+\.(?:md|py|ya?ml|toml|txt|sh)|(?:operator|docs|tests|tools|crds|deploy|examples)/[\w./-]*"
)
_TARGET = re.compile(r"^([a-z0-9-]+):.*##", re.MULTILINE)
_MAKE = re.compile(r"`(?:[A-Z_]+=\S+ )?make ([a-z0-9-]+)[^`]*`|^make ([a-z0-9-]+)", re.MULTILINE)
_MODULE = re.compile(r"python -m (tools(?:\.\w+)+)")


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    lost = [link for link in links(page) if not link.startswith("https://") and not _leads_somewhere(page, link)]
    assert not lost


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target))


@EACH_PAGE
def test_paths_in_the_text_exist(page: Path) -> None:
    named = {code.rstrip("/") for code in codes(page) if _PATH.fullmatch(code)}
    assert not {path for path in named if not _exists(path)}


def _exists(path: str) -> bool:
    """From the top of the repository, or somewhere in the package, as in `store/binding.py`."""
    return (ROOT / path).exists() or (ROOT / "operator" / "ticklock" / path).exists()


@EACH_PAGE
def test_make_has_every_target_that_is_told(page: Path) -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))) | {"check", "arch"}
    told = {first or second for first, second in _MAKE.findall(page.read_text(encoding="utf-8"))}
    assert told <= targets


@EACH_PAGE
def test_every_tool_that_is_told_can_be_run(page: Path) -> None:
    for module in _MODULE.findall(page.read_text(encoding="utf-8")):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


def test_every_page_is_reached_from_the_readme() -> None:
    reached, found = {ROOT / "README.md"}, [ROOT / "README.md"]
    while found:
        page = found.pop()
        paths = (link.partition("#")[0] for link in links(page) if not link.startswith("https://"))
        targets = {(page.parent / path).resolve() for path in paths if path.endswith(".md")}
        found += targets - reached
        reached |= targets
    assert set(PAGES) <= reached


def test_no_page_is_empty() -> None:
    assert all(len(prose(page)) > 200 for page in PAGES)
