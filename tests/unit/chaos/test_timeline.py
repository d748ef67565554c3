"""The picture of a history: whole in one file, every finding in it, nothing in it that a name could smuggle in."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.chaos import timeline
from tests.chaos.case import Case
from tests.chaos.folder import Recorder
from tests.chaos.history import Action, History, Target
from tests.chaos.judge import judge
from tests.unit.chaos import breaking
from tests.unit.chaos.stories import START, sound

_VOID = {"meta", "input"}


class _Reader(HTMLParser):
    """Collects what stands in a page; fails where tags do not fit each other."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str, css: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag and css in (attrs.get("class") or "").split()]


def _read(history: History) -> tuple[_Reader, str]:
    case = Case(history)
    text = timeline.page(case, judge(case))
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader, text


def _eventful() -> History:
    story = sound()
    breaking.second_job(story)
    story.without(200)
    story.fault(20, 30, "database-killed", Target.DATABASE)
    story.fault(25, 40, "replica-killed", Target.REPLICA, replica="a")
    story.verdict(30, "Missed", "Outage", after=20.0)
    story.tick(40, lag=9.0)
    story.asked(Action.TRIGGER, START + 250.0, trigger="now")
    story.ran("trigger:now", START + 250.1)
    return story.history()


def test_everything_is_in_it() -> None:
    reader, text = _read(_eventful())
    assert len(reader.all("line", "owed")) + len(reader.all("line", "optional")) == 35
    assert len(reader.all("rect", "pod")) == 31
    assert len(reader.all("text", "Missed")) == 2  # one of them in the legend
    assert len(reader.all("line", "lag")) == 1
    assert len(reader.all("rect", "band")) == 2
    assert len(reader.all("text", "op")) == 3
    assert text.count("replica=a") == 1


def test_each_finding_and_its_place_lead_to_each_other() -> None:
    case = Case(_eventful())
    findings = judge(case).findings
    reader, _ = _read(_eventful())
    ids = {attrs["id"] for _, attrs in reader.tags if "id" in attrs}
    links = {attrs["href"] for _, attrs in reader.tags if "href" in attrs}
    numbers = range(1, len(findings) + 1)
    assert len(findings) == 2
    assert {f"finding-{number}" for number in numbers} | {f"mark-{number}" for number in numbers} <= ids
    assert links == {f"#{one}" for one in ids if one is not None and re.match(r"(finding|mark)-", one)}


def test_it_needs_no_other_file() -> None:
    reader, text = _read(_eventful())
    assert not [attrs for _, attrs in reader.tags if "src" in attrs]
    assert not [tag for tag, _ in reader.tags if tag in {"link", "img", "iframe", "object"}]
    assert "http" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_two_faults_at_the_same_time_do_not_hide_each_other() -> None:
    reader, _ = _read(_eventful())
    assert len({attrs["y"] for attrs in reader.all("rect", "band")}) == 2


def test_names_cannot_smuggle_anything_in() -> None:
    story = sound()
    evil = '<script>alert("x")</script>'
    story.meta = replace(story.meta, command=evil)
    story.fault(20, 30, evil, Target.DATABASE, note=evil)
    story.asked(Action.TRIGGER, START + 250.0, trigger=evil)
    story.ran(f"trigger:{evil}", START + 250.1)
    reader, text = _read(story.history())
    assert "<script>alert" not in text
    assert len([tag for tag, _ in reader.tags if tag == "script"]) == 1


def test_an_empty_history_can_be_drawn_too() -> None:
    reader, _ = _read(History.of(sound().meta, ()))
    assert len(reader.all("circle", "failure")) >= 5


def test_the_command_writes_it_beside_the_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = _eventful()
    with Recorder(tmp_path, history.meta) as recorder:
        for entry in history.entries:
            recorder.write(entry)
    assert timeline.main([str(tmp_path)]) == 0
    assert (tmp_path / timeline.FILE).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert capsys.readouterr().out == f"{tmp_path / timeline.FILE}\n"


def test_without_a_history_there_is_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert timeline.main([str(tmp_path)]) == 2
    assert "meta.json" in capsys.readouterr().err
