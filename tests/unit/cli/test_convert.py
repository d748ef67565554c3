"""`ticklock convert`: files, standard input and a cluster."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

from tests.support.cronjob_shapes_more import ALL_SHAPES
from ticklock.cli.main import main

CRONJOB = ALL_SHAPES[0].manifest()


def test_files_become_manifests_and_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, shape in enumerate(ALL_SHAPES):
        (tmp_path / f"{number:02}.yaml").write_text(yaml.safe_dump(shape.manifest()), encoding="utf-8")
    (tmp_path / "other.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", encoding="utf-8")
    assert main(["convert", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    made = list(yaml.safe_load_all(printed.out))
    assert [one["kind"] for one in made] == ["ScheduledJob"] * len(ALL_SHAPES)
    assert [one["spec"] for one in made] == [shape.manifest()["spec"] for shape in ALL_SHAPES]
    assert f"{len(ALL_SHAPES)} CronJobs converted; work by hand is needed for none" in printed.err
    assert "1 other manifest left out" in printed.err


def test_what_it_makes_is_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "---\n".join(yaml.safe_dump(shape.manifest()) for shape in ALL_SHAPES)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["convert", "-", "--start-at", "2026-03-01T00:00:00Z", "--keep-nights"]) == 0
    made = tmp_path / "made.yaml"
    made.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["validate", str(made), "--after", "2026-01-01T00:00:00Z"]) == 0
    assert "next     2026-02" not in capsys.readouterr().out


def test_one_that_needs_work_is_in_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    never = {**CRONJOB, "spec": {**CRONJOB["spec"], "schedule": "0 0 31 2 *"}}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(never)))
    assert main(["convert", "-"]) == 1
    assert "fails    spec.schedule '0 0 31 2 *' never fires" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "name manifests, or --cluster", id="nothing named"),
        pytest.param(["--cluster", "-"], "name manifests, or --cluster", id="both named"),
        pytest.param(["--start-at", "tomorrow", "-"], "no RFC 3339 time", id="a word for a time"),
    ],
)
def test_bad_arguments(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", *arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in kubectl's place that notes how it was called, and answers as a cluster with one CronJob would."""
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"kind": "List", "items": [CRONJOB]}), encoding="utf-8")
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/called\ncat {answer}\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def test_a_cluster_is_asked_by_kubectl(kubectl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "--cluster", "-A", "--context", "old"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "ScheduledJob"
    called = (kubectl / "called").read_text(encoding="utf-8")
    assert called.split() == ["get", "cronjobs.v1.batch", "-o", "json", "--all-namespaces", "--context", "old"]


def test_what_kubectl_says_against_it_is_passed_on(kubectl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kubectl / "kubectl").write_text("#!/bin/sh\necho 'no such context' >&2\nexit 1\n", encoding="utf-8")
    assert main(["convert", "--cluster"]) == 2
    assert capsys.readouterr().err == "ticklock convert: kubectl: no such context\n"


def test_without_kubectl_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["convert", "--cluster"]) == 2
    assert "kubectl is not on PATH; pipe the output" in capsys.readouterr().err
