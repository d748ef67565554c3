"""The reference pages say what the code says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ticklock.cli.main import COMMANDS
from ticklock.domain.reasons import Reason
from ticklock.settings.model import Settings
from ticklock.telemetry.catalogue import METRICS
from tools.crd.assemble import OWN_SCHEMA, load
from tools.docs import pages, reasons

_SCHEMA = load(OWN_SCHEMA.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
OWN_FIELDS = [name for part in ("spec", "status") for name in _SCHEMA["properties"][part]["properties"]]


def _every_rule(schema: Any) -> Iterator[dict[str, str]]:
    """The rules of a schema and of all that it holds, wherever they stand in it."""
    match schema:
        case dict():
            yield from schema.get("x-kubernetes-validations", ())
            for held in schema.values():
                yield from _every_rule(held)
        case list():
            for held in schema:
                yield from _every_rule(held)


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
        pytest.param("scheduledjob.md", [f"| `{name}` |" for name in OWN_FIELDS], id="fields of a ScheduledJob"),
        pytest.param("cli.md", [f"## ticklock {name}\n" for name in COMMANDS], id="commands"),
    ],
)
def test_nothing_is_left_out(page: str, names: list[str]) -> None:
    text = pages.content(page)
    assert not [name for name in names if text.count(name) != 1]


@pytest.mark.parametrize(
    "message", [pytest.param(rule["message"], id=rule["rule"][:60]) for rule in _every_rule(_SCHEMA)]
)
def test_every_refusal_of_a_scheduled_job_is_told_in_its_words(message: str) -> None:
    assert " ".join(message.split()) in pages.content("scheduledjob.md").replace("\\*", "*")


def test_a_missing_page_and_an_edited_one_are_noticed_and_mended(tmp_path: Path) -> None:
    assert len(pages.outdated(tmp_path)) == len(pages.PAGES)
    assert pages.generate(tmp_path) == [pages.FOLDER / name for name in pages.PAGES]
    assert not pages.outdated(tmp_path)
    edited = tmp_path / pages.FOLDER / "reasons.md"
    edited.write_text(edited.read_text(encoding="utf-8") + "and more\n", encoding="utf-8")
    assert pages.outdated(tmp_path) == [pages.FOLDER / "reasons.md"]
