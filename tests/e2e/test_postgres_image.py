"""The PostgreSQL image takes what the public image takes: variables, files of secrets, user, place of the data."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.support.pods import Room, exit_code, pod
from tests.support.waiting import eventually

DATA = "/var/lib/postgresql/data"
BELOW = f"{DATA}/pgdata"
"""Where the data must stand for a server without root: the folder of the volume itself is not its own."""
HARSH = {
    "runAsNonRoot": True,
    "runAsUser": 999,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
MOUNTS = [{"name": "data", "mountPath": DATA}, {"name": "run", "mountPath": "/var/run/postgresql"}]
VOLUMES: list[dict[str, Any]] = [{"name": "data", "emptyDir": {}}, {"name": "run", "emptyDir": {}}]


def server(name: str, environment: dict[str, str], *, container: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod with an empty place for the data, ready when strangers may connect."""
    probe = {"exec": {"command": ["pg_isready", "--host=127.0.0.1"]}, "periodSeconds": 1}
    inside = {
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "readinessProbe": probe,
        "volumeMounts": MOUNTS,
        **(container or {}),
    }
    return pod(name, image="postgres:15", container=inside, volumes=VOLUMES, securityContext={"fsGroup": 999})


def ask(room: Room, name: str, statement: str, *, user: str, database: str, password: str) -> str:
    """Ask by the pod's address, as everybody else would: from the pod itself nobody needs a password."""
    ip = (room.get("pods", name) or {})["status"]["podIP"]
    address = f"host={ip} user={user} dbname='{database}' password='{password}'"
    return room.execute(name, "psql", "--no-psqlrc", "-tA", "-c", statement, address).strip()


def test_user_database_and_password_are_those_that_were_asked_for(room: Room) -> None:
    wanted = {"POSTGRES_USER": "me", "POSTGRES_DB": "my db", "POSTGRES_PASSWORD": "s3 cret", "PGDATA": BELOW}
    room.begin(server("asked", wanted, container={"securityContext": HARSH}))
    who = "SELECT current_user || ' in ' || current_database() || ' ' || rolsuper FROM pg_roles WHERE rolname = 'me'"
    assert ask(room, "asked", who, user="me", database="my db", password="s3 cret") == "me in my db true"
    assert ask(room, "asked", "SHOW data_directory", user="me", database="my db", password="s3 cret") == BELOW
    with pytest.raises(RuntimeError, match="password authentication failed"):
        ask(room, "asked", "SELECT 1", user="me", database="my db", password="wrong")


def test_started_as_root_it_becomes_the_user_of_the_public_image(room: Room) -> None:
    room.begin(server("rooted", {"POSTGRES_PASSWORD": "x"}))
    owners = room.execute("rooted", "stat", "--format=%u:%g", DATA, f"{DATA}/PG_VERSION", "/proc/1")
    assert owners.split() == ["999:999"] * 3
    assert ask(room, "rooted", "SELECT current_user", user="postgres", database="postgres", password="x") == "postgres"


def test_a_password_may_come_from_a_file_and_the_data_stand_elsewhere(room: Room) -> None:
    content = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pass"}, "stringData": {"it": "of a file"}}
    room.create(content)
    body = server("filed", {"POSTGRES_PASSWORD_FILE": "/secret/it", "PGDATA": BELOW})
    body["spec"]["volumes"] = [*VOLUMES, {"name": "secret", "secret": {"secretName": "pass"}}]
    body["spec"]["containers"][0]["volumeMounts"] = [*MOUNTS, {"name": "secret", "mountPath": "/secret"}]
    room.begin(body)
    place = ask(room, "filed", "SHOW data_directory", user="postgres", database="postgres", password="of a file")
    assert place == BELOW


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        pytest.param({}, "POSTGRES_PASSWORD must not be empty", id="no password"),
        pytest.param(
            {"POSTGRES_PASSWORD": "x", "POSTGRES_PASSWORD_FILE": "/etc/passwd"},
            "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set",
            id="a password twice",
        ),
        pytest.param({"POSTGRES_USER_FILE": "/nowhere"}, "cannot read /nowhere", id="a file that is not there"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_started(
    room: Room, environment: dict[str, str], words: str
) -> None:
    ended = room.run(server("wrong", environment))
    assert exit_code(ended) == 1
    assert words in room.logs("wrong")


def test_a_volume_of_somebody_else_is_refused_with_advice(room: Room) -> None:
    ended = room.run(server("foreign", {"POSTGRES_PASSWORD": "x"}, container={"securityContext": HARSH}))
    assert exit_code(ended) == 1
    assert "let PGDATA name one below it" in room.logs("foreign")


def test_a_first_start_that_was_killed_is_begun_anew_and_a_second_start_finds_the_data(room: Room) -> None:
    """Half a database lies there, as SIGKILL leaves it: without a word the next start makes a whole one."""
    body = server("killed", {"POSTGRES_PASSWORD": "x", "PGDATA": BELOW}, container={"securityContext": HARSH})
    half = f"mkdir -p {BELOW}/.new/base {BELOW}/base && echo 15 >{BELOW}/.new/PG_VERSION"
    before = {"name": "half", "image": "busybox:1.37", "imagePullPolicy": "Never", "command": ["sh", "-c", half]}
    body["spec"]["initContainers"] = [{**before, "volumeMounts": MOUNTS, "securityContext": {"runAsUser": 999}}]
    body["spec"]["restartPolicy"] = "Always"
    room.begin(body)
    ask(room, "killed", "CREATE TABLE kept (n int)", user="postgres", database="postgres", password="x")
    with contextlib.suppress(RuntimeError):  # it may take the command along
        room.execute("killed", "pg_ctl", "--mode=immediate", "--no-wait", "stop")

    def restarts() -> int:
        return int((room.get("pods", "killed") or {})["status"]["containerStatuses"][0]["restartCount"])

    eventually(lambda: restarts() == 1 and room.ready("killed"), what="it has started again", seconds=60)
    assert ask(room, "killed", "SELECT count(*) FROM kept", user="postgres", database="postgres", password="x") == "0"
