"""Prometheus beside a release, and three schedules in trouble: one fails, one is late, one misses its ticks.

They use no field that the CRD of the former chart may lack: while that is in force, such a field would be dropped.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.e2e.chart.planting import Bystander, Planted, manifest
from tests.e2e.chart.prometheus import Prometheus, scraping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.chart.release import Release
    from tests.support.pods import Room

MONITORING = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
_FOR_EVER = ("sleep", "3600")


@dataclass(frozen=True, slots=True)
class Monitored:
    """What is read, and what is wrong with each schedule."""

    prometheus: Prometheus
    failing: Planted
    late: Planted
    missing: Planted

    @classmethod
    @contextmanager
    def begin(cls, bystander: Bystander, room: Room, *, program: Path, folder: Path) -> Iterator[Monitored]:
        """Start Prometheus, with the rules as the chart ships them, and plant the schedules."""
        release = bystander.release
        shipped = release.chart.render(MONITORING, release=release.name, namespace=release.namespace)
        (group,) = shipped.one("PrometheusRule")["spec"]["groups"]
        scrape = scraping(shipped.one("ServiceMonitor"), release.cluster.control_plane.kubeconfig)
        safe = _where_nothing_ends(release)
        with Prometheus(program, folder, scrape, group["rules"]) as running:
            yield cls(
                running,
                bystander.plant(room, manifest("failing", "sh", "-c", "exit 3", schedule="@every 30s")),
                bystander.plant(room, _late(safe)),
                bystander.plant(room, _missing(safe)),
            )


def _where_nothing_ends(release: Release) -> dict[str, object]:
    """The node of the database, whose plug nobody pulls; and nothing is moved from there while its cable is cut."""
    node = release.database()["spec"]["nodeName"]
    stays = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    return {"nodeSelector": {"kubernetes.io/hostname": node}, "tolerations": [stays]}


def _late(pod: dict[str, object]) -> dict[str, object]:
    """Of its two ticks the second waits for the first, under Forbid, for as long as that runs."""
    first = datetime.now(UTC) + timedelta(seconds=10)
    if first.second >= 50:  # both in one minute
        first = first.replace(second=0) + timedelta(minutes=1)
    seconds = f"{first.second},{first.second + 10}"
    once_a_year = f"{seconds} {first.minute} {first.hour} {first.day} {first.month} *"
    return manifest("late", *_FOR_EVER, schedule=once_a_year, concurrencyPolicy="Forbid", pod=pod)


def _missing(pod: dict[str, object]) -> dict[str, object]:
    """Each tick but the first would have to wait for longer than it may."""
    return manifest(
        "missing", *_FOR_EVER, schedule="@every 20s", startingDeadlineSeconds=5, concurrencyPolicy="Forbid", pod=pod
    )
