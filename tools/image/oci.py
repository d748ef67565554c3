"""Writes an image as one tar: the OCI image layout, and the `manifest.json` by which older `docker load` finds its way.

Promise: the same layers, configuration and names give the same bytes.
Layers are stored as they are, uncompressed: what is not sent over a network need not be packed.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Config:
    """How a container of the image is started, unless its pod says otherwise."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = (_PATH,)
    user: str = ""
    folder: str = "/"
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it in the words of the image specification; what is empty is left out."""
        words = {
            "Env": list(self.environment),
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "User": self.user,
            "WorkingDir": self.folder,
            "ExposedPorts": {port: {} for port in self.ports},
            "Volumes": {volume: {} for volume in self.volumes},
            "StopSignal": self.stop_signal,
            "Labels": dict(sorted(self.labels.items())),
        }
        return {word: value for word, value in words.items() if value}


def write_image(
    target: Path, names: Sequence[str], layers: Sequence[Path], config: Config, *, architecture: str
) -> str:
    """Write the image under all of these names (with registry and tag); return the digest of its manifest."""
    part = target.with_name(f".{target.name}.part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
        writer = _Writer(tar)
        writer.put("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        stored = [writer.file(layer, _LAYER) for layer in layers]
        described = {
            "architecture": architecture,
            "os": "linux",
            "config": config.as_json(),
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in stored]},
        }
        about = writer.blob(_encoded(described), _CONFIG)
        body = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": about, "layers": stored}
        manifest = writer.blob(_encoded(body), _MANIFEST) | {"platform": {"architecture": architecture, "os": "linux"}}
        writer.put(
            "index.json", _encoded({"schemaVersion": 2, "manifests": [_named(manifest, name) for name in names]})
        )
        writer.put("manifest.json", _encoded([_for_docker(names, about, stored)]))
    part.replace(target)
    return str(manifest["digest"])


def _named(manifest: Mapping[str, Any], name: str) -> dict[str, Any]:
    # containerd takes the whole name from an annotation of its own, others the tag from the one of the specification
    annotations = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    return {**manifest, "annotations": annotations}


def _for_docker(names: Sequence[str], about: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "Config": _place(about["digest"]),
        "RepoTags": list(names),
        "Layers": [_place(layer["digest"]) for layer in layers],
    }


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _place(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


class _Writer:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._there: set[str] = set()

    def put(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def blob(self, data: bytes, kind: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.put(_place(digest), data)
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def file(self, path: Path, kind: str) -> dict[str, Any]:
        """Store a file, once, however many layers it is."""
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        size = path.stat().st_size
        if digest not in self._there:
            self._there.add(digest)
            info = tarfile.TarInfo(_place(digest))
            info.size = size
            with path.open("rb") as file:
                self._tar.addfile(info, file)
        return {"mediaType": kind, "digest": digest, "size": size}
