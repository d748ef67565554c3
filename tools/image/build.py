"""Builds images of the catalogue into a folder, each with the list of what is in it."""

import json
from dataclasses import dataclass
from pathlib import Path

from tools.image.catalogue import IMAGES
from tools.image.oci import write_image
from tools.image.sbom import document
from tools.image.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Built:
    """An image as a file."""

    file: Path
    bill: Path
    digest: str
    components: int

    @property
    def size(self) -> int:
        """Bytes, as a node stores it: the layers are not compressed."""
        return self.file.stat().st_size


def build(program: str, folder: Path, *, names: tuple[str, ...] = ()) -> Built:
    """Build one image, under the names of the catalogue and these."""
    image = IMAGES[program]
    every = tuple(dict.fromkeys((*image.names, *names)))
    folder.mkdir(parents=True, exist_ok=True)
    file, bill = folder / f"{program}.oci.tar", folder / f"{program}.spdx.json"
    with Workshop() as shop:
        content = image.make(shop)
        digest = write_image(file, every, content.layers, content.config, architecture=shop.debian.architecture)
    listed = document(file, every[0])
    bill.write_text(json.dumps(listed, indent=1) + "\n")
    return Built(file, bill, digest, len(listed["packages"]) - 1)
