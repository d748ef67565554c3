"""What replicas send to the two servers at each step, so that one answer can be lost or one request come late."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.dblink import CommitFault, CommitHarm
from tests.support.proxy import Fault, Harm

_JOBS = r"^/apis/batch/v1/namespaces/[^/]+/jobs(\?|$)"
_JOB = r"^/apis/batch/v1/namespaces/[^/]+/jobs/"
_LATE_COMMIT = 1.5
"""Seconds after which a COMMIT is delivered: less than an idle transaction is given before the server ends it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the API server."""

    words: str
    method: str
    path: str
    body: str | None = None
    leader: bool = False
    """Whether only the leader sends it."""

    def lost(self) -> Fault:
        """It is carried out, and its answer is lost."""
        return Fault(self.method, self.path, Harm.LOSE, body=self.body)

    def late(self) -> Fault:
        """It is answered with a time-out, and delivered when told to."""
        return Fault(self.method, self.path, Harm.DELAY, body=self.body)


@dataclass(frozen=True, slots=True)
class Commit:
    """The COMMIT of a transaction that contains such a statement."""

    words: str
    statement: str
    leader: bool = False

    def lost(self) -> CommitFault:
        """It is carried out, and its answer is lost."""
        return CommitFault(self.statement, CommitHarm.LOSE)

    def late(self) -> CommitFault:
        """The connection breaks at once, and it is delivered a little later."""
        return CommitFault(self.statement, CommitHarm.DELAY, seconds=_LATE_COMMIT)


REQUESTS = (
    Request("the POST of a suspended Job", "POST", _JOBS),
    Request("the PATCH that launches", "PATCH", _JOB, body=r'"/spec/suspend"|"suspend":\s*false'),
    Request("the DELETE that un-stages", "DELETE", _JOB, body="resourceVersion"),
    Request("the PATCH that takes a finalizer off", "PATCH", _JOB, body="/metadata/finalizers/", leader=True),
    Request("the PATCH of a status", "PATCH", r"/scheduledjobs/[^/]+/status", leader=True),
    Request("the DELETE of a Job beyond the history", "DELETE", _JOB, body=r"^((?!resourceVersion).)*$", leader=True),
    Request("the PUT that renews the Lease", "PUT", "/leases/ticklock", leader=True),
)

COMMITS = (
    # an edit's transaction holds verdicts and plans too: who asks first gets it
    Commit("an edit", "INSERT INTO schedules", leader=True),
    Commit("the plan", r"INSERT INTO runs \(id, cluster"),
    Commit("the claim", r"SET claim_token = c\.token"),
    Commit("which Job stands for the attempt", r"SET staged_uid = s\.uid"),
    Commit("the bind", r"SET state = 'bound'"),
    Commit("a deferral", r"SET not_before = d\.until"),
    Commit("a verdict", r"UPDATE attempts a SET state = v\.state"),
    Commit("the mark", r"SET state = 'launched', launched_at = l\.at"),
    Commit("the heartbeat", "INSERT INTO replicas"),
    Commit("the record", r"record_seq = st\.ledger_seq \+ 1", leader=True),
    Commit("that an object bears witness", "SET reported_seq", leader=True),
    Commit("that a finalizer is off", "SET released_at = clock_timestamp", leader=True),
    Commit("that a Job is absent", "SET absent_at = clock_timestamp", leader=True),
    Commit("that an Event was posted", "DELETE FROM object_events", leader=True),
)
