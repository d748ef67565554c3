"""The command, the matching without labels, and that the checker shares no code with what it judges."""

from __future__ import annotations

import ast
import json
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos import check, judge
from tests.chaos.case import Case
from tests.chaos.figures import figures
from tests.chaos.folder import Recorder
from tests.chaos.history import History, Target
from tests.chaos.rules.labels import Window, matched
from tests.unit.chaos import breaking
from tests.unit.chaos.stories import sound

CHECKER = Path(judge.__file__).parent


def _written(folder: Path, history: History) -> Path:
    with Recorder(folder, history.meta) as recorder:
        for entry in history.entries:
            recorder.write(entry)
    return folder


def test_a_sound_history_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(_written(tmp_path, sound().history()))]) == 0
    shown = capsys.readouterr().out
    assert shown.count("holds") == 8
    assert "owed 31" in shown
    assert "FOUND" not in shown


def test_a_broken_one_does_not_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = sound()
    breaking.second_job(story)
    assert check.main([str(_written(tmp_path, story.history()))]) == 1
    shown = capsys.readouterr().out
    assert "R1 FOUND [22:15:00.100Z] n/s at 22:15:00Z started 2 times" in shown
    assert "uid=job-other" in shown


def test_programs_get_everything_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = sound()
    breaking.second_job(story)
    story.without(200)
    story.fault(95, 105, "database-killed", Target.DATABASE)
    assert check.main([str(_written(tmp_path, story.history())), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False
    assert [rule for rule, holds in told["rules"].items() if not holds] == ["R1", "R2"]
    assert (told["figures"]["owed"], told["figures"]["missed"], told["figures"]["lost"]) == (31, 1, 1)
    assert told["figures"]["duplicate_rate"] == pytest.approx(1 / 30)
    assert set(told["figures"]["lags"]) == {"no fault", "any fault", "database-killed"}
    assert told["figures"]["verdicts"] == {"Completed, JobCompleted": 30}
    assert [one["kind"] for one in told["findings"][0]["evidence"]] == ["job", "job", "node", "node"]


@pytest.mark.parametrize("content", [None, "nonsense"], ids=["no such folder", "no history in it"])
def test_what_is_no_history_is_neither_passed_nor_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    folder = tmp_path / "run"
    if content is not None:
        folder.mkdir()
        (folder / "meta.json").write_text(content)
    assert check.main([str(folder)]) == 2
    assert str(folder) in capsys.readouterr().err


def test_lags_and_recovery_are_measured() -> None:
    story = sound()
    story.fault(95, 105, "database-killed", Target.DATABASE)
    story.tick(100, lag=12.0)
    story.tick(110, lag=2.0)
    measured = figures(Case(story.history()))
    assert measured.slowest_recovery == pytest.approx(7.0)
    assert measured.lags["database-killed"].most == pytest.approx(12.0)
    assert measured.lags["database-killed"].p50 == pytest.approx(2.0)
    assert measured.lags["no fault"].most == pytest.approx(0.1)
    assert measured.miss_rate == 0


@given(
    st.lists(st.integers(0, 12), max_size=4),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=4),
)
@settings(deadline=None)
def test_matching_without_labels_finds_as_many_as_there_can_be(points: list[int], spans: list[tuple[int, int]]) -> None:
    windows = [Window(opens, opens + length) for opens, length in spans]
    ways = permutations([*windows, *[None] * len(points)], len(points))
    most = max(
        (
            sum(one is not None and one.opens <= at <= one.closes for at, one in zip(points, way, strict=True))
            for way in ways
        ),
        default=0,
    )
    assert sum(matched(points, windows)) == most


def test_the_checker_does_not_know_the_product() -> None:
    checked = _reached(CHECKER / "check.py", set())
    assert len(checked) > 15
    assert "ticklock" not in {name for path in checked for name in _imports(path)}


def _reached(path: Path, seen: set[Path]) -> set[Path]:
    """The files of the tests that a file imports, and those that they import."""
    seen.add(path)
    tree = ast.parse(path.read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    for module in modules:
        file = CHECKER.parents[1].joinpath(*module.split(".")).with_suffix(".py")
        if file.exists() and file not in seen:
            _reached(file, seen)
    return seen


def _imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in plain | named}
