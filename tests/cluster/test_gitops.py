"""What tools that wait for objects make of ours: the table of the page, asked of kstatus and of the Lua of Argo CD."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.crd import collection, install
from tests.support.place import RARELY, manifest
from tests.unit.docs.pages import ROOT, blocks, tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.place import Place
    from tools.devcluster.controlplane import ControlPlane

PAGE = ROOT / "docs" / "howto" / "gitops.md"
NEVER = "0 0 31 2 *"
"""An expression that the API server takes, and the controller cannot follow: no such day comes."""

Object = dict[str, Any]
PROMISED = next(table for table in tables(PAGE) if table[0][0] == "the object")[1:]


def lua_check() -> str:
    """The script as the page gives it to Argo CD."""
    (config,) = [yaml.safe_load(body) for body in blocks(PAGE, "yaml") if "argocd" in body]
    return str(config["data"]["resource.customizations.health.ticklock.dev_ScheduledJob"])


# ------------------------------------------------------------------------------------------------------------- objects


def in_force(place: Place) -> Object:
    planted = place.plant("one", RARELY)
    planted.wait_status(lambda now: bool(now.get("conditions")), what="it has a status")
    return planted.object()


def not_followed(place: Place) -> Object:
    planted = place.plant("one", NEVER)
    planted.wait_status(lambda now: bool(now.get("conditions")), what="it has a status")
    return planted.object()


def edited(place: Place) -> Object:
    """As it stands between the edit and its reading: with a generation that no replica has seen."""
    body = in_force(place)
    body["metadata"]["generation"] += 1
    return body


def suspended(place: Place) -> Object:
    planted = place.plant("one", RARELY, suspend=True)
    planted.wait_status(lambda now: bool(now.get("conditions")), what="it has a status")
    return planted.object()


OBJECTS: dict[str, Callable[[Place], Object]] = {
    "in force": in_force,
    "cannot be followed": not_followed,
    "edited, and not read yet": edited,
    "suspended": suspended,
}
UNSEEN = "no replica has seen it yet"


@pytest.fixture
def unseen(control_plane: ControlPlane, namespace: str) -> Object:
    """One as the API server answers its creation, before anybody can have read it."""
    install(control_plane)
    return control_plane.api.post(f"{collection(namespace)}?dryRun=All", manifest("one", RARELY))


# -------------------------------------------------------------------------------------------------------- who is asked


def by_kstatus(program: Path, body: Object) -> str:
    done = subprocess.run([program], input=json.dumps(body), capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def by_argo(program: Path, body: Object, folder: Path) -> tuple[str, str]:
    """Run the check as Argo CD does: the object is the global `obj`, what it returns is the health."""
    script = folder / "check.lua"
    script.write_text(
        f"obj = {literal(body)}\n"
        f"local function check()\n{lua_check()}\nend\n"
        "local health = check()\n"
        "print(health.status)\n"
        "print(health.message)\n"
    )
    done = subprocess.run([program, script], capture_output=True, text=True, check=True)
    status, message = done.stdout.splitlines()
    return status, message


def literal(value: Any) -> str:
    """A value as Lua writes it."""
    match value:
        case dict():
            return "{" + ", ".join(f"[{json.dumps(key)}] = {literal(item)}" for key, item in value.items()) + "}"
        case list():
            return "{" + ", ".join(map(literal, value)) + "}"
        case None:
            return "nil"
        case _:
            return json.dumps(value)


# -------------------------------------------------------------------------------------------------------------- asking


def test_every_line_of_the_table_is_asked() -> None:
    assert {row[0] for row in PROMISED} == {*OBJECTS, UNSEEN}


@pytest.mark.parametrize("row", [row for row in PROMISED if row[0] != UNSEEN], ids=lambda row: row[0])
def test_an_object_counts_as_the_page_says(  # noqa: PLR0917 - fixtures
    row: list[str], place: Place, kstatus_program: Path, glua_program: Path, tmp_path: Path
) -> None:
    what, kstatus, argo = row
    body = OBJECTS[what](place)
    status, message = by_argo(glua_program, body, tmp_path)
    assert (by_kstatus(kstatus_program, body), status) == (kstatus, argo)
    assert message not in {"", "nil"}


def test_one_that_nobody_has_seen_counts_as_the_page_says(
    unseen: Object, kstatus_program: Path, glua_program: Path, tmp_path: Path
) -> None:
    (row,) = [row for row in PROMISED if row[0] == UNSEEN]
    assert "status" not in unseen
    assert [UNSEEN, by_kstatus(kstatus_program, unseen), by_argo(glua_program, unseen, tmp_path)[0]] == row


def test_the_reason_why_it_cannot_be_followed_is_shown(place: Place, glua_program: Path, tmp_path: Path) -> None:
    body = not_followed(place)
    (ready,) = [one for one in body["status"]["conditions"] if one["type"] == "Ready"]
    assert by_argo(glua_program, body, tmp_path) == ("Degraded", ready["message"])


def test_a_failed_run_does_not_make_a_deployment_fail(
    place: Place, kstatus_program: Path, glua_program: Path, tmp_path: Path
) -> None:
    planted = place.plant("one", RARELY, simulate={"simulate": "fail"})
    planted.trigger("now")
    planted.wait_status(lambda now: now.get("lastRun", {}).get("state") == "Failed", what="a run has failed")
    assert planted.condition("LastRunSucceeded")["status"] == "False"
    body = planted.object()
    assert (by_kstatus(kstatus_program, body), by_argo(glua_program, body, tmp_path)[0]) == ("Current", "Healthy")


def test_the_conditions_that_the_page_names_are_those_of_an_object(place: Place) -> None:
    told = next(table for table in tables(PAGE) if table[0][0] == "condition")[1:]
    assert [row[0].strip("`") for row in told] == [one["type"] for one in in_force(place)["status"]["conditions"]]
