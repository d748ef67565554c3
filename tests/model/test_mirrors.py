"""The model says which code each step mirrors: that code is still there, under that name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

MODEL = Path(__file__).parent
PRODUCT = MODEL.parents[1] / "operator" / "ticklock"
_FILE = re.compile(r"\b((?:engine|store|kube|domain)/\w+\.py)((?:, `\w+`)*)")


def mirrored() -> Iterator[tuple[str, str | None]]:
    for source in sorted(MODEL.glob("*.py")):
        for file, names in _FILE.findall(source.read_text() if source != Path(__file__) else ""):
            yield from ((file, name) for name in re.findall(r"`(\w+)`", names) or [None])


@pytest.mark.parametrize(("file", "name"), sorted(set(mirrored()), key=str))
def test_what_a_step_mirrors_is_there(file: str, name: str | None) -> None:
    text = (PRODUCT / file).read_text()
    assert name is None or re.search(rf"\b{name}\b", text), f"{file} has no {name}"


def test_every_duty_is_mirrored() -> None:
    files = {file for file, _ in mirrored()}
    assert {"store/binding.py", "engine/unstaging.py", "engine/janitor.py", "store/quarantine.py"} <= files
    assert len(files) > 15
