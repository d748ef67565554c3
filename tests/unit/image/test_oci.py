"""The tar of an image, read as a node reads it: every digest and size is that of what is there."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools.image.layers import Entry, files_layer
from tools.image.oci import Config, write_image

NAMES = ("docker.io/library/thing:1", "example.test/thing:2")
CONFIG = Config(entrypoint=("thing",), user="65532:65532", ports=("8080/tcp",), labels={"b": "2", "a": "1"})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    layers = [files_layer(tmp_path / f"{name}.tar", [Entry(name, b"content")]) for name in ("one", "two")]
    write_image(tmp_path / "image.tar", NAMES, [*layers, layers[0]], CONFIG, architecture="amd64")
    return tmp_path / "image.tar"


def content(image: Path) -> dict[str, bytes]:
    with tarfile.open(image) as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar]
    with tarfile.open(image) as tar:
        assert [name for name, _ in files] == tar.getnames()
        return {name: file.read() for name in tar.getnames() if (file := tar.extractfile(name)) is not None}


def blob(files: dict[str, bytes], described: dict[str, Any]) -> bytes:
    """Return what a descriptor points to, checked as a node checks it."""
    data = files["blobs/" + described["digest"].replace(":", "/")]
    assert described["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert described["size"] == len(data)
    return data


def test_every_descriptor_is_true_from_the_index_down_to_the_layers(image: Path) -> None:
    files = content(image)
    manifest = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    config = json.loads(blob(files, manifest["config"]))
    layers = [blob(files, layer) for layer in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_the_configuration_says_how_a_container_is_started(image: Path) -> None:
    files = content(image)
    manifest = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    config = json.loads(blob(files, manifest["config"]))["config"]
    assert config["Entrypoint"] == ["thing"]
    assert config["User"] == "65532:65532"
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    assert "Volumes" not in config


def test_a_node_finds_it_under_each_of_its_names(image: Path) -> None:
    found = json.loads(content(image)["index.json"])["manifests"]
    assert [one["annotations"]["io.containerd.image.name"] for one in found] == list(NAMES)
    assert len({one["digest"] for one in found}) == 1


def test_docker_finds_the_same_layers(image: Path) -> None:
    files = content(image)
    (entry,) = json.loads(files["manifest.json"])
    manifest = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    assert entry["RepoTags"] == list(NAMES)
    assert [f"sha256:{Path(name).name}" for name in entry["Layers"]] == [one["digest"] for one in manifest["layers"]]


def test_a_layer_that_is_there_twice_is_stored_once(image: Path) -> None:
    with tarfile.open(image) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))


def test_two_builds_of_the_same_are_the_same_bytes(image: Path, tmp_path: Path) -> None:
    layers = [tmp_path / f"{name}.tar" for name in ("one", "two", "one")]
    write_image(tmp_path / "again.tar", NAMES, layers, CONFIG, architecture="amd64")
    assert (tmp_path / "again.tar").read_bytes() == image.read_bytes()
