"""The entry point: which command runs, and what the small ones print."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from ticklock.cli import crd_command
from ticklock.cli.main import COMMANDS, main

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([flag])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {name}" in printed for name in COMMANDS)


def test_whoever_does_not_read_gets_no_traceback() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [str(Path(sys.executable).with_name("ticklock")), "crd"]
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


def test_without_a_command_the_help_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: ticklock")


def test_an_unknown_command_is_one_line_that_names_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["nxt"])
    assert exit_.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("ticklock: argument command: invalid choice: 'nxt'")
    assert line.count("\n") == 1
    assert all(name in line for name in COMMANDS)


def test_the_process_arguments_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ticklock", "next", "0 25 * * *"])
    assert main() == 2
    assert capsys.readouterr().err.startswith("ticklock next: hour: 25")


@pytest.mark.parametrize(("command", "module"), [("controller", "controller"), ("migrate", "migration")])
def test_what_follows_the_command_is_handed_on_and_its_exit_code_back(
    command: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def record(argv: Sequence[str]) -> int:
        seen.append(list(argv))
        return 7

    bootstrap = ModuleType(f"ticklock.bootstrap.{module}")
    setattr(bootstrap, f"run_{command}", record)
    monkeypatch.setitem(sys.modules, bootstrap.__name__, bootstrap)
    assert main([command, "--config", "file", "--help"]) == 7
    assert seen == [["--config", "file", "--help"]]


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"{version('ticklock')}\n"


def test_crd_prints_the_definition(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert "\n  name: scheduledjobs.ticklock.dev\n" in capsys.readouterr().out


def test_crd_prefers_the_packaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packaged, checkout = tmp_path / "packaged.yaml", tmp_path / "checkout.yaml"
    monkeypatch.setattr(crd_command, "candidates", lambda: (packaged, checkout))
    checkout.write_text("of: the checkout\n", encoding="utf-8")
    assert main(["crd"]) == 0
    packaged.write_text("of: the package\n", encoding="utf-8")
    assert main(["crd"]) == 0
    assert capsys.readouterr().out == "of: the checkout\nof: the package\n"


def test_a_missing_definition_is_said_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crd_command, "candidates", lambda: (tmp_path / "one", tmp_path / "two"))
    assert main(["crd"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("ticklock crd: scheduledjobs.yaml is missing at ")
    assert line.endswith("install the package again\n")
