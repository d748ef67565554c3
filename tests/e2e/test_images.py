"""The images: what is in them, and that they run as they say, where pods are given as little as can be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.pods import Room, exit_code, pod
from tools.image.build import Built, build
from tools.image.wheels import REQUIREMENTS

MEGABYTE = 1_000_000
TICKLOCK = "ticklock:0.1.0"
HARSH = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def listed(image: Built) -> dict[str, str]:
    packages = json.loads(image.bill.read_text())["packages"]
    return {package["name"]: package.get("versionInfo", "") for package in packages}


def test_the_replicas_image_is_small(images: dict[str, Built]) -> None:
    assert images["ticklock"].size < 200 * MEGABYTE


def test_the_list_of_what_is_in_it_has_every_requirement_in_its_version(images: dict[str, Built]) -> None:
    wanted = dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", REQUIREMENTS.read_text(), re.MULTILINE))
    assert len(wanted) > 30
    found = listed(images["ticklock"])
    assert {name: found.get(name) for name in wanted} == wanted
    assert {"ticklock", "libc6", "python3.11", "ca-certificates"} <= found.keys()


def test_a_second_build_is_the_same_bytes(images: dict[str, Built], tmp_path: Path) -> None:
    again = build("ticklock", tmp_path)
    assert again.digest == images["ticklock"].digest
    assert again.file.read_bytes() == images["ticklock"].file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        pytest.param(["version"], r"0\.1\.0\n", id="it says its version"),
        pytest.param(["next", "@daily", "--count=1"], r"(?s).*T00:00:00Z.*", id="it knows the time zones"),
        pytest.param(["crd"], r"(?s)# Made by.*kind: CustomResourceDefinition.*", id="it carries the CRD"),
    ],
)
def test_it_runs_without_root_and_without_anything_to_write_to(room: Room, arguments: list[str], printed: str) -> None:
    ended = room.run(pod("runs", image=TICKLOCK, container={"args": arguments, "securityContext": HARSH}))
    assert (exit_code(ended), bool(re.fullmatch(printed, room.logs("runs")))) == (0, True), room.logs("runs")


def test_what_a_replica_imports_was_compiled_when_the_image_was_built(room: Room) -> None:
    """Otherwise each start of each replica would compile it anew: it has no place to keep it."""
    script = (
        "import sys, os, ticklock.bootstrap.controller as _; "
        "code={m.__name__: c for m in list(sys.modules.values()) if (c := getattr(m, '__cached__', None))}; "
        "print(len(code) > 300, [name for name, place in code.items() if not os.path.exists(place)])"
    )
    room.run(pod("imports", "/opt/ticklock/bin/python", "-c", script, image=TICKLOCK))
    assert room.logs("imports") == "True []\n"


def test_python_has_the_name_by_which_helm_test_calls_it(room: Room) -> None:
    ended = room.run(pod("named", "python3", "-c", "import ticklock; print(ticklock.__name__)", image=TICKLOCK))
    assert (exit_code(ended), room.logs("named")) == (0, "ticklock\n")


def test_a_kubeconfig_can_be_read_with_what_is_left_of_the_client_library(room: Room) -> None:
    cluster = {"server": "https://example.test:6443", "insecure-skip-tls-verify": True}
    content = {
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    }
    script = (
        "import sys; from kubernetes.client import Configuration; from kubernetes.config import load_kube_config; "
        "open('/tmp/kubeconfig', 'w').write(sys.argv[1]); read = Configuration(); "
        "load_kube_config(config_file='/tmp/kubeconfig', client_configuration=read); print(read.host)"
    )
    room.run(pod("reads", "/opt/ticklock/bin/python", "-c", script, json.dumps(content), image=TICKLOCK))
    assert room.logs("reads") == "https://example.test:6443\n"
