"""The list of what is in an image, as SPDX 2.3, read from the finished image and from nothing else.

Debian's packages are told from what was noted as each was unpacked, Python's from their `dist-info`, and static
programs from what the image's labels say of them.
"""

import datetime as dt
import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from tools.image.layers import EPOCH

_NOTE = re.compile(r"var/lib/dpkg/status\.d/[^/]+")
_METADATA = re.compile(r".*/[^/]+\.dist-info/METADATA")
_LICENSE = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")


@dataclass(frozen=True, slots=True)
class Component:
    """One package in an image; `sha256` is that of the file it came in, empty where it is not known."""

    kind: str
    name: str
    version: str
    licence: str = "NOASSERTION"
    supplier: str = "NOASSERTION"
    sha256: str = ""
    qualifier: str = ""

    @property
    def purl(self) -> str:
        """The package's URL, by which scanners look it up."""
        return f"pkg:{self.kind}/{self.name}@{self.version}{self.qualifier}"


def components_of(image: Path) -> list[Component]:
    """Return what is in an image, in order of kind and name."""
    found: set[Component] = set()
    with tarfile.open(image) as tar:
        manifest = _json(tar, "manifest.json")[0]
        config = _json(tar, manifest["Config"])["config"]
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as layer:
                found.update(_of_layer(layer))
    if version := config.get("Labels", {}).get("version"):
        found.add(Component("generic", config["Entrypoint"][0].strip("/"), version))
    return sorted(found, key=lambda one: (one.kind, one.name))


def document(image: Path, name: str) -> dict[str, Any]:
    """Return the SPDX document of an image of that name."""
    with image.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    packages = [_package(component) for component in components_of(image)]
    top = {
        "SPDXID": "SPDXRef-image",
        "name": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://ticklock.dev/spdx/{digest}",
        "creationInfo": {
            "created": dt.datetime.fromtimestamp(EPOCH, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: ticklock-tools-image"],
        },
        "packages": [top, *packages],
        "relationships": [
            _related("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"),
            *(_related("SPDXRef-image", "CONTAINS", package["SPDXID"]) for package in packages),
        ],
    }


def _of_layer(layer: tarfile.TarFile) -> Iterator[Component]:
    for member in layer:
        reader = _debian if _NOTE.fullmatch(member.name) else _python if _METADATA.fullmatch(member.name) else None
        if reader is not None and (file := layer.extractfile(member)) is not None:
            yield reader(file.read().decode())


def _debian(text: str) -> Component:
    fields = HeaderParser().parsestr(text)
    return Component(
        "deb",
        f"debian/{fields['Package']}",
        fields["Version"],
        supplier=f"Person: {fields['Maintainer']}",
        sha256=fields["SHA256"],
        qualifier=f"?arch={fields['Architecture']}",
    )


def _python(text: str) -> Component:
    fields = HeaderParser().parsestr(text)
    licence = fields["License-Expression"] or ""
    known = licence if _LICENSE.fullmatch(licence) else "NOASSERTION"
    return Component("pypi", re.sub(r"[-_.]+", "-", fields["Name"]).lower(), fields["Version"], licence=known)


def _package(component: Component) -> dict[str, Any]:
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": component.purl}
    package: dict[str, Any] = {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{component.kind}-{component.name}"),
        "name": component.name.rpartition("/")[2],
        "versionInfo": component.version,
        "supplier": component.supplier,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": component.licence,
        "copyrightText": "NOASSERTION",
        "externalRefs": [reference],
    }
    if component.sha256:
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": component.sha256}]
    return package


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _json(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file of this image")
    return json.load(file)
