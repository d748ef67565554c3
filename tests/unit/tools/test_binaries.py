import io
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tools.devcluster import binaries
from tools.devcluster.cache import cache_folder, locked
from tools.devcluster.gobuild import MissingToolError
from tools.devcluster.parts import CONTROL_PLANE, PARTS, Part
from tools.devcluster.progress import Progress

ETCD = PARTS["etcd"]


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TICKLOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def in_assets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    return put(tmp_path / "assets" / "etcd")


@pytest.fixture
def in_cache(tmp_path: Path) -> Path:
    return put(tmp_path / "cache" / ETCD.key / "etcd")


@pytest.fixture
def on_path(tmp_path: Path) -> Path:
    return put(tmp_path / "path" / "etcd")


def test_the_assets_folder_beats_the_cache_and_the_path(in_assets: Path, in_cache: Path, on_path: Path) -> None:
    assert in_cache.exists()
    assert on_path.exists()
    assert binaries.resolve(["etcd"]) == {"etcd": in_assets}


def test_the_cache_beats_the_path(in_cache: Path, on_path: Path) -> None:
    assert on_path.exists()
    assert binaries.resolve(["etcd"]) == {"etcd": in_cache}


def test_the_path_beats_a_build(on_path: Path) -> None:
    assert binaries.resolve(["etcd"]) == {"etcd": on_path}


def test_a_program_that_the_assets_folder_lacks_is_looked_for_elsewhere(in_assets: Path, tmp_path: Path) -> None:
    kwok = put(tmp_path / "path" / "kwok")
    assert binaries.resolve(["etcd", "kwok"]) == {"etcd": in_assets, "kwok": kwok}


def test_another_version_in_the_cache_is_not_taken(tmp_path: Path) -> None:
    put(tmp_path / "cache" / "etcd-3.5.0" / "etcd")
    assert binaries.missing(["etcd"]) == ["etcd"]


def test_a_file_that_cannot_be_run_is_not_taken(in_cache: Path) -> None:
    in_cache.chmod(0o644)
    assert binaries.missing(["etcd"]) == ["etcd"]


def test_on_a_bare_machine_everything_is_missing() -> None:
    assert tuple(binaries.missing()) == CONTROL_PLANE


def test_without_go_the_error_names_what_is_missing_and_how_to_get_it() -> None:
    with pytest.raises(MissingToolError) as error:
        binaries.resolve(["kube-apiserver"])
    for words in ("kube-apiserver 1.36.3", "Go 1.26", "PATH", "KUBEBUILDER_ASSETS", "kwok"):
        assert words in str(error.value)


def test_an_old_go_that_may_fetch_no_newer_one_is_named(tmp_path: Path) -> None:
    go = put(tmp_path / "path" / "go")
    go.write_text("#!/bin/sh\necho go1.19.8\necho local\n")
    with pytest.raises(MissingToolError, match=r"etcd-3\.6\.8 needs Go 1\.26 to be built; here is go1\.19\.8"):
        binaries.resolve(["etcd"])


def test_a_part_that_another_process_builds_is_waited_for(in_cache: Path, tmp_path: Path) -> None:
    """The second one shows that it waits, and takes what the first has put there."""
    put(tmp_path / "path" / "go").write_text("#!/bin/sh\necho go1.26.8\necho local\n")
    in_cache.unlink()
    waited, said = threading.Event(), io.StringIO()

    class Watched(Progress):
        def beat(self) -> None:
            waited.set()

    with locked(cache_folder() / f"{ETCD.key}.lock", waiting=lambda: time.sleep(0.01)):
        found: list[dict[str, Path]] = []
        second = threading.Thread(
            target=lambda: found.append(binaries.resolve(["etcd"], progress=Watched(stream=said))), daemon=True
        )
        second.start()
        assert waited.wait(10)
        put(in_cache)
    second.join(10)
    assert found == [{"etcd": in_cache}]
    assert said.getvalue().startswith("building etcd 3.6.8 …")


PUBLISHED = [part for part in PARTS.values() if part.source is None]
OUR_OWN = [part for part in PARTS.values() if part.source is not None]


@pytest.mark.parametrize("part", [pytest.param(part, id=part.program) for part in PUBLISHED])
def test_every_part_says_what_is_built_from_where(part: Part) -> None:
    assert part.package.startswith(part.module)
    assert part.key == f"{part.program}-{part.version}"
    assert part.seconds > 0


@pytest.mark.parametrize("part", [pytest.param(part, id=part.program) for part in OUR_OWN])
def test_a_part_with_a_main_file_of_ours_is_another_when_the_file_is(part: Part, tmp_path: Path) -> None:
    changed = tmp_path / "main.go"
    assert part.source is not None
    changed.write_bytes(part.source.read_bytes() + b"\n")
    assert part.package == "."
    assert part.key.startswith(f"{part.program}-{part.version}-")
    assert replace(part, source=changed).key != part.key
