"""Folders that vanish with the process that made them, however it ends."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

# Reads until its parent's end of the pipe is closed: by close(), or by the kernel when the parent is gone. Daemons of
# the parent die at the same moment and may still be writing, hence the repetition. What was mounted inside goes first.
_JANITOR = """
trap '' INT TERM HUP
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10; do
  while read -r _ place _; do
    case "$place" in "$1"/*) umount -l "$place" 2>/dev/null ;; esac
  done </proc/mounts
  rm -rf -- "$1" 2>/dev/null
  [ -e "$1" ] || exit 0
  sleep 0.2
done
"""


class CannotMount(RuntimeError):
    """This machine does not let us mount a file system; the message says why."""


class Scratch:
    """A temporary folder outside the checkout, removed by `close` or, at the latest, when this process is gone.

    A small shell outlives the process for the moment that it takes to remove the folder. Other users may pass through
    the folder (mode 0711), but not list it.
    """

    def __init__(self, name: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"ticklock-{name}-"))
        self.path.chmod(0o711)
        self._mounts: list[Path] = []
        self._janitor = subprocess.Popen(
            ["/bin/sh", "-c", _JANITOR, "janitor", str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def mount(self, name: str, *, megabytes: int) -> Path:
        """Return a new folder inside that holds no more than that. Raises CannotMount where we may not mount."""
        place = self.path / name
        place.mkdir()
        options = f"size={megabytes}m,mode=0711"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            place.rmdir()
            raise CannotMount(f"no small file system can be mounted here: {done.stderr.strip()}")
        self._mounts.append(place)
        return place

    def close(self) -> None:
        """Remove the folder now. May be repeated."""
        for place in self._mounts:
            subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
        self._mounts.clear()
        shutil.rmtree(self.path, ignore_errors=True)
        if self._janitor.stdin is not None:
            self._janitor.stdin.close()
        self._janitor.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def reachable_by_others(path: Path) -> bool:
    """Whether a user without rights of its own can walk to this path and read it."""
    folders_open = all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)
    return folders_open and bool(path.stat().st_mode & 0o004)


def require_reachable(path: Path) -> None:
    """Raise if the unprivileged user that a server runs under could not get to its folder."""
    closed = [folder for folder in path.resolve().parents if not folder.stat().st_mode & 0o001]
    if closed and os.geteuid() == 0:
        raise RuntimeError(
            f"{closed[0]} is closed to other users, but PostgreSQL must run as one of them: "
            "set TMPDIR to a folder that everybody may pass through, such as /tmp"
        )
