"""R4: what the ledger, the JobLogs and the status say is what was seen."""

from __future__ import annotations

from tests.chaos.case import Case
from tests.chaos.evidence import Run
from tests.chaos.findings import Finding, Findings, Rule
from tests.chaos.history import Target
from tests.chaos.justice import Sentence, objection
from tests.chaos.rules.labels import labels
from tests.chaos.rules.records import NOTHING_RAN, lies
from tests.chaos.rules.statuses import statuses


def truth(case: Case) -> list[Finding]:
    """Compare every record with what was seen of its run."""
    found = Findings(Rule.R4)
    if case.evidence.final is not None:
        for run in case.evidence.runs.values():
            for sentence in (_no_record(case, run), _end_without_cause(case, run), *lies(run)):
                if sentence is not None:
                    title = case.evidence.title(run.name)
                    found.fail(f"{title} {sentence}", run=run.name, at=run.started_at, evidence=run.entries())
            _stale_verdict(case, run, found)
    labels(case, found)
    statuses(case, found)
    return found.found


def _no_record(case: Case, run: Run) -> str | None:
    if run.started_at is not None and run.row is None and run.started_at <= case.evidence.horizon:
        return "started, and the ledger knows nothing of it"
    return None


def _stale_verdict(case: Case, run: Run, found: Findings) -> None:
    if run.state not in NOTHING_RAN or run.started_at is None:
        return
    sentence = f"{case.evidence.title(run.name)} started, but the ledger calls it {run.state}, {run.reason}"
    lost = any(one.lost_commits for one in case.troubles.all)
    tell = found.note if lost and run.state == "Skipped" else found.fail
    tell(sentence, run=run.name, at=run.started_at, evidence=run.entries())


def _decided_at(case: Case, run: Run, started_at: float) -> float:
    """When the end of a started run was decided: by the database's clock, unless that was set back meanwhile."""
    decided = run.decided_at or case.evidence.horizon
    if decided >= started_at:
        return decided
    clocks = [one.heal for one in case.troubles.all if one.target is Target.CLOCK and one.heal >= started_at]
    return min(clocks, default=decided)


def _end_without_cause(case: Case, run: Run) -> str | None:
    """A run that had started and is said to have been stopped or lost."""
    target = case.targets.get(run.name)
    if run.state not in {"Stopped", "Unknown"} or run.started_at is None or target is None:
        return None
    decided = _decided_at(case, run, run.started_at)
    wrong = objection(Sentence(case, target, run, run.state, str(run.reason), decided))
    return None if wrong is None else f"started and is {run.state}, {run.reason}, but {wrong}"
