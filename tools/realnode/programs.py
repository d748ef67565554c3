"""What a node runs: our builds, Debian's runc and nft in a folder of their own, and the images of every node."""

import hashlib
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.binaries import resolve
from tools.devcluster.cache import cache_folder, locked
from tools.devcluster.parts import NODE
from tools.devcluster.progress import Progress
from tools.image.build import build
from tools.image.debian import Debian, key_of, unpack

IMAGES = ("pause", "coredns", "busybox")
"""What every node has from the start."""
_CNI = ("loopback", "ptp", "host-local")
_PACKAGES = ("runc", "nftables")
# these are this machine's own: it is the same Debian
_OF_THE_MACHINE = ("gcc-12-base", "libc6", "libgcc-s1")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where everything is that a node runs."""

    by_name: dict[str, Path]
    plugins: Path
    """The folder of the CNI plugins."""
    debian: Path
    """The root that Debian's packages are unpacked in."""
    images: tuple[Path, ...]

    @property
    def runc(self) -> Path:
        """Debian's runc."""
        return self.debian / "usr/sbin/runc"

    @property
    def libraries(self) -> Path:
        """The folder of the libraries that runc and nft need beyond this machine's."""
        return next(self.debian.glob("usr/lib/*-linux-gnu"))

    @property
    def path(self) -> str:
        """What PATH begins with on a node."""
        folders = dict.fromkeys(str(path.parent) for path in self.by_name.values())
        return ":".join([*folders, str(self.debian / "usr/sbin")])


def gather(folder: Path, *, progress: Progress | None = None) -> Programs:
    """Find all of it, or build and fetch it; the images and a folder of plugins are made in the folder given."""
    by_name = resolve(NODE, progress=progress)
    plugins = folder / "cni"
    plugins.mkdir()
    for name in _CNI:
        shutil.copy(by_name[name], plugins / name)
    images = tuple(build(image, folder / "images").file for image in IMAGES)
    return Programs(by_name, plugins, _unpacked(), images)


def _unpacked() -> Path:
    """Return the root of Debian's packages, from the cache or unpacked now."""
    packages = Debian().fetch(_PACKAGES, without=_OF_THE_MACHINE)
    layout = hashlib.sha256(repr((_PACKAGES, _OF_THE_MACHINE)).encode()).hexdigest()[:8]
    target = cache_folder() / f"node-packages-{key_of(packages)}-{layout}"
    with locked(cache_folder() / "node-packages.lock", waiting=lambda: time.sleep(0.2)):
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix=".node-packages-", dir=cache_folder()) as scratch:
                unpack(packages, Path(scratch) / "root")
                (Path(scratch) / "root").replace(target)
    return target
