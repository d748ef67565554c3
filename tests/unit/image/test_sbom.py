"""The list of what is in an image is read from the image."""

from pathlib import Path

import pytest

from tools.image.layers import Entry, files_layer
from tools.image.oci import Config, write_image
from tools.image.sbom import components_of, document

_LIBC = """Package: libc6
Version: 2.36-9
Architecture: amd64
Maintainer: GNU Libc Maintainers <libc@example.test>
Description: a library
 in several lines
SHA256: abc123
"""
_KOPF = "Metadata-Version: 2.4\nName: Kopf_Thing\nVersion: 1.45.2\nLicense-Expression: MIT\n\nText: no field\n"
_ODD = "Metadata-Version: 2.1\nName: odd\nVersion: 1\nLicense-Expression: see <here>\n\n"
SITE = "opt/ticklock/lib/python3.11/site-packages"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    below = [Entry("var/lib/dpkg/status.d/libc6", _LIBC.encode())]
    above = [
        Entry(f"{SITE}/kopf-1.45.2.dist-info/METADATA", _KOPF.encode()),
        Entry(f"{SITE}/odd-1.dist-info/METADATA", _ODD.encode()),
        Entry(f"{SITE}/odd-1.dist-info/RECORD", b""),
    ]
    layers = [files_layer(tmp_path / "below.tar", below), files_layer(tmp_path / "above.tar", above)]
    config = Config(entrypoint=("/pause",), labels={"version": "1"})
    write_image(tmp_path / "image.tar", ["docker.io/library/thing:1"], layers, config, architecture="amd64")
    return tmp_path / "image.tar"


def test_packages_of_all_layers_are_told_with_the_urls_that_scanners_know(image: Path) -> None:
    assert [one.purl for one in components_of(image)] == [
        "pkg:deb/debian/libc6@2.36-9?arch=amd64",
        "pkg:generic/pause@1",
        "pkg:pypi/kopf-thing@1.45.2",
        "pkg:pypi/odd@1",
    ]


def test_a_licence_is_told_where_it_is_an_expression(image: Path) -> None:
    assert {one.name: one.licence for one in components_of(image) if one.kind == "pypi"} == {
        "kopf-thing": "MIT",
        "odd": "NOASSERTION",
    }


def test_the_file_that_a_package_came_in_is_told_by_its_hash(image: Path) -> None:
    (libc,) = [one for one in document(image, "thing")["packages"] if one["name"] == "libc6"]
    assert libc["checksums"] == [{"algorithm": "SHA256", "checksumValue": "abc123"}]


def test_the_image_contains_each_package_once_and_every_id_is_its_own(image: Path) -> None:
    listed = document(image, "thing")
    ids = [package["SPDXID"] for package in listed["packages"]]
    assert len(ids) == len(set(ids)) == 5
    contained = [one["relatedSpdxElement"] for one in listed["relationships"] if one["relationshipType"] == "CONTAINS"]
    assert contained == ids[1:]
