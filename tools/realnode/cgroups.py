"""The control groups below which a cluster's pods run, in whatever hierarchies this machine has.

Promise: they are gone after `close`, and at the latest a moment after this process is gone: a small shell outlives it
and removes them as soon as they are empty.
"""

import os
import subprocess
import time
from pathlib import Path

_WITHIN_SECONDS = 10.0
# Reads until its parent's end of the pipe is closed: by close(), or by the kernel when the parent is gone.
_JANITOR = """
trap '' INT TERM HUP
read -r _
for try in $(seq 100); do
  left=
  for place in "$@"; do
    [ -d "$place" ] || continue
    find "$place" -depth -type d -exec rmdir {} + 2>/dev/null
    [ ! -d "$place" ] || left=yes
  done
  [ -n "$left" ] || exit 0
  sleep 0.1
done
"""


class ControlGroups:
    """The groups of one cluster, `NAME/NODE` in every hierarchy."""

    def __init__(self) -> None:
        self.name = f"ticklock-{os.getpid()}"
        self._hierarchies = hierarchies(Path("/proc/mounts").read_text())
        if not self._hierarchies:
            raise RuntimeError("no control groups are mounted here; a kubelet cannot do without them")
        self._janitor = subprocess.Popen(
            ["/bin/sh", "-c", _JANITOR, "janitor", *(str(place / self.name) for place in self._hierarchies)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def make(self, node: str) -> str:
        """Make the groups of a node anew; return the path that its kubelet is to use.

        What a dead node has left would cost the next one seconds. Raises TimeoutError where something lives there.
        """
        self._remove(node)
        for hierarchy in self._hierarchies:
            for place in (hierarchy / self.name, hierarchy / self.name / node):
                place.mkdir(exist_ok=True)
                _prepare(place)
        return f"/{self.name}/{node}"

    def wait_empty(self, node: str) -> None:
        """Wait until nothing of a node runs any more, and remove its groups. Raises TimeoutError."""
        self._remove(node)

    def close(self) -> None:
        """Remove all of them; nothing may live in them any more. May be repeated."""
        if self._janitor.stdin is not None:
            self._janitor.stdin.close()
        self._janitor.wait()

    def _remove(self, node: str) -> None:
        deadline = time.monotonic() + _WITHIN_SECONDS
        while left := [place for one in self._hierarchies if not _gone(place := one / self.name / node)]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"control groups of {node} are not empty: {left[0]}")
            time.sleep(0.05)


def hierarchies(mounts: str) -> list[Path]:
    """Return where hierarchies are mounted, by what /proc/mounts says."""
    lines = (line.split() for line in mounts.splitlines())
    return [Path(where) for _, where, kind, *_ in lines if kind in {"cgroup", "cgroup2"}]


def _prepare(place: Path) -> None:
    """Give a group what its parent has: the old hierarchies begin with no processor, the new one with no controller."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (place.parent / "cpuset.cpu_exclusive").exists():
            (place / name).write_text((place.parent / name).read_text())
    if (offered := place.parent / "cgroup.controllers").exists():
        wanted = [f"+{controller}" for controller in offered.read_text().split()]
        (place.parent / "cgroup.subtree_control").write_text(" ".join(wanted))


def _gone(place: Path) -> bool:
    """Remove a group with those below it; return whether that went well."""
    try:
        for folder, _, _ in os.walk(place, topdown=False):
            Path(folder).rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not place.exists()
