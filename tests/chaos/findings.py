"""What the checker says: findings, each with its rule and what shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.chaos.evidence import RunName
from tests.chaos.history import Entry


class Rule(StrEnum):
    """What a history is held to."""

    R0 = "R0"
    """The history can be judged: there were ticks, starts, heals, and a final dump."""
    R1 = "R1"
    """At most once: one Job for a run, one pod for a Job."""
    R2 = "R2"
    """At least once, or told: a start in time, or one verdict with a reason that the history bears out."""
    R3 = "R3"
    """No phantom, none early: each start belongs to a tick or a trigger, and comes after it."""
    R4 = "R4"
    """Truth: what the records say is what was seen."""
    R5 = "R5"
    """Concurrency: under Forbid and Replace no two runs overlap."""
    R6 = "R6"
    """Recovery: once the faults are healed, all is as if there had been none."""
    R7 = "R7"
    """No garbage: nothing is left over, held or open."""


class Severity(StrEnum):
    """Whether a finding breaks a promise."""

    FAILURE = "failure"
    NOTE = "note"
    """One of the classes in which the docs say that the promise ends; shown, not counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    rule: Rule
    severity: Severity
    sentence: str
    at: float | None = None
    run: RunName | None = None
    evidence: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Lags:
    """Lags of the starts of some targets, in seconds."""

    count: int
    p50: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    owed: int
    """Ticks and triggers that had to become a run or a verdict."""
    optional: int
    started: int
    """Runs that started, optional ones too."""
    missed: int
    """Owed ones that never started."""
    lost: int
    """Owed ones of which nothing at all is known."""
    doubled: int
    """Runs with more than one Job that may have started."""
    lags: Mapping[str, Lags]
    """By kind of fault; `no fault` without any, `any fault` for all that felt one."""
    verdicts: Counter[str]
    """By state and reason."""
    slowest_recovery: float | None
    """Seconds from a heal to the last start that it had held up."""

    @property
    def miss_rate(self) -> float:
        """The share of what was owed that never started."""
        return self.missed / self.owed if self.owed else 0.0

    @property
    def duplicate_rate(self) -> float:
        """The share of what started that started more than once."""
        return self.doubled / self.started if self.started else 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer of the checker."""

    findings: tuple[Finding, ...]
    figures: Figures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that break a promise."""
        return tuple(one for one in self.findings if one.severity is Severity.FAILURE)

    @property
    def rules(self) -> frozenset[Rule]:
        """The rules that are broken."""
        return frozenset(one.rule for one in self.failures)


@dataclass(slots=True)
class Findings:
    """Where a rule writes down what it finds."""

    rule: Rule
    found: list[Finding] = field(default_factory=list)

    def fail(
        self, sentence: str, *, run: RunName | None = None, at: float | None = None, evidence: tuple[Entry, ...] = ()
    ) -> None:
        """A promise is broken."""
        self.found.append(Finding(self.rule, Severity.FAILURE, sentence, at, run, evidence))

    def note(
        self, sentence: str, *, run: RunName | None = None, at: float | None = None, evidence: tuple[Entry, ...] = ()
    ) -> None:
        """The promise ends here, as the docs say."""
        self.found.append(Finding(self.rule, Severity.NOTE, sentence, at, run, evidence))
