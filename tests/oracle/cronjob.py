"""CronJob's own parser, asked: a small Go program around robfig/cron v3, built where Go and its modules can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SOURCE = Path(__file__).with_name("robfig")
_BUILD_SECONDS = 100


class NotToBeHadError(Exception):
    """There is no Go, or its modules cannot be fetched; the message says which."""


@dataclass(frozen=True, slots=True)
class Question:
    """The next ticks of an expression in a zone, after a moment."""

    expression: str
    zone: str
    after: datetime
    count: int

    def line(self) -> str:
        """Write it as the program reads it."""
        return f"{self.count}\t{int(self.after.timestamp())}\t{self.zone}\t{self.expression}"


def build(folder: Path) -> Path:
    """Build the program into a folder; NotToBeHadError where that cannot be."""
    go = shutil.which("go")
    if go is None:
        raise NotToBeHadError("Go is not on PATH: CronJob's own parser cannot be asked")
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    fetched = _run([go, "mod", "download"], environment)
    if fetched.returncode:
        raise NotToBeHadError(f"robfig/cron cannot be fetched: {fetched.stderr.strip()[-300:]}")
    program = folder / "robfig"
    built = _run([go, "build", "-p", "1", "-o", str(program), "."], environment)
    assert built.returncode == 0, built.stderr
    return program


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
    )


def ask(program: Path, questions: Sequence[Question]) -> list[list[datetime] | str]:
    """Return the answer to each question: ticks, or why the expression is refused."""
    lines = "".join(f"{question.line()}\n" for question in questions)
    environment = {**os.environ, "ZONEINFO": _zone_files()}
    done = subprocess.run(
        [str(program)], input=lines, env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(questions)
    return [_read(answer) for answer in answers]


def _read(answer: str) -> list[datetime] | str:
    if answer.startswith("error "):
        return answer.removeprefix("error ")
    return [datetime.fromtimestamp(int(epoch), UTC) for epoch in answer.split()]


def _zone_files() -> str:
    """Return the folder of the time zone database that Python reads, so that both read the same one."""
    return next((folder for folder in zoneinfo.TZPATH if (Path(folder) / "UTC").exists()), "")
