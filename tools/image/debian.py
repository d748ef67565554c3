"""Packages of this machine's Debian, fetched by apt with nothing but a cache and lists of our own, then unpacked.

Promise: nothing is installed on this machine, no root is needed, and apt has checked each package by the signature of
its archive. What a package's scripts would do is not done: an image makes by hand the few files that it needs of that.
"""

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tools.devcluster.cache import cache_folder, locked

_LISTS_GOOD_FOR_SECONDS = 24 * 3600
_PLANNED = re.compile(r"^Inst (\S+) \((\S+) .*\[(\S+)\]", re.MULTILINE)
# what Debian 12 keeps as links; packages still have files in both places
_MERGED = ("bin", "sbin", "lib", "lib64")


class PackagesError(RuntimeError):
    """The packages cannot be had here; the message says why."""


class Debian:
    """The packages of one release: that of this machine."""

    def __init__(self) -> None:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise PackagesError("images are made from Debian's packages: apt-get and dpkg-deb must be on PATH")
        self._folder = cache_folder() / "debian"
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()  # nothing is installed: so all that a package needs is fetched with it
        self.architecture = _output(["dpkg", "--print-architecture"]).strip()

    def fetch(self, names: Sequence[str], *, without: Sequence[str] = ()) -> list[Path]:
        """Return the files of the packages and of all that they depend on, but for those named in `without`."""
        with locked(self._folder / "lock", waiting=lambda: time.sleep(0.2)):
            self._refresh()
            plan = self._apt("install", "--simulate", *names)
            self._apt("install", "--download-only", *names)
        wanted = [_file_name(*found.groups()) for found in _PLANNED.finditer(plan)]
        left_out = frozenset(without)
        chosen = [name for name in sorted(wanted) if name.partition("_")[0] not in left_out]
        if unknown := left_out - {name.partition("_")[0] for name in wanted}:
            raise PackagesError(f"left out, but not there anyway: {', '.join(sorted(unknown))}")
        return [self._folder / "cache/archives" / name for name in chosen]

    def _refresh(self) -> None:
        lists = self._folder / "state/lists"
        stamp = self._folder / "refreshed"
        fresh = stamp.exists() and time.time() - stamp.stat().st_mtime < _LISTS_GOOD_FOR_SECONDS
        if not fresh or not any(path.is_file() for path in lists.iterdir()):
            self._apt("update")
            stamp.touch()

    def _apt(self, *arguments: str) -> str:
        options = {
            "Dir::State": self._folder / "state",
            "Dir::State::status": self._folder / "status",
            "Dir::Cache": self._folder / "cache",
            "APT::Sandbox::User": "root",  # no other user need reach the cache
            "APT::Install-Recommends": "false",
        }
        flags = [f"-o{name}={value}" for name, value in options.items()]
        return _output(["apt-get", "-qq", "-y", *flags, *arguments])


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpack packages into an empty root, and write down what they are, as images without dpkg do."""
    (root / "usr").mkdir(parents=True)
    for name in _MERGED:
        (root / "usr" / name).mkdir()
        (root / name).symlink_to(f"usr/{name}")
    status = root / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for package in packages:
        _extract(package, root)
        (status / package.name.partition("_")[0]).write_text(_note_of(package))


def key_of(packages: Sequence[Path]) -> str:
    """Return a word that is another as soon as a package is another; a file's name carries its version."""
    return hashlib.sha256("\n".join(sorted(package.name for package in packages)).encode()).hexdigest()[:16]


def _file_name(package: str, version: str, architecture: str) -> str:
    return f"{package}_{version.replace(':', '%3a')}_{architecture}.deb"


def _note_of(package: Path) -> str:
    """Return the package's own description of itself, and the hash of the file that it came in."""
    with package.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{_output(['dpkg-deb', '--field', str(package)]).rstrip()}\nSHA256: {digest}\n"


def _extract(package: Path, root: Path) -> None:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as reader:
        done = subprocess.run(
            ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", str(root)],
            stdin=reader.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0 or reader.returncode != 0:
        raise PackagesError(f"cannot unpack {package.name}: {done.stderr.strip()}")


def _output(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        raise PackagesError(f"{' '.join(argv)}:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
