"""The pages keep to the vocabulary, and hold nothing of the machine that they were written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import PAGES, ROOT, name, prose, tables

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
_WORDS = next(table for table in tables(CONTRIBUTING) if table[0] == ["word", "meaning", "not"])
AVOIDED = [word.strip() for row in _WORDS[1:] for word in row[2].split(",") if word.strip()]

_NOT_HERE = {
    "the folder of a user": re.compile(r"(?<![\w.])/(?:root|home|Users|work|workspace)/"),
    "an issue's number": re.compile(r"(?:\bissue\s+|(?<![\w&/#`])#)\d+\b", re.IGNORECASE),
    "something left to do": re.compile(r"\b(?:TODO|FIXME|XXX|TBD)\b"),
    "a trailing space": re.compile(r"[ \t]$", re.MULTILINE),
    "a tab": re.compile(r"\t"),
}
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=name)


def test_the_vocabulary_avoids_words() -> None:
    assert {"worker", "execution"} <= set(AVOIDED)


@pytest.mark.parametrize("page", [page for page in PAGES if page != CONTRIBUTING], ids=name)
def test_no_word_that_the_vocabulary_avoids(page: Path) -> None:
    text = prose(page)
    assert not [word for word in AVOIDED if re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE)]


@EACH_PAGE
@pytest.mark.parametrize("what", _NOT_HERE)
def test_nothing_that_does_not_belong_here(page: Path, what: str) -> None:
    found = _NOT_HERE[what].search(page.read_text(encoding="utf-8"))
    assert found is None, f"{what}: {found[0]!r}"
