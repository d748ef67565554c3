"""Layers: a folder, or files from here and there, as a tar that depends on their content alone.

Promise: names in order, one time stamp for all, owners as asked; two builds of the same content are the same bytes.
"""

import fnmatch
import io
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EPOCH = 1_577_836_800
"""2020-01-01: the time stamp of every file. Zero upsets tools that cannot store files from before 1980."""

Skipped = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder that a layer is to have; `data` None makes a folder, `link` a symbolic link."""

    path: str
    data: bytes | None = None
    mode: int = 0o644
    owner: int = 0
    link: str = ""


def folder_layer(target: Path, folder: Path, *, at: str = "", skip: Sequence[str] = ()) -> Path:
    """Write all of a folder, as the content of `at` in the image, but for the paths that match a pattern of `skip`."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for parent in _parents(at):
            tar.addfile(_folder(parent))
        for path in _walk(folder):
            name = str(path.relative_to(folder))
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in skip):
                _add(tar, path, f"{at}/{name}".strip("/"))
    return target


def files_layer(target: Path, entries: Sequence[Entry], programs: Mapping[str, Path] | None = None) -> Path:
    """Write these entries, and files of this machine (by their place in the image) as programs that all may run."""
    loaded = [Entry(place, path.read_bytes(), mode=0o755) for place, path in (programs or {}).items()]
    everything = {entry.path: entry for entry in [*entries, *loaded]}
    for path in list(everything):
        for parent in _parents(str(Path(path).parent)):
            everything.setdefault(parent, Entry(parent, mode=0o755))
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for _, entry in sorted(everything.items()):
            tar.addfile(_described(entry), io.BytesIO(entry.data or b""))
    return target


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tar.gettarinfo(path, name)
    info.linkname, info.type = (info.linkname, info.type) if info.issym() or info.isdir() else ("", tarfile.REGTYPE)
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = EPOCH
    info.mode = stat.S_IMODE(info.mode) & ~0o022 if not info.issym() else 0o777
    if not info.isreg():
        tar.addfile(info)
        return
    info.size = path.stat().st_size  # also of a second name of the same file, which becomes a file of its own
    with path.open("rb") as file:
        tar.addfile(info, file)


def _parents(path: str) -> list[str]:
    parts = Path(path.strip("/")).parts if path.strip("/.") else ()
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _folder(path: str) -> tarfile.TarInfo:
    return _described(Entry(path, mode=0o755))


def _described(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path.strip("/"))
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.owner, entry.owner, EPOCH
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
    elif entry.data is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = len(entry.data)
    return info
