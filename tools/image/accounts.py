"""The few files that the scripts of Debian's packages would make."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.image.layers import Entry

_NOBODY = 65534
_SYSTEM = ("root:x:0:0:root:/root:/sbin/nologin", f"nobody:x:{_NOBODY}:{_NOBODY}:nobody:/nonexistent:/sbin/nologin")
_GROUPS = ("root:x:0:", f"nogroup:x:{_NOBODY}:")
_TMP_MODE = 0o1777


@dataclass(frozen=True, slots=True)
class User:
    """A user of an image, with a group of the same name and number."""

    name: str
    uid: int
    home: str


def user_files(users: Sequence[User]) -> list[Entry]:
    """Return passwd and group with root, nobody and these users; and their homes, which are theirs."""
    passwd = [*_SYSTEM, *(f"{one.name}:x:{one.uid}:{one.uid}:{one.name}:{one.home}:/sbin/nologin" for one in users)]
    groups = [*_GROUPS, *(f"{one.name}:x:{one.uid}:" for one in users)]
    homes = [Entry(one.home.strip("/"), mode=0o700, owner=one.uid) for one in users]
    return [
        Entry("etc/passwd", _lines(passwd)),
        Entry("etc/group", _lines(groups)),
        Entry("tmp", mode=_TMP_MODE),
        *homes,
    ]


def certificates(root: Path) -> Entry:
    """Return the bundle of the authorities that the unpacked package `ca-certificates` brings."""
    found = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    if not found:
        raise FileNotFoundError(f"no certificates in {root}: the package ca-certificates is not unpacked there")
    return Entry("etc/ssl/certs/ca-certificates.crt", b"".join(path.read_bytes() for path in found))


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
