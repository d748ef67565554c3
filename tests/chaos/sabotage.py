"""The product with one of its guards taken out: `python -m tests.chaos.sabotage GUARD controller …`.

What runs is the real program; one thing in it is replaced before it starts. So it can be shown that the faults of the
tests do reach what the guard is there for, and that the checker notices.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from ticklock.cli.main import main
from ticklock.domain.errors import Transient
from ticklock.engine.dispatcher import Dispatcher
from ticklock.kube.client import PLAIN, Content
from ticklock.kube.errors import ApiError
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.view import view
from ticklock.store import binding, candidates, quarantine, reporting, session, terms

Sabotage = Callable[[], None]


def bind_compare_and_set() -> None:
    """The bind asks neither for the state nor for the stage that was read, and what was read is not locked."""
    _drop(binding, "_BIND", " AND a.state = 'planned' AND a.job_uid IS NULL", "")
    _drop(binding, "_BIND", "AND a.staged_uid IS NOT NULL AND a.stage = b.stage ", "")
    _drop(binding, "TO_BIND", "FOR SHARE OF s SKIP LOCKED FOR NO KEY UPDATE OF st SKIP LOCKED", "")
    _drop(binding, "TO_BIND", "FOR UPDATE OF a SKIP LOCKED", "")
    # what stands still for long in a transaction would be stopped by its time limit: a second guard before this one
    _drop(
        session, "_GATE", "'idle_in_transaction_session_timeout', '3000'", "'idle_in_transaction_session_timeout', '0'"
    )


def launch_uid() -> None:
    """The PATCH that launches names no uid: it lets go whatever has the name."""

    async def launch(self: KubeJobs, namespace: str, name: str, uid: str) -> Any:  # noqa: ARG001 - of the original
        try:
            return view(
                await self._patch(namespace, name, {"spec": {"suspend": False}}, Content.MERGE_PATCH, manner=PLAIN)
            )
        except ApiError as error:
            if error.absent:
                return None
            raise error.transient from error

    KubeJobs.launch = launch  # type: ignore[method-assign]


def unstage_version() -> None:
    """The DELETE that un-stages carries no resourceVersion: it hits a Job that was let go meanwhile."""
    delete = KubeJobs.delete

    async def unconditional(self: KubeJobs, job: Any, *, only_if_unchanged: bool) -> Any:  # noqa: ARG001 - as above
        return await delete(self, job, only_if_unchanged=False)

    KubeJobs.delete = unconditional  # type: ignore[method-assign]


_MAKE_ANOTHER = text("""
UPDATE attempts SET state = 'planned', job_uid = NULL, staged_uid = NULL, stage = stage + 1, claimed_until = NULL,
       name_suffix = name_suffix + 1
WHERE run_id = :run_id AND n = :n AND state = 'bound'
""")


def no_second_create() -> None:
    """A launch that is not answered counts as failed: another Job is made for the run."""

    async def launch(self: Dispatcher, bound: Any, until: float) -> None:  # noqa: ARG001 - as above
        try:
            job = await self.jobs.launch(bound.ref.namespace, bound.job_name, bound.job_uid)
        except Transient:
            ledger: Any = self.ledger
            async with ledger.db.transaction() as connection:
                await connection.execute(_MAKE_ANOTHER, {"run_id": bound.key.run_id, "n": bound.key.n})
            self.wakeups.poke("stage")
        else:
            self._landed(bound, job)

    Dispatcher._launch = launch  # type: ignore[method-assign]


def incarnation() -> None:
    """Nobody looks whether the database is still the one that was reconciled."""
    for module, name in ((session, "_GATE"), (terms, "_PULSE"), (quarantine, "_STATE"), (quarantine, "_OPEN")):
        _drop(module, name, session.INCARNATION, "'whichever'")


def witness_first() -> None:
    """A Job is released although its object does not bear witness of it yet."""
    _drop(reporting, "_RELEASES", "(a.record_seq <= st.witnessed_seq OR s.deleted_at IS NOT NULL)", "true")


def locks() -> None:
    """No policy takes a lock, and none asks who holds one."""
    candidates.lock_of = lambda row: None  # noqa: ARG005 - as above


GUARDS: dict[str, Sabotage] = {
    function.__name__.replace("_", "-"): function
    for function in (
        bind_compare_and_set,
        launch_uid,
        unstage_version,
        no_second_create,
        incarnation,
        witness_first,
        locks,
    )
}


def _drop(module: Any, name: str, what: str, instead: str) -> None:
    """Replace a piece of a statement. An error where it is not in it: the guard would not be out."""
    statement = str(getattr(module, name).text)
    if what not in statement:
        raise SystemExit(f"{module.__name__}.{name} has no {what!r} to take out")
    setattr(module, name, text(statement.replace(what, instead)))


if __name__ == "__main__":
    GUARDS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
