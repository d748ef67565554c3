"""The examples, applied as they stand, and ends of every kind: the pods run, and what kubectl shows is what is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.chart.planting import RARELY, Bystander, Planted, manifest
from tests.support.pods import Room
from tests.support.waiting import eventually
from tools.devcluster.manifests import EXAMPLES, collection

if TYPE_CHECKING:
    from tests.e2e.chart.release import Release
    from tests.support.sights import Sights

FILES = sorted(EXAMPLES.rglob("*.yaml"))
FREQUENT = ("every-ten-seconds", "payout-once", "never-two")
"""They are looked at first: later runs push out the Job that was asked for, and its pod with it."""
NAMES = sorted(
    (one["metadata"]["name"] for file in FILES for one in yaml.safe_load_all(file.read_text())),
    key=lambda name: name not in FREQUENT,
)
COLUMNS = ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST RUN", "LAST STATE", "NEXT RUN", "AGE"]
SECONDS = 120

# the tests of monitoring need schedules that have been in trouble for minutes
pytestmark = pytest.mark.usefixtures("monitored")


@pytest.fixture(scope="module")
def applied(release: Release) -> Iterator[Room]:
    """All examples in one namespace, and a run of each asked for."""
    with Room.lend(release.cluster, "examples") as room:
        room.kubectl("apply", *(f"--filename={file}" for file in FILES))
        room.kubectl("annotate", "sjob", "--all", "ticklock.dev/trigger=first")
        yield room


def over(room: Room, sights: Sights, name: str) -> dict[str, Any] | None:
    """The Job of the run that was asked for as it was last seen, once it has ended."""
    found = room.get("scheduledjobs", name, "apis/ticklock.dev/v1") or {}
    jobs = [one.last for one in sights.jobs(found["metadata"]["uid"]) if one.run_key == "trigger:first"]
    return next((job for job in jobs if state(job)), None)


def state(job: dict[str, Any]) -> str:
    conditions = job.get("status", {}).get("conditions", ())
    return next((one["type"] for one in conditions if one["type"] in {"Complete", "Failed"}), "")


@pytest.mark.parametrize("name", NAMES)
def test_a_run_of_an_example(applied: Room, sights: Sights, name: str) -> None:
    """Its container runs to its end, `kubectl logs` shows what it prints, `kubectl events` what became of it."""
    wanted = "Failed" if name == "fails" else "Complete"
    job = eventually(
        lambda: over(applied, sights, name),
        what=f"the run of {name} has ended",
        seconds=SECONDS,
        interval=0.3,
    )
    assert job is not None
    assert state(job) == wanted
    (command,) = (one["command"] for one in job["spec"]["template"]["spec"]["containers"])
    variables = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    if "TICKLOCK_SCHEDULED_TIME" in command[-1]:
        printed = applied.kubectl("logs", f"job/{job['metadata']['name']}")
        assert variables["TICKLOCK_SCHEDULED_TIME"] in printed.splitlines()[-1]
    ended = "JobFailed" if name == "fails" else "JobCompleted"
    eventually(
        lambda: re.search(rf"(Normal|Warning) +{ended} ", events(applied, name)), what=f"{name}: its end is told"
    )
    assert re.search(rf"Launched +ScheduledJob/{name} +run \S+: Job {name}-\S+ launched ", events(applied, name))


def events(room: Room, name: str) -> str:
    return room.kubectl("events", "--for", f"sjob/{name}")


def test_kubectl_get_shows_a_line_for_each(applied: Room) -> None:
    eventually(lambda: told_of(applied) == len(NAMES), what="the last run of each is told of", seconds=SECONDS)
    head, *lines = applied.kubectl("get", "sjob").splitlines()
    assert re.split(r"  +", head.strip()) == COLUMNS
    assert [line.split()[0] for line in lines] == sorted(NAMES)
    by_name = {line.split()[0]: line for line in lines}
    assert re.search(r"30 2 \* \* \* +Europe/Berlin +false +0 .* Completed +\S+T0[01]:30:00Z ", by_name["berlin-night"])


def told_of(room: Room) -> int:
    items = room.cluster.control_plane.api.get(collection(room.namespace))["items"]
    return sum("lastRun" in one.get("status", {}) for one in items)


def test_kubectl_describe_tells_of_a_schedule(applied: Room) -> None:
    told = applied.kubectl("describe", "sjob/fails")
    for words in ("Reason:  *JobFailed", "State:  *Failed", "Exit|BackoffLimitExceeded", "Triggered", "Launched"):
        assert re.search(words, told), f"{words}: {told}"


# --------------------------------------------------------------------------------------------------------------- ends


@dataclass(frozen=True, slots=True)
class End:
    """What a pod does, and what is to be told of it."""

    what: str
    body: dict[str, Any]
    outcome: tuple[str, str]
    words: str
    container: str
    """What the node says of the container."""


def ending(name: str, *command: str, **more: Any) -> dict[str, Any]:
    return manifest(name, *command, schedule=RARELY, trigger="now", **more)


GREEDY = {"resources": {"limits": {"memory": "16Mi"}}}
ENDS = [
    # the first to be looked at: its pod goes with its deadline
    End("an image that cannot be pulled", ending("imageless", container={"image": "127.0.0.1:1/nothing:1"},
                                                job={"activeDeadlineSeconds": 15}), ("Failed", "JobFailed"),
        "DeadlineExceeded", "ErrImagePull|ImagePullBackOff"),
    End("a command that fails", ending("exits", "sh", "-c", "exit 3"), ("Failed", "JobFailed"),
        "BackoffLimitExceeded", "Error 3"),
    End("more memory than it may have", ending("greedy", "sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done",
                                              container=GREEDY), ("Failed", "JobFailed"),
        "BackoffLimitExceeded", "OOMKilled 137"),
    End("a second try that succeeds", ending("tries", "sh", "-c", "test -e /kept/it || { touch /kept/it; exit 1; }",
                                             container={"volumeMounts": [{"name": "kept", "mountPath": "/kept"}]},
                                             pod={"restartPolicy": "OnFailure",
                                                  "volumes": [{"name": "kept", "emptyDir": {}}]},
                                             job={"backoffLimit": 3}), ("Completed", "JobCompleted"),
        "CompletionsReached", "Completed 0"),
]  # fmt: skip


@pytest.fixture(scope="module")
def planted(release: Release, bystander: Bystander) -> Iterator[dict[str, Planted]]:
    """All of them at once, so that they end meanwhile."""
    with Room.lend(release.cluster, "ends") as room:
        yield {end.what: bystander.plant(room, end.body) for end in ENDS}


@pytest.mark.parametrize("end", [pytest.param(end, id=end.what) for end in ENDS])
def test_an_end(planted: dict[str, Planted], end: End) -> None:
    """It is the right outcome, with the right reason, and what kubernetes says of it stands in the Event."""
    schedule = planted[end.what]
    job = schedule.wait_launched()
    seen = eventually(lambda: container(schedule.room, job.name, end.container), what=f"its container: {end.container}")
    assert seen
    last = schedule.wait_ended()
    assert (last["state"], last["reason"]) == end.outcome
    eventually(lambda: end.words in events(schedule.room, schedule.name), what=f"the Event tells: {end.words}")
    assert len(schedule.launched()) == 1


def container(room: Room, job: str, words: str) -> bool:
    """Whether a node has said that of the container of a Job's pod."""
    path = f"/api/v1/namespaces/{room.namespace}/pods?labelSelector=batch.kubernetes.io/job-name={job}"
    for pod in room.cluster.control_plane.api.get(path)["items"]:
        for status in pod["status"].get("containerStatuses", ()):
            for one in (status["state"], status.get("lastState", {})):
                ended, waiting = one.get("terminated", {}), one.get("waiting", {})
                told = f"{ended.get('reason', '')} {ended.get('exitCode', '')}".strip() or waiting.get("reason", "")
                if re.fullmatch(words, told):
                    return True
    return False
