"""Finds the programs of a control plane: $KUBEBUILDER_ASSETS, the cache, PATH; else they are built.

Needs nothing but the standard library, so that a build can begin before the virtual environment stands.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tools.devcluster.cache import cache_folder, locked
from tools.devcluster.gobuild import GoBuild, require_go
from tools.devcluster.parts import CONTROL_PLANE, PARTS, Part
from tools.devcluster.progress import Progress

_INTERVAL = 0.25
_SILENT = frozenset({"pause", "kstatus", "glua"})
"""They do not say which version they are."""


def locate(part: Part) -> Path | None:
    """Return where the program is now, or None: it would have to be built."""
    cached = cached_path(part)
    places = [Path(assets) / part.program] if (assets := os.environ.get("KUBEBUILDER_ASSETS")) else []
    for path in [*places, cached]:
        if os.access(path, os.X_OK):
            return path
    found = shutil.which(part.program)
    return Path(found) if found else None


def cached_path(part: Part) -> Path:
    """Return where the program stands, or will stand, in the cache."""
    return cache_folder() / part.key / part.program


def missing(programs: Iterable[str] = CONTROL_PLANE) -> list[str]:
    """Return the programs that would have to be built."""
    return [program for program in programs if locate(PARTS[program]) is None]


def resolve(programs: Iterable[str] = CONTROL_PLANE, *, progress: Progress | None = None) -> dict[str, Path]:
    """Return the path of each program; build those that are nowhere, or wait for whoever is building them.

    Raises MissingToolError where Go is needed and is not there, BuildError with the end of the build's output.
    """
    progress = progress or Progress()
    return {program: locate(PARTS[program]) or _build(PARTS[program], progress) for program in programs}


def _build(part: Part, progress: Progress) -> Path:
    require_go(part)
    target, cache = cached_path(part), cache_folder()

    def waiting() -> None:
        progress.beat()
        time.sleep(_INTERVAL)

    progress.begin(f"building {part.program} {part.version}", expected=part.seconds)
    # The first lock says: this part is being made. The second: two builds at once would only get in each other's way.
    with locked(cache / f"{part.key}.lock", waiting=waiting):
        if not target.exists():
            with locked(cache / "build.lock", waiting=waiting):
                _build_into(target, part, progress)
    progress.end()
    return target


def _build_into(target: Path, part: Part, progress: Progress) -> None:
    for left in cache_folder().glob(f".{part.key}-*"):  # by a build that was killed: nobody else holds the lock
        shutil.rmtree(left, ignore_errors=True)
    # beside the target, so that the rename is atomic: the program is there whole, or not at all
    with tempfile.TemporaryDirectory(prefix=f".{part.key}-", dir=cache_folder()) as folder:
        build = GoBuild(part, Path(folder))
        try:
            while build.running():
                progress.beat()
                time.sleep(_INTERVAL)
        finally:
            build.stop()
        target.parent.mkdir(exist_ok=True)
        build.result().replace(target)


def version_of(path: Path) -> str:
    """Return what the program says of its version, on one line; of one that does not, what it was built as."""
    if path.name in _SILENT:
        return f"version {PARTS[path.name].version}"
    flags = {
        "kubectl": ["version", "--client"],
        "etcdutl": ["version"],
        "helm": ["version", "--short"],
        "coredns": ["-version"],
    }
    done = subprocess.run(
        [path, *flags.get(path.name, ["--version"])], capture_output=True, text=True, check=False, timeout=30
    )
    return (done.stdout or done.stderr).strip().splitlines()[0]
