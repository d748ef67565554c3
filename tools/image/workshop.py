"""What the making of every image needs: a scratch folder, Debian's packages, layers kept from one build to the next."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tools.devcluster.cache import cache_folder, locked
from tools.devcluster.scratch import Scratch
from tools.image.debian import Debian, key_of, unpack
from tools.image.layers import folder_layer
from tools.image.linking import Loader

# what no program reads; the copyright notices stay, they must go with the programs
_UNREAD = (
    "usr/share/doc/*/[!c]*",
    "usr/share/doc/*/changelog*",
    "usr/share/man/*",
    "usr/share/locale/*",
    "usr/share/lintian/*",
    "usr/share/bash-completion/*",
    "usr/share/bug/*",
    "usr/share/debconf/*",
    "usr/share/pixmaps/*",
)
_KEPT_LAYERS = 8
_FORMAT = 2
"""Raised when layers are made differently from the same packages."""


class LinkingError(RuntimeError):
    """A library was left out that something is linked to; the message names both."""


@dataclass(frozen=True, slots=True)
class Base:
    """The packages below an image: what is asked for, and which of its dependencies and files are left out.

    `modules` may stay without their libraries: they are loaded only by who asks for them.
    """

    names: tuple[str, ...]
    without: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


class Workshop:
    """One build. Use it as a context manager."""

    def __init__(self) -> None:
        self.debian = Debian()
        self.scratch = Scratch("image")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.scratch.close()

    def root(self, base: Base) -> tuple[Path, str]:
        """Unpack the packages; return the root, and the key by which its layer is kept."""
        packages = self.debian.fetch(base.names, without=base.without)
        root = self.scratch.path / "root"
        unpack(packages, root)
        for pattern in base.skip:
            for path in root.glob(pattern):
                path.unlink()
        self.require_linked(root, root, but_for=base.modules)
        return root, key_of(packages)

    def require_linked(self, folder: Path, root: Path, *, but_for: Sequence[str] = ()) -> None:
        """Raise LinkingError where a file below the folder is linked to a library that the root does not have."""
        if any(root.glob("usr/lib*/ld-linux-*.so.*")) and (lacking := Loader(root).missing(folder, but_for=but_for)):
            raise LinkingError(f"libraries were left out that are needed: {lacking}")

    def base_layer(self, root: Path, base: Base, key: str, *, prepare: Callable[[], object] = lambda: None) -> Path:
        """Return the layer of an unpacked root; `prepare` is called where it has to be made."""

        def make(target: Path) -> None:
            prepare()
            folder_layer(target, root, skip=_UNREAD)

        return kept(f"base-{key}", f"{_UNREAD} {base}", make)

    def path(self, name: str) -> Path:
        """Return a place in the scratch folder."""
        return self.scratch.path / name


def kept(name: str, ingredients: str, make: Callable[[Path], object]) -> Path:
    """Return the layer made of these ingredients: from the cache, or made now; old ones of the cache are dropped."""
    folder = cache_folder() / "layers"
    key = hashlib.sha256(f"{_FORMAT} {ingredients}".encode()).hexdigest()[:16]
    target = folder / f"{name}-{key}.tar"
    with locked(folder / "lock", waiting=lambda: time.sleep(0.2)):
        if target.exists():
            target.touch()
            return target
        part = target.with_suffix(".part")
        make(part)
        part.replace(target)
        for old in sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime)[:-_KEPT_LAYERS]:
            old.unlink()
    return target
