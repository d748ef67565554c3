"""Whether all that programs and libraries of a root are linked to is in that root.

Packages are left out on purpose, so somebody must look whether one was needed after all: a missing library would be
noticed at the first start, or, in a module that is loaded late, much later.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_ELF = b"\x7fELF"


class Loader:
    """The dynamic loader of a root: it runs the root's programs, with the root's libraries, on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._program = next(root.glob("usr/lib*/ld-linux-*.so.*"))
        triplet = next(root.glob("usr/lib/*-linux-gnu"))
        self._argv = [str(self._program.resolve()), "--library-path", str(triplet)]

    def run(self, program: str, *arguments: str, environment: Mapping[str, str]) -> None:
        """Run one of its programs, with nothing of our environment. Raises RuntimeError with what it says."""
        argv = [*self._argv, str((self._root / program).resolve()), *arguments]
        done = subprocess.run(argv, env=dict(environment), capture_output=True, text=True, check=False, cwd=self._root)
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)}:\n{(done.stdout + done.stderr)[-3000:]}")

    def missing(self, folder: Path, *, but_for: Sequence[str] = ()) -> dict[str, list[str]]:
        """Return, by file below the folder, the libraries that the root lacks; `but_for` are file names up to a dot."""
        files = (path for path in _linked_files(folder) if path.name.partition(".")[0] not in but_for)
        found = ((path, self._unresolved(path)) for path in files)
        return {str(path.relative_to(folder)): libraries for path, libraries in found if libraries}

    def _unresolved(self, path: Path) -> list[str]:
        done = subprocess.run(
            [*self._argv, "--list", str(path)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
        )
        lines = [line.split() for line in done.stdout.splitlines() if "=>" in line]
        loader = self._program.name
        return [w[0] for w in lines if Path(w[0]).name != loader and not self._is_ours(w[2], near=path)]

    def _is_ours(self, resolved: str, *, near: Path) -> bool:
        """Whether a library was found in the root, or beside the file (wheels bring theirs), not on this machine."""
        place = Path(os.path.realpath(resolved))
        return place.is_relative_to(self._root.resolve()) or place.is_relative_to(near.resolve().parents[1])


def _linked_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and (path.suffix == ".so" or ".so." in path.name or _runs(path)):
            with path.open("rb") as file:
                if file.read(4) == _ELF:
                    yield path


def _runs(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o111)
