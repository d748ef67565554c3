"""A layer is its content: names in order, one time stamp, owners as asked."""

import os
import tarfile
from pathlib import Path

import pytest

from tools.image.layers import EPOCH, Entry, files_layer, folder_layer


def members(layer: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(layer) as tar:
        return {member.name: member for member in tar}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_text("#!/bin/sh\n")
    (root / "usr/bin/tool").chmod(0o775)
    (root / "usr/bin/other").symlink_to("tool")
    os.link(root / "usr/bin/tool", root / "usr/bin/twin")
    (root / "usr/share").mkdir()
    (root / "usr/share/notes.txt").write_text("notes")
    return root


def test_two_layers_of_the_same_folder_are_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = folder_layer(tmp_path / "first.tar", folder)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    second = folder_layer(tmp_path / "second.tar", folder)
    assert first.read_bytes() == second.read_bytes()


def test_everything_belongs_to_root_and_nobody_else_may_write(folder: Path, tmp_path: Path) -> None:
    found = members(folder_layer(tmp_path / "layer.tar", folder))
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in found.values()} == {(0, 0, "", EPOCH)}
    assert found["usr/bin/tool"].mode == 0o755


def test_links_stay_links_and_a_second_name_of_a_file_becomes_a_file(folder: Path, tmp_path: Path) -> None:
    found = members(folder_layer(tmp_path / "layer.tar", folder))
    assert found["usr/bin/other"].linkname == "tool"
    assert found["usr/bin/twin"].isreg()
    assert found["usr/bin/twin"].size == len("#!/bin/sh\n")


def test_what_matches_a_pattern_is_left_out(folder: Path, tmp_path: Path) -> None:
    found = members(folder_layer(tmp_path / "layer.tar", folder, skip=["usr/share/*"]))
    assert "usr/share/notes.txt" not in found
    assert "usr/bin/tool" in found


def test_a_folder_may_stand_elsewhere_in_the_image(folder: Path, tmp_path: Path) -> None:
    found = members(folder_layer(tmp_path / "layer.tar", folder, at="opt/it"))
    assert list(found)[:3] == ["opt", "opt/it", "opt/it/usr"]


def test_files_bring_their_folders_and_keep_their_owner_and_mode(tmp_path: Path) -> None:
    entries = [
        Entry("var/lib/data", mode=0o700, owner=999),
        Entry("run", mode=0o755),
        Entry("var/run", b"", link="/run"),
    ]
    found = members(files_layer(tmp_path / "layer.tar", entries))
    assert list(found) == ["run", "var", "var/lib", "var/lib/data", "var/run"]
    data = found["var/lib/data"]
    assert (data.isdir(), data.mode, data.uid, data.gid) == (True, 0o700, 999, 999)
    assert found["var/run"].issym()
    assert found["var/lib"].mode == 0o755


def test_a_program_of_this_machine_may_be_run_by_all(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o600)
    found = members(files_layer(tmp_path / "layer.tar", [], {"pause": program}))
    assert (found["pause"].mode, found["pause"].size) == (0o755, 4)
