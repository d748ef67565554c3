"""`ticklock backfill`: what it asks of the ledger, what it prints, and what is wrong with its flags."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from ticklock.bootstrap import backfills
from ticklock.cli.main import main
from ticklock.domain.backfill import Known, LeftAlone, Wanted
from ticklock.domain.errors import Conflict, Refused, Transient, Unready
from ticklock.domain.model import ClusterId, ObjectRef, RunState, ScheduleUid
from ticklock.ports import BackfillAnswer, BackfillOrder, Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
REF = ObjectRef("shop", "report", ScheduleUid("u-1"))
ONE, OTHER = ClusterId(UUID(int=1)), ClusterId(UUID(int=2))
RANGE = ("--from", "2026-03-02T12:00:00Z", "--to", "2026-03-02T16:00:00+01:00")
MISSED = Wanted(NOON, Known(RunState.MISSED, "Outage", "late", bound=False))
LEFT = LeftAlone(NOON + 2 * HOUR, "Completed", "its run was decided; a trigger starts one more")
ANSWER = BackfillAnswer(REF, [MISSED, Wanted(NOON + HOUR)], [LEFT], 7)


@dataclass
class Ledger:
    """Answers as told."""

    answer: BackfillAnswer | Exception = ANSWER
    clusters: Sequence[ClusterId] = (ONE,)
    orders: list[BackfillOrder] = field(default_factory=list)

    def named(self, namespace: str, name: str) -> list[Schedule]:
        return [Schedule(one, REF) for one in self.clusters if (namespace, name) == (REF.namespace, REF.name)]

    def order(self, _: Schedule, order: BackfillOrder) -> BackfillAnswer:
        self.orders.append(order)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def cancel(self, _: Schedule, *, by: str) -> int:
        return len(by)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made = Ledger()
    monkeypatch.setattr(backfills, "backfills_of", lambda *_: made)
    return made


def test_what_reaches_the_ledger(ledger: Ledger) -> None:
    words = ("--max-parallel", "3", "--limit", "9", "--by", "ann", "--dry-run", "--before-creation")
    assert main(["backfill", "shop/report", *RANGE, *words]) == 0
    assert ledger.orders == [
        BackfillOrder(NOON, NOON + 3 * HOUR, 3, 9, "ann", before_creation=True, dry=True),
    ]


def test_unless_told_otherwise_one_runs_at_a_time_and_a_hundred_at_most(ledger: Ledger) -> None:
    main(["backfill", "shop/report", *RANGE])
    (order,) = ledger.orders
    assert (order.max_parallel, order.limit, order.dry, order.before_creation) == (1, 100, False, False)
    assert "@" in order.by


def test_as_json(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001 - stands behind it
    assert main(["backfill", "shop/report", *RANGE, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schedule": "shop/report",
        "dryRun": False,
        "backfill": 7,
        "from": "2026-03-02T12:00:00Z",
        "to": "2026-03-02T15:00:00Z",
        "maxParallel": 1,
        "run": [
            {"scheduledTime": "2026-03-02T12:00:00Z", "was": "Missed", "reason": "Outage"},
            {"scheduledTime": "2026-03-02T13:00:00Z"},
        ],
        "left": [{"scheduledTime": "2026-03-02T14:00:00Z", "why": "Completed", "message": LEFT.message}],
    }


@pytest.mark.parametrize(
    ("answer", "words", "shown"),
    [
        pytest.param(ANSWER, (), "shop/report: backfill 7: 2 runs, at most 1 at a time", id="done"),
        pytest.param(
            ANSWER, ("--dry-run",), "2 runs would start, at most 1 at a time; nothing was done", id="a dry run"
        ),
        pytest.param(BackfillAnswer(REF, [], [LEFT]), (), "shop/report: there is nothing to run", id="nothing to run"),
        pytest.param(
            ANSWER, (), "  run   2026-03-02T12:00:00Z  was Missed, Outage\n", id="a verdict that is taken back"
        ),
        pytest.param(
            ANSWER, (), "  left  2026-03-02T14:00:00Z  Completed: its run was decided", id="what is left alone"
        ),
        pytest.param(
            BackfillAnswer(REF, [Wanted(NOON + n * HOUR) for n in range(30)], [LEFT] * 30, 8),
            (),
            "  left  … and 10 more Completed",
            id="a long answer is cut",
        ),
    ],
)
def test_as_text(  # noqa: PLR0917 - pytest names its parameters
    ledger: Ledger, capsys: pytest.CaptureFixture[str], answer: BackfillAnswer, words: tuple[str, ...], shown: str
) -> None:
    ledger.answer = answer
    assert main(["backfill", "shop/report", *RANGE, *words]) == 0
    assert shown in capsys.readouterr().out


def test_what_waits_is_taken_back(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backfill", "shop/report", "--cancel", "--by", "ann", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schedule": "shop/report", "cancelled": 3}
    assert ledger.orders == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("shop", *RANGE), "'shop' names no ScheduledJob; write NAMESPACE/NAME", id="no namespace"),
        pytest.param(("shop/report", *RANGE[:2]), "--to is missing: say it as a time like", id="no end"),
        pytest.param(("shop/report", *RANGE[2:]), "--from is missing: say it as a time like", id="no beginning"),
        pytest.param(
            ("shop/report", "--from", RANGE[3], "--to", RANGE[1]), "--from lies after --to", id="turned round"
        ),
        pytest.param(("shop/report", "--from", "noon"), "'noon' is no RFC 3339 time; write it like", id="no time"),
        pytest.param(("shop/report", *RANGE, "--max-parallel", "0"), "'0' is no count", id="none at a time"),
        pytest.param(("shop/report", "--cancel", *RANGE), "--cancel takes back all that waits", id="cancel a range"),
        pytest.param(("shop/other", *RANGE), "the database knows no ScheduledJob shop/other", id="an unknown name"),
        pytest.param(
            ("shop/report", *RANGE, "--cluster", str(OTHER)),
            f"the database knows no ScheduledJob shop/report in {OTHER}",
            id="another cluster",
        ),
    ],
)
def test_what_is_wrong_with_the_flags(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str
) -> None:
    try:
        code = main(["backfill", *words])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    told = capsys.readouterr().err
    assert told.startswith("ticklock backfill: ")
    assert complaint in told
    assert told.count("\n") == 1
    assert ledger.orders == []


def test_several_clusters_with_that_name(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.clusters = (ONE, OTHER)
    assert main(["backfill", "shop/report", *RANGE]) == 2
    assert f"say which: --cluster {ONE}, --cluster {OTHER}" in capsys.readouterr().err
    assert main(["backfill", "shop/report", *RANGE, "--cluster", str(ONE)]) == 0


@pytest.mark.parametrize(
    ("answer", "code", "complaint"),
    [
        pytest.param(
            BackfillAnswer(REF, [Wanted(NOON)] * 744, [], too_many=True),
            2,
            "--limit: 744 ticks would run; say --limit 744, or bring --from and --to closer",
            id="more than the limit",
        ),
        pytest.param(Refused("the range ends ahead"), 2, "the range ends ahead", id="an order without sense"),
        pytest.param(Transient("no answer"), 1, "no answer", id="no database"),
        pytest.param(Unready("Quarantine: it has restarted"), 1, "Quarantine", id="a closed gate"),
        pytest.param(Conflict("edited meanwhile; ask again"), 1, "ask again", id="an edit meanwhile"),
    ],
)
def test_what_the_ledger_refuses(  # noqa: PLR0917 - pytest names its parameters
    ledger: Ledger,
    capsys: pytest.CaptureFixture[str],
    answer: BackfillAnswer | Exception,
    code: int,
    complaint: str,
) -> None:
    ledger.answer = answer
    assert main(["backfill", "shop/report", *RANGE]) == code
    assert complaint in capsys.readouterr().err
