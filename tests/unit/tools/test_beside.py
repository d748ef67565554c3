"""Commands side by side."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path

import pytest

from tools.beside import idle_share, main, run, split
from tools.devcluster.process import Daemon

ROOT = Path(__file__).parents[3]


def say(text: str, *, code: int = 0) -> list[str]:
    return ["sh", "-c", f"echo {text}; exit {code}"]


def test_commands_stand_between_plus_signs() -> None:
    assert split(["a", "-b", "+", "c"]) == [["a", "-b"], ["c"]]


@pytest.mark.parametrize("words", [["+", "a"], ["a", "+"], []])
def test_an_empty_command_is_no_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "write commands with a +" in capsys.readouterr().err


def test_each_is_shown_whole_in_its_place() -> None:
    out = io.StringIO()
    assert run([say("one"), say("two"), say("three")], out) == 0
    assert out.getvalue().split() == ["one", "two", "three"]


@pytest.mark.parametrize("codes", [(1, 0), (0, 3)])
def test_it_fails_if_one_fails_and_shows_the_other_all_the_same(codes: tuple[int, int]) -> None:
    out = io.StringIO()
    assert run([say(f"of-{number}", code=code) for number, code in enumerate(codes)], out) == 1
    assert out.getvalue().split() == ["of-0", "of-1"]


def test_they_run_at_the_same_time_and_here(tmp_path: Path) -> None:
    """Each waits for a file that the other makes, and the folder is ours."""
    waits = "touch {mine}; until [ -e {others} ]; do sleep 0.01; done; pwd"
    first, second = tmp_path / "first", tmp_path / "second"
    out = io.StringIO()
    commands = [
        ["sh", "-c", waits.format(mine=first, others=second)],
        ["sh", "-c", waits.format(mine=second, others=first)],
    ]
    assert run(commands, out, idle=lambda: 0.5, window=0) == 0
    assert out.getvalue().split() == [str(Path.cwd())] * 2


@pytest.mark.parametrize(
    ("idle", "window"),
    [pytest.param(0.49, 0, id="busy"), pytest.param(1.0, 3600, id="not known yet")],
)
def test_where_there_is_no_room_one_waits_for_the_end_of_the_other(tmp_path: Path, idle: float, window: float) -> None:
    go, ended = tmp_path / "go", tmp_path / "ended"

    class Looks(io.StringIO):
        """Lets the first end after some looks at it."""

        left = 3

        def flush(self) -> None:
            self.left -= 1
            if not self.left:
                go.touch()

    commands = [["sh", "-c", f"until [ -e {go} ]; do sleep 0.01; done; touch {ended}"], ["sh", "-c", f"ls {ended}"]]
    assert run(commands, Looks(), idle=lambda: idle, window=window) == 0


@pytest.mark.parametrize(
    ("stats", "share"),
    [
        pytest.param(["cpu  10 0 10 60 20 0 0 0 9 9", "cpu  20 0 20 130 30 0 0 0 9 9"], 0.8, id="since the last look"),
        pytest.param(["cpu  10 0 10 60 20 0 0 0", "cpu  10 0 10 60 20 0 0 0"], 0.0, id="no time has passed"),
        pytest.param([None, None], 0.0, id="no such file"),
    ],
)
def test_how_idle_the_processors_are_is_asked_of_the_kernel(
    tmp_path: Path, stats: list[str | None], share: float
) -> None:
    ask = idle_share(tmp_path / "stat")
    answers = []
    for line in stats:
        if line is not None:
            (tmp_path / "stat").write_text(f"{line}\ncpu0 1 2 3\n")
        answers.append(ask())
    assert answers[-1] == share


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_of_them(tmp_path: Path, number: signal.Signals) -> None:
    waits = "trap 'echo > {0}-ended; exit' INT; echo on | tee {0}; while :; do sleep 0.01; done"
    first, second = tmp_path / "first", tmp_path / "second"
    commands = ("sh", "-c", waits.format(first), "+", "sh", "-c", waits.format(second))
    program = "import sys, tools.beside; sys.exit(tools.beside.main(sys.argv[1:], idle=lambda: 1.0, window=0))"
    daemon = Daemon("beside", [sys.executable, "-c", program, *commands], tmp_path / "log", cwd=ROOT)
    daemon.start()
    while not (daemon.log_tail() and second.exists()):  # it shows the first when both are started
        daemon.check()
    daemon.stop(number)
    assert daemon.exit_code == 130
    assert (tmp_path / "first-ended").exists()
    assert (tmp_path / "second-ended").exists()
