"""What is published is what the checker says of the histories, and where each figure stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import publish, sheets
from tests.chaos.folder import Recorder
from tests.chaos.history import History, Target
from tests.chaos.sabotage import GUARDS
from tests.unit.chaos import breaking
from tests.unit.chaos.stories import Story, sound


def kept(folder: Path, history: History, **notes: object) -> Path:
    with Recorder(folder, replace(history.meta, notes={**history.meta.notes, **notes})) as recorder:
        for entry in history.entries:
            recorder.write(entry)
    return folder


def story(edit: Callable[[Story], object]) -> History:
    made = sound()
    edit(made)
    return made.history()


def faulty(one: Story) -> None:
    one.fault(95, 105, "database-killed", Target.DATABASE)


def faulty_and_double(one: Story) -> None:
    faulty(one)
    breaking.second_job(one)


def test_a_soak_tells_what_was_owed_and_what_each_fault_did(tmp_path: Path) -> None:
    amount, kinds = sheets.soak([kept(tmp_path / "one", story(faulty))])
    figures = {row[0]: row[1] for row in amount.rows}
    assert (figures["ticks and triggers owed"], figures["runs started"]) == ("31", "31")
    assert (figures["started twice"], figures["lost without a word"], figures["faults of machines and links"]) == (
        "0",
        "0",
        "1, of 1 kinds",
    )
    assert figures["ended as Completed, JobCompleted"] == "31"
    assert [row[:2] for row in kinds.rows] == [("database-killed", "1")]


def test_the_command_is_told_without_a_folder_of_one_machine(tmp_path: Path) -> None:
    history = story(faulty)
    command = "python -m tests.chaos --seed 1 --out /somewhere --seconds 9"
    told = replace(history, meta=replace(history.meta, command=command))
    amount, _ = sheets.soak([kept(tmp_path / "one", told)])
    assert amount.measured.command == "python -m tests.chaos --seed 1 --seconds 9"


@pytest.mark.parametrize(
    ("edit", "what", "count"),
    [
        pytest.param(breaking.second_job, "started twice", "1", id="a double"),
        pytest.param(lambda one: one.without(200), "lost without a word", "1", id="a loss"),
    ],
)
def test_what_went_wrong_is_published(tmp_path: Path, edit: Callable[[Story], object], what: str, count: str) -> None:
    amount, _ = sheets.soak([kept(tmp_path / "one", story(edit))])
    figures = {row[0]: row[1] for row in amount.rows}
    assert figures[what] == count
    assert figures["rules of the checker that are broken"] != "none"


def test_the_matrix_has_a_line_for_each_history(tmp_path: Path) -> None:
    kept(tmp_path / "killed", story(faulty), cells=59)
    kept(tmp_path / "stopped", story(faulty_and_double), cells=35)
    (sheet,) = sheets.matrix([tmp_path])
    assert [row[1:] for row in sheet.rows] == [("59", "31", "0", "0", "0"), ("35", "31", "1", "0", "1")]


def test_a_matrix_without_a_history_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="CHAOS_KEEP"):
        list(sheets.matrix([tmp_path]))


def test_a_guard_has_what_the_checker_says_with_it_and_without_it(tmp_path: Path) -> None:
    for guard in GUARDS:
        kept(tmp_path / f"{guard}-in", story(lambda _: None))
        kept(tmp_path / f"{guard}-out", story(breaking.second_job))
    (sheet,) = sheets.guards([tmp_path])
    assert [row[0] for row in sheet.rows] == list(GUARDS)
    assert {row[2:] for row in sheet.rows} == {("R1: n/s at 22:15:00Z started 2 times", "0", "1")}


def test_each_contender_has_a_line(tmp_path: Path) -> None:
    folders = [kept(tmp_path / who, story(lambda _: None), contender=who) for who in ("cronjob", "ticklock")]
    (sheet,) = sheets.contenders(folders)
    assert [row[0] for row in sheet.rows] == ["CronJob", "Ticklock"]


def test_what_is_published_stands_on_the_page(tmp_path: Path) -> None:
    folder, docs = kept(tmp_path / "one", story(faulty)), tmp_path / "docs"
    assert publish.main(["soak", str(folder), "--docs", str(docs)]) == 0
    assert "| ticks and triggers owed | 31 |" in (docs / "figures.md").read_text()
