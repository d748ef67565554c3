from pathlib import Path
from typing import Any

import pytest

from tools.bench.history import Beat, Break, Entry, JobUid, Phase, ScheduleName, Sight, Tail, Tick, to_line
from tools.bench.observer import TICK_ANNOTATION, sight_of

ENTRIES: list[Entry] = [
    Beat(1.5),
    Sight(2.25, Phase.HELD, JobUid("u"), ScheduleName("a"), Tick(60)),
    Sight(3.0, Phase.GONE, JobUid("v"), ScheduleName("b"), None),
    Break(4.0, "reset by peer", lost=True),
]


def job(**changes: Any) -> dict[str, Any]:
    owner = {"kind": "CronJob", "name": "nightly", "controller": True}
    metadata = {
        "name": "nightly-29921953",
        "uid": "u",
        "annotations": {TICK_ANNOTATION: "2026-11-22T17:00:00Z"},
        "ownerReferences": [owner],
    }
    return {"metadata": {**metadata, **changes.get("metadata", {})}, "spec": changes.get("spec", {})}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_bytes(b"".join(map(to_line, ENTRIES)))
    assert Tail(file).grow() == ENTRIES


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "history"
    tail = Tail(file)
    assert tail.grow() == []
    lines = b"".join(map(to_line, ENTRIES))
    for end in range(0, len(lines), 7):
        file.write_bytes(lines[:end])
        assert tail.grow() == ENTRIES[: lines[:end].count(b"\n")]
    file.write_bytes(lines)
    assert tail.grow() == ENTRIES


@pytest.mark.parametrize(
    ("seen", "gone", "expected"),
    [
        pytest.param(job(), False, (Phase.FREE, "nightly", 1795366800), id="a CronJob's Job may start at once"),
        pytest.param(
            job(metadata={"annotations": {TICK_ANNOTATION: "2026-11-22T18:00:00+01:00"}}),
            *(False, (Phase.FREE, "nightly", 1795366800)),
            id="the tick may be told in another zone",
        ),
        pytest.param(
            job(spec={"suspend": True}), False, (Phase.HELD, "nightly", 1795366800), id="a suspended one is held"
        ),
        pytest.param(job(spec={"suspend": False}), False, (Phase.FREE, "nightly", 1795366800), id="one let go is free"),
        pytest.param(job(spec={"suspend": True}), True, (Phase.GONE, "nightly", 1795366800), id="a deleted one"),
        pytest.param(
            job(metadata={"ownerReferences": [{"kind": "Batch", "name": "x"}], "annotations": {}}),
            *(False, (Phase.FREE, "nightly-29921953", None)),
            id="one without a controller or a tick stands for itself",
        ),
    ],
)
def test_reading_a_job(seen: dict[str, Any], gone: bool, expected: tuple[Phase, str, int | None]) -> None:  # noqa: FBT001
    sight = sight_of(seen, gone=gone, at=1.0)
    assert (sight.phase, sight.schedule, sight.tick) == expected
