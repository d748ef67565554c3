"""What the pages say to kubectl: commands and flags that it has, resources and objects that a cluster knows."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.crd import install
from tests.unit.docs.pages import WITH_THE_CHARTS, blocks, invocations, name
from tools.devcluster.binaries import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.devcluster.controlplane import ControlPlane

_OF_TWO_WORDS = {"auth", "config", "create", "rollout", "set"}
_NAMES_RESOURCES = {"get", "delete", "describe", "annotate", "patch", "wait", "scale", "explain"}
_TAKE_A_VALUE = {"-n", "--namespace", "-o", "-p", "-f", "--type", "--for", "--context", "--timeout", "-l"}
_NOT_OURS = {"prometheus"}
"""Kinds of the Prometheus Operator, which is not on the cluster of these tests."""
_FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][a-z-]*")

CALLS = [(name(page), call) for page in WITH_THE_CHARTS for call in invocations(page, "kubectl")]
EACH_CALL = [pytest.param(call, id=f"{page}: kubectl {' '.join(call)}"[:120]) for page, call in CALLS]
NAMING = [
    pytest.param(call, id=f"{page}: kubectl {' '.join(call)}"[:120])
    for page, call in CALLS
    if call[0] in _NAMES_RESOURCES
]


@cache
def helps(command: Sequence[str]) -> str:
    kubectl = resolve(["kubectl"])["kubectl"]
    done = subprocess.run([kubectl, *command, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


@cache
def flags(command: Sequence[str]) -> set[str]:
    kubectl = resolve(["kubectl"])["kubectl"]
    for_all = subprocess.run([kubectl, "options"], capture_output=True, text=True, check=True).stdout
    return set(_FLAG.findall(helps(command) + for_all))


@pytest.fixture(scope="module")
def resources(control_plane: ControlPlane) -> set[str]:
    """Every name by which kubectl knows a kind of object, with and without its group."""
    install(control_plane)
    known = {"all"}
    for line in control_plane.kubectl("api-resources", "--no-headers", "--output=wide").splitlines():
        plural, *short, version, _, kind, _ = line.split(maxsplit=_columns(line))[: _columns(line)]
        group = version.rpartition("/")[0]
        names = {plural, kind.lower(), *(one for list_ in short for one in list_.split(","))}
        known |= names | {f"{one}.{group}" for one in names}
    return known


def _columns(line: str) -> int:
    """How many columns come before the verbs: names, short names if there are any, version, namespaced, kind, verbs."""
    return 6 if line.split()[3] in {"true", "false"} else 5


def test_many_calls_are_found() -> None:
    assert len(CALLS) > 50


@pytest.mark.parametrize("call", EACH_CALL)
def test_kubectl_has_the_command_and_its_flags(call: list[str]) -> None:
    words = 3 if call[:2] == ["create", "secret"] else 2 if call[0] in _OF_TWO_WORDS else 1
    command = tuple(call[:words])
    assert f"kubectl {' '.join(command)}" in helps(command), "of an unknown command kubectl prints its own help"
    given = {found[0] for token in call if (found := _FLAG.match(token))}
    assert given <= flags(command)


@pytest.mark.parametrize("call", NAMING)
def test_the_resources_that_are_named_exist(call: list[str], resources: set[str]) -> None:
    assert named(call) <= resources | _NOT_OURS


def test_a_resource_that_there_is_not_would_be_noticed(resources: set[str]) -> None:
    assert named(["get", "schedulejobs"]).isdisjoint(resources)
    assert {"sjob", "scheduledjobs.ticklock.dev", "jobs.batch", "deploy", "statefulset"} <= resources


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        pytest.param("get -n try sjob,jobs", {"sjob", "jobs"}, id="two, behind a flag with its value"),
        pytest.param("delete crd scheduledjobs.ticklock.dev", {"crd"}, id="with the name of an object behind"),
        pytest.param("patch sjob/hello --type=merge", {"sjob"}, id="with a slash"),
        pytest.param("explain job.spec", {"job"}, id="a field of one"),
        pytest.param("apply -f -", set(), id="none"),
    ],
)
def test_resources_are_told_from_names(call: str, wanted: set[str]) -> None:
    assert named(call.split()) == wanted


def named(call: list[str]) -> set[str]:
    """The resources of a call: its first word behind the command that is no flag, nor the value of one."""
    if call[0] not in _NAMES_RESOURCES:
        return set()
    words = [token for before, token in pairwise(call) if not token.startswith("-") and before not in _TAKE_A_VALUE]
    found = {one.partition("/")[0] for one in words[0].split(",")} if words else set()
    return {one.partition(".")[0] for one in found} if call[0] == "explain" else found


OTHER_KINDS = [
    pytest.param(body, id=name(page))
    for page in WITH_THE_CHARTS
    for body in blocks(page, "yaml")
    if yaml.safe_load(body).get("kind", "ScheduledJob") != "ScheduledJob"
]


@pytest.mark.parametrize("body", OTHER_KINDS)
def test_manifests_of_other_kinds_are_taken(body: str, namespace: str, control_plane: ControlPlane) -> None:
    manifest = yaml.safe_load(body)
    manifest["metadata"]["namespace"] = namespace
    told = control_plane.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(manifest)
    )
    assert "serverside-applied" in told
