"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticklock.cli.main import COMMANDS
from ticklock.domain.reasons import Reason
from ticklock.settings.model import Settings
from ticklock.telemetry.catalogue import METRICS
from tools.docs import pages, reasons


def test_every_page_is_up_to_date() -> None:
    assert not pages.outdated(), "run: python -m tools.docs generate"


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_every_reason_is_explained_in_a_sentence(reason: Reason) -> None:
    meaning = {one.reason: one.meaning for one in reasons.documented()}[reason]
    assert meaning.endswith(".")
    assert meaning in pages.content("reasons.md")


@pytest.mark.parametrize(
    ("page", "names"),
    [
        pytest.param("settings.md", [f"| `{name}` |" for name in Settings.model_fields], id="settings"),
        pytest.param("metrics.md", [f"| `{metric.full_name}` |" for metric in METRICS.values()], id="metrics"),
        pytest.param("cli.md", [f"## ticklock {name}\n" for name in COMMANDS], id="commands"),
    ],
)
def test_nothing_is_left_out(page: str, names: list[str]) -> None:
    text = pages.content(page)
    assert not [name for name in names if text.count(name) != 1]


def test_a_missing_page_and_an_edited_one_are_noticed_and_mended(tmp_path: Path) -> None:
    assert len(pages.outdated(tmp_path)) == len(pages.PAGES)
    assert pages.generate(tmp_path) == [pages.FOLDER / name for name in pages.PAGES]
    assert not pages.outdated(tmp_path)
    edited = tmp_path / pages.FOLDER / "reasons.md"
    edited.write_text(edited.read_text(encoding="utf-8") + "and more\n", encoding="utf-8")
    assert pages.outdated(tmp_path) == [pages.FOLDER / "reasons.md"]
