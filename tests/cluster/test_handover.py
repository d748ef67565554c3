"""From a CronJob to a ScheduledJob, as docs/converting.md has it: no tick is lost, none runs twice."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.place import manifest
from tests.support.waiting import eventually
from ticklock.domain.conversion import Wishes, convert

if TYPE_CHECKING:
    from tests.support.place import Place

MINUTE = 60


@pytest.mark.timeout(300)
def test_a_cronjob_is_handed_over_between_two_ticks(place: Place) -> None:
    last = (int(time.time()) // MINUTE + 1) * MINUTE
    line = last + MINUTE // 2
    cronjob = {**manifest("every-minute", "* * * * *"), "apiVersion": "batch/v1", "kind": "CronJob"}
    path = f"/apis/batch/v1/namespaces/{place.namespace}/cronjobs"
    stored = place.stack.cluster.api.post(path, cronjob)

    done = convert(stored, now=datetime.now(UTC), wishes=Wishes(start_at=datetime.fromtimestamp(line, UTC)))
    assert not done.fails
    planted = place.plant_manifest({**done.manifest, "metadata": {"name": "every-minute"}})

    def of_cronjob() -> list[int]:
        owned = [job for job in place.jobs() if job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"]
        marks = [job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] for job in owned]
        return sorted(int(datetime.fromisoformat(mark).timestamp()) for mark in marks)

    eventually(lambda: last in of_cronjob(), what="the CronJob launches its last tick", seconds=90)
    place.stack.cluster.api.merge_patch(f"{path}/every-minute", {"spec": {"suspend": True}})
    assert time.time() < line, "this machine was too slow for the hand-over"

    successor = planted.wait_launched(seconds=120)
    assert successor.tick == last + MINUTE, "the first tick after the line"
    assert max(of_cronjob()) == last
    assert not [row for row in planted.runs() if row["scheduled_time"].timestamp() < line]
