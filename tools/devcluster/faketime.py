"""Wall clocks that can be set while a process runs, one for each process that is to have its own.

libfaketime stands between the process and its C library and adds an offset that it reads from a file. The monotonic
clock is left alone, as a step of a machine's time leaves it alone. Go programs do not ask the C library: not for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
)
HOW_TO_GET_IT = "libfaketime is not installed; on Debian: apt-get install faketime"


def library() -> Path | None:
    """Return where libfaketime is, the one for programs with threads; None where it is not installed."""
    return next((path for place in _LIBRARIES if (path := Path(place)).exists()), None)


@dataclass(frozen=True, slots=True)
class Clock:
    """One settable clock. Whoever is started with `environment` goes by it; the file is read at every question."""

    file: Path

    def __post_init__(self) -> None:
        self.step(0)

    def step(self, seconds: float) -> None:
        """Put the clock so far from the machine's, ahead or (negative) behind."""
        written = self.file.with_suffix(".new")
        written.write_text(f"{seconds:+.1f}\n")
        written.chmod(0o644)  # a server that runs as somebody else must read it
        written.replace(self.file)  # at once: nobody reads half of it

    def environment(self) -> dict[str, str]:
        """Return the variables to start a process with. Raises FileNotFoundError without libfaketime."""
        found = library()
        if found is None:
            raise FileNotFoundError(HOW_TO_GET_IT)
        return {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            # two names of one switch, of different releases
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # no memory shared with other processes: each must hear of a step by itself
            "FAKETIME_DISABLE_SHM": "1",
        }
