"""The product and what it needs, as it stands in the image: hashed wheels, our own wheel, and their compiled code."""

import shutil
import subprocess
import sys
from pathlib import Path

from tools.image.layers import EPOCH
from tools.image.linking import Loader

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements.txt"
HOME = "opt/ticklock"
"""Where the virtual environment of the product is in the image."""
SITE = f"{HOME}/lib/python3.11/site-packages"
_PLATFORMS = {"amd64": "x86_64-manylinux_2_36", "arm64": "aarch64-manylinux_2_36"}


def install_requirements(folder: Path, architecture: str) -> None:
    """Install what requirements.txt names, each file checked by its hash, for the Python of the image."""
    _uv_install(
        folder,
        "--require-hashes",
        "--only-binary=:all:",
        f"--python-platform={_PLATFORMS[architecture]}",
        f"--requirement={REQUIREMENTS}",
    )


def install_product(folder: Path, scratch: Path) -> None:
    """Build our wheel from this checkout and install it, without what it needs."""
    # a copy, so that two builds from one checkout do not meet, and nothing but the sources is built
    sources = scratch / "sources"
    sources.mkdir()
    for name in ("operator", "crds"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources / name)
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch / "wheel")], cwd=sources)
    (wheel,) = (scratch / "wheel").glob("*.whl")
    _uv_install(folder, "--no-deps", str(wheel))
    _forget_where_from(folder)


def compile_all(folder: Path, base: Path, *, at: str) -> None:
    """Compile what will stand at that place, with the Python of the image, to code that no time stamp makes invalid.

    Otherwise every start would compile it anew: a replica has no place to keep it.
    Raises RuntimeError where a file cannot be compiled.
    """
    Loader(base).run(
        "usr/bin/python3.11",
        "-I",
        *("-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", f"/{at}", str(folder)),
        environment={"PYTHONHOME": str(base / "usr"), "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(EPOCH)},
    )


def _uv_install(folder: Path, *arguments: str) -> None:
    _run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--link-mode=copy", "--python-version=3.11"),
            *("--target", str(folder), *arguments),
        ],
        cwd=ROOT,
    )
    shutil.rmtree(folder / "bin", ignore_errors=True)  # their shebangs name a Python of this machine
    (folder / ".lock").unlink(missing_ok=True)


def _forget_where_from(folder: Path) -> None:
    """Take out what tells of this machine, and makes two builds differ."""
    for name in ("direct_url.json", "uv_cache.json"):
        for path in folder.glob(f"*.dist-info/{name}"):
            path.unlink()
            record = path.with_name("RECORD")
            lines = record.read_text().splitlines(keepends=True)
            record.write_text("".join(line for line in lines if not line.startswith(f"{path.parent.name}/{name},")))


def _run(argv: list[str], *, cwd: Path) -> None:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}:\n{(done.stdout + done.stderr)[-3000:]}")
