"""The Dockerfile and the tool that needs no docker make the same image, as far as can be read."""

import json
import re

import pytest

from tools.image import wheels
from tools.image.catalogue import LABELS, NONROOT, PRODUCT, UNUSED

TEXT = (wheels.ROOT / "Dockerfile").read_text()
JOINED = re.sub(r"\s*\\\n\s*", " ", TEXT)
FINAL = JOINED[JOINED.rindex("\nFROM ") :]


def instruction(word: str) -> str:
    """Return the only instruction of that kind in the last stage."""
    (found,) = re.findall(rf"^{word} (.*)$", FINAL, re.MULTILINE)
    return str(found)


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        pytest.param("ENTRYPOINT", list(PRODUCT.entrypoint), id="what is run"),
        pytest.param("CMD", list(PRODUCT.command), id="with which arguments"),
    ],
)
def test_a_container_starts_the_same(word: str, ours: list[str]) -> None:
    assert json.loads(instruction(word)) == ours


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        pytest.param("USER", PRODUCT.user, id="as which user"),
        pytest.param("EXPOSE", PRODUCT.ports[0], id="on which port"),
        pytest.param("ENV", " ".join(PRODUCT.environment), id="in which environment"),
    ],
)
def test_a_container_runs_the_same(word: str, ours: str) -> None:
    assert instruction(word) == ours


def test_the_labels_are_the_same() -> None:
    (version,) = re.findall(r"^ARG VERSION=(.*)$", FINAL, re.MULTILINE)
    found = dict(re.findall(r'(org\.\S+?)="([^"]*)"', instruction("LABEL")))
    assert found | {"org.opencontainers.image.version": version} == LABELS


def test_the_user_is_made_with_the_number_it_runs_under() -> None:
    assert f"useradd --uid {NONROOT.uid} --gid {NONROOT.uid}" in FINAL
    assert PRODUCT.user == f"{NONROOT.uid}:{NONROOT.uid}"


def test_the_product_stands_in_the_same_place() -> None:
    assert instruction("COPY") == f"--from=build /{wheels.HOME} /{wheels.HOME}"


def test_whatever_is_fetched_is_checked_by_its_hash_and_never_compiled() -> None:
    fetching = re.findall(r"pip (?:--python \S+ )?install (.*?)(?: &&|$)", JOINED, re.MULTILINE)
    assert len(fetching) == 3
    for arguments in fetching:
        hashed = "--require-hashes" in arguments and "--only-binary=:all:" in arguments
        assert hashed or "--no-index" in arguments


def test_the_same_is_left_out() -> None:
    assert UNUSED == ("kubernetes/aio/*", "kubernetes/client/api/*", "*/tests/*", "*/tests")
    assert "rm -rf kubernetes/aio kubernetes/client/api */tests " in JOINED
