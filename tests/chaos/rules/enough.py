"""R0: a history that shows nothing proves nothing."""

from __future__ import annotations

from tests.chaos.case import Case
from tests.chaos.evidence import TABLES
from tests.chaos.findings import Finding, Findings, Rule
from tests.chaos.history import JobSight, NodeSight, ScheduleSight
from tests.chaos.operations import NEVER, clock


def enough(case: Case) -> list[Finding]:
    """Say what is missing without which the other rules would pass for want of anything to look at."""
    found = Findings(Rule.R0)
    for sentence in _missing(case):
        found.fail(sentence)
    _faults(case, found)
    return found.found


def _missing(case: Case) -> list[str]:
    history, final = case.history, case.evidence.final
    checks = {
        "the history is empty": bool(history.entries),
        "no tick and no trigger was owed: nothing could be lost": bool(case.owed),
        "no pod started on any node: nothing could be doubled": any(True for _ in history.each(NodeSight)),
        "no watch or list ever saw a Job": any(True for _ in history.each(JobSight)),
        "no watch or list ever saw a ScheduledJob": any(True for _ in history.each(ScheduleSight)),
        "there is no final dump: nothing can be said of records and leftovers": final is not None,
    }
    tables = () if final is None else tuple(table for table in TABLES if table not in final.tables)
    absent = [f"the final dump lacks the table {table}" for table in tables]
    return [sentence for sentence, good in checks.items() if not good] + absent


def _faults(case: Case, found: Findings) -> None:
    for trouble in case.troubles.all:
        if trouble.heal == NEVER:
            found.fail(f"the fault {trouble.name} was never healed", at=trouble.begin, evidence=trouble.entries)
    heal, final = case.troubles.last_heal, case.evidence.final
    if heal is None or heal == NEVER or final is None:
        return
    recovered = heal + case.bounds.recovery
    if not any(target.due >= recovered for target in case.owed):
        found.fail(
            f"nothing was owed between {clock(recovered)}, when all faults were healed and recovered from, and "
            f"{clock(case.evidence.horizon)}, the last moment judged: recovery was not tested",
            at=heal,
        )
