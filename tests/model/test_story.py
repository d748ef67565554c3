"""Stories for people: who does what, in which order."""

from tests.model.ablations import ABLATIONS
from tests.model.running import searched


def told_without(guard: str) -> list[str]:
    (ablation,) = (one for one in ABLATIONS if one.guard == guard)
    return list(searched(ablation.without).told)


def test_a_replica_keeps_its_letter_while_it_is_busy() -> None:
    assert told_without("bound_is_spared") == [
        "Replica A plans the attempt",
        "Replica A claims the attempt at stage 1",
        "Replica B claims the attempt at stage 1",
        "Replica A creates Job 1, suspended, for the attempt at stage 1",
        "Replica B finds Job 1, suspended, and adopts it",
        "Replica A stores that Job 1 is staged",
        "Replica A binds the attempt to Job 1",
        "Replica B is too late to stage Job 1, and must take it away",
        "Replica B reads Job 1, suspended",
        "Replica B deletes Job 1, which it takes for never started",
    ]


def test_what_nobody_does_has_no_replica() -> None:
    told = told_without("never_again")
    assert "Somebody strips the finalizer of Job 1 and deletes it" in told
