"""What a program leaves behind: processes, ports and folders, found by the temporary folder that it was given."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import eventually

_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Traces:
    """Give `environment` to the program; all its folders are made in `folder`, and its processes carry that name."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment, with TMPDIR."""
        return {**os.environ, "TMPDIR": str(self.folder)}

    def processes(self) -> dict[int, str]:
        """Return pid and name of each process that has the folder in its command line or environment."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and self._marked(entry):
                with suppress(OSError):
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
        return found

    def _marked(self, process: Path) -> bool:
        mark = str(self.folder).encode()
        with suppress(OSError):
            return mark in (process / "cmdline").read_bytes() or mark in (process / "environ").read_bytes()
        return False

    def ports(self) -> set[int]:
        """Return the ports of this machine on which these processes listen."""
        sockets = {inode for pid in self.processes() for inode in _sockets(pid)}
        return {port for inode, port in _listening().items() if inode in sockets}

    def left(self) -> list[str]:
        """Return all that is left, in words."""
        return [
            *(f"process {pid} {name}" for pid, name in self.processes().items()),
            *(f"folder {path.name}" for path in self.folder.iterdir()),
        ]

    def assert_gone(self, ports: set[int], *, seconds: float = 10) -> None:
        """Wait until nothing is left, and none of these ports listens. Fails with what is."""

        def left() -> list[str]:
            return [*self.left(), *(f"port {port}" for port in sorted(ports & set(_listening().values())))]

        with suppress(AssertionError):
            eventually(lambda: not left(), what="nothing is left", seconds=seconds)
        assert left() == []


@contextmanager
def traces() -> Iterator[Traces]:
    """Lend a folder that other users may pass through, as a server of theirs needs it."""
    folder = Path(tempfile.mkdtemp(prefix="traces-"))
    folder.chmod(0o711)
    try:
        yield Traces(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    yield target.removeprefix("socket:[").removesuffix("]")


def _listening() -> dict[str, int]:
    """Return the listening TCP ports by the inode of their socket."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING:
                found[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return found
