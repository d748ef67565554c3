"""The schedules that are measured: every minute, the same template for all contenders."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tools.bench.history import ScheduleName
from tools.bench.plan import Contender
from tools.bench.template import JOB, NAMESPACE
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.manifests import collection

EVERY_MINUTE = "* * * * *"
_CREATORS = 8
_PAGE = 500


def names(count: int) -> tuple[ScheduleName, ...]:
    """Return the names of so many schedules."""
    return tuple(ScheduleName(f"bench-{number:05d}") for number in range(count))


def create(cluster: ControlPlane, contender: Contender, wanted: Iterable[ScheduleName]) -> None:
    """Create them, several at a time. Raises ApiError or OSError of the first that could not be created."""
    path = _path(contender)
    with ThreadPoolExecutor(_CREATORS) as creators:
        for _ in creators.map(lambda name: cluster.api.post(path, manifest(contender, name)), wanted):
            pass


def manifest(contender: Contender, name: ScheduleName) -> dict[str, Any]:
    """Return one of them as it is created."""
    ours = contender is Contender.TICKLOCK
    return {
        "apiVersion": "ticklock.dev/v1" if ours else "batch/v1",
        "kind": "ScheduledJob" if ours else "CronJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "schedule": EVERY_MINUTE,
            "timeZone": "Etc/UTC",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {"spec": JOB},
        },
    }


def unknown_to_ticklock(cluster: ControlPlane) -> int:
    """Count the ScheduledJobs whose status does not yet say that they were taken up."""
    items: list[dict[str, Any]] = []
    query: str | None = ""
    while query is not None:
        page = cluster.api.get(f"{collection(NAMESPACE)}?limit={_PAGE}{query}")
        items += page["items"]
        following = page["metadata"].get("continue")
        query = f"&continue={following}" if following else None
    return sum(item.get("status", {}).get("observedGeneration") is None for item in items)


def _path(contender: Contender) -> str:
    return (
        collection(NAMESPACE) if contender is Contender.TICKLOCK else f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs"
    )
