"""What StrictPod costs, from the sights of pods."""

from typing import Any

from tools.bench.strictpod import Lags, manifest, sheet
from tools.devcluster.watching import Change, Sight

TICK = 1_795_365_000.0  # 2026-11-22T16:30:00Z


def sight(schedule: str, uid: str, lag: float, *, started: bool = False) -> Sight:
    env = [{"name": "TICKLOCK_SCHEDULED_TIME", "value": "2026-11-22T16:30:00Z"}]
    pod: dict[str, Any] = {
        "metadata": {"uid": uid, "labels": {"ticklock.dev/schedule": schedule}},
        "spec": {"containers": [{"env": env}]},
        "status": {"startTime": "x"} if started else {},
    }
    return Sight(Change.SEEN, pod, TICK + lag)


def test_the_first_sight_of_each_counts() -> None:
    lags = Lags()
    for one in (
        sight("job-0000", "a", 0.1),
        sight("job-0000", "a", 0.2, started=True),
        sight("job-0000", "a", 0.9, started=True),
        sight("strictpod-0000", "b", 0.3, started=True),
        sight("somebody-else", "c", 0.4),
    ):
        lags.saw(one)
    assert {policy: [round(lag, 3) for lag in found.values()] for policy, found in lags.made.items()} == {
        "Job": [0.1],
        "StrictPod": [0.3],
    }
    assert [round(lag, 3) for lag in lags.running["Job"].values()] == [0.2]
    assert sheet(lags, "a command").rows[:2] == (
        ("Job", "made", "1", "100", "100", "100", "100"),
        ("Job", "running", "1", "200", "200", "200", "200"),
    )


def test_both_policies_tick_at_the_same_seconds() -> None:
    job, strict = manifest("Job", 0)["spec"], manifest("StrictPod", 0)["spec"]
    assert job["schedule"] == strict["schedule"]
    assert (job["launchPolicy"], strict["launchPolicy"]) == ("Job", "StrictPod")
    assert job["jobTemplate"] == strict["jobTemplate"]
