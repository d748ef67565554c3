"""A namespace of a test's own, and the ScheduledJobs planted in it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.support.waiting import eventually
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import collection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.rows import Row
    from tests.support.sights import SeenJob
    from tests.support.stack import Stack

RARELY = "0 0 1 1 *"
"""A schedule that does not tick while a test runs."""


def manifest(name: str, schedule: str, *, simulate: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A ScheduledJob. `simulate`: what the simulated nodes do with its pods, as annotations without their prefix."""
    container = {"name": "main", "image": "busybox:1.37", "command": ["true"]}
    # The controllers of namespaces wait half a pod's grace before they look again.
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    notes = {f"ticklock.dev/{key}": value for key, value in (simulate or {}).items()}
    template = {"spec": {"backoffLimit": 0, "template": {"metadata": {"annotations": notes}, "spec": pod}}}
    return {
        "apiVersion": "ticklock.dev/v1",
        "kind": "ScheduledJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": template, **deepcopy(spec)},
    }


@dataclass(frozen=True, slots=True)
class Place:
    """One namespace."""

    stack: Stack
    namespace: str

    def plant(self, name: str, schedule: str, *, simulate: Mapping[str, str] | None = None, **spec: Any) -> Planted:
        """Create a ScheduledJob."""
        return self.plant_manifest(manifest(name, schedule, simulate=simulate, **spec))

    def plant_manifest(self, body: Mapping[str, Any]) -> Planted:
        return Planted(self, self.stack.cluster.api.post(collection(self.namespace), body))

    @property
    def jobs_path(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def job(self, name: str) -> dict[str, Any] | None:
        try:
            return self.stack.cluster.api.get(f"{self.jobs_path}/{name}")
        except ApiError as refusal:
            if refusal.status == 404:
                return None
            raise

    def jobs(self) -> list[dict[str, Any]]:
        return list(self.stack.cluster.api.get(self.jobs_path)["items"])

    def pods(self) -> list[dict[str, Any]]:
        return list(self.stack.cluster.api.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"])

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.stack.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def exists(self) -> bool:
        try:
            self.stack.cluster.api.get(f"/api/v1/namespaces/{self.namespace}")
        except ApiError as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    def remove(self) -> None:
        """Ask for the namespace to go, unless it does already."""
        if self.exists():
            self.stack.cluster.api.delete(f"/api/v1/namespaces/{self.namespace}")


class Planted:
    """One ScheduledJob, by its UID."""

    def __init__(self, place: Place, body: Mapping[str, Any]) -> None:
        self.place = place
        self.name = str(body["metadata"]["name"])
        self.uid = str(body["metadata"]["uid"])
        self.expression = str(body["spec"].get("schedule", ""))
        self.created = datetime.fromisoformat(body["metadata"]["creationTimestamp"]).astimezone(UTC)

    # ------------------------------------------------------------------------------------------------------- acting

    @property
    def path(self) -> str:
        return f"{collection(self.place.namespace)}/{self.name}"

    def patch(self, body: Mapping[str, Any]) -> None:
        self.place.stack.cluster.api.merge_patch(self.path, body)

    def edit(self, **spec: Any) -> None:
        self.patch({"spec": spec})

    def trigger(self, value: str) -> None:
        self.place.kubectl("annotate", "--overwrite", f"sjob/{self.name}", f"ticklock.dev/trigger={value}")

    def delete(self) -> None:
        self.place.stack.cluster.api.delete(self.path)

    # ------------------------------------------------------------------------------------------------------ looking

    def object(self) -> dict[str, Any]:
        return self.place.stack.cluster.api.get(self.path)

    def status(self) -> dict[str, Any]:
        return dict(self.object().get("status") or {})

    def condition(self, kind: str) -> dict[str, Any]:
        return next((one for one in self.status().get("conditions", ()) if one["type"] == kind), {})

    def events(self) -> list[dict[str, Any]]:
        """The Events about it, of events.k8s.io/v1."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.place.namespace}/events"
        found = self.place.stack.cluster.api.get(path)["items"]
        return [event for event in found if event.get("regarding", {}).get("uid") == self.uid]

    def runs(self) -> list[Row]:
        return self.place.stack.rows.runs(self.uid)

    def run(self, tick: int) -> Row:
        """The run of a tick, which must be planned."""
        return next(row for row in self.runs() if row["run_key"] == f"tick:{tick}")

    def seen(self) -> list[SeenJob]:
        return self.place.stack.sights.jobs(self.uid)

    def launched(self) -> list[SeenJob]:
        return [job for job in self.seen() if job.let_go_at is not None]

    def tick(self, number: int) -> int:
        """The n-th tick of an `@every <n>s`, in seconds since 1970."""
        period = int(self.expression.removeprefix("@every ").removesuffix("s"))
        return int(self.created.timestamp()) + number * period

    # ------------------------------------------------------------------------------------------------------ waiting

    def wait_seen(self, number: int = 1, *, seconds: float = 30) -> SeenJob:
        """Wait for its n-th Job to appear."""
        eventually(lambda: len(self.seen()) >= number, what=f"{number} Jobs of {self.name} exist", seconds=seconds)
        return self.seen()[number - 1]

    def wait_launched(self, number: int = 1, *, seconds: float = 30) -> SeenJob:
        """Wait for the n-th launch."""
        what = f"{number} Jobs of {self.name} are launched"
        eventually(lambda: len(self.launched()) >= number, what=what, seconds=seconds)
        return self.launched()[number - 1]

    def wait_run(self, like: Callable[[Row], bool], *, what: str, seconds: float = 30) -> Row:
        """Wait for a run that is so; return the first."""
        found = eventually(lambda: [row for row in self.runs() if like(row)], what=what, seconds=seconds)
        return found[0]

    def wait_status(self, like: Callable[[dict[str, Any]], bool], *, what: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for a status that is so; return it."""
        found: list[dict[str, Any]] = []

        def asked() -> bool:
            found[:] = [self.status()]
            return like(found[0])

        try:
            eventually(asked, what=what, seconds=seconds, interval=0.1)
        except AssertionError as late:
            raise AssertionError(f"{late}; the status was {found}") from late
        return found[0]
