"""A bystander who writes down every version of each Job of ours and of each ScheduledJob, straight from the server."""

from __future__ import annotations

from typing import Self

from tests.chaos import history
from tests.chaos.folder import Recorder
from tests.chaos.sighted import is_ours, job_sight, schedule_sight
from tools.devcluster.kubeapi import Credentials
from tools.devcluster.manifests import collection
from tools.devcluster.watching import Change, Sight, Watch

JOBS, SCHEDULES = "/apis/batch/v1/jobs", collection()

Attempt = tuple[str | None, int | None]
"""Run id and number."""


class Bystander:
    """Two watches. Use it as a context manager."""

    def __init__(self, credentials: Credentials, recorder: Recorder) -> None:
        self._recorder = recorder
        self._seen: set[str] = set()
        self.let_go: dict[Attempt, set[str]] = {}
        """The UIDs of the Jobs of each attempt that were ever seen let go. A promise kept has one at most."""
        self._watches = [Watch(credentials, JOBS, self._job), Watch(credentials, SCHEDULES, self._schedule)]

    def __enter__(self) -> Self:
        for watch in self._watches:
            watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.close()

    def check(self) -> None:
        """Raise what has broken it."""
        for watch in self._watches:
            if watch.failure is not None:
                raise watch.failure

    def _job(self, sight: Sight) -> None:
        if is_ours(sight.object):
            seen = job_sight(sight.object, at=sight.at, source="watch-jobs", change=self._change(sight))
            self._recorder.write(seen)
            if seen.let_go:
                self.let_go.setdefault((seen.run_id, seen.n), set()).add(seen.uid)

    def _schedule(self, sight: Sight) -> None:
        change = self._change(sight)
        self._recorder.write(schedule_sight(sight.object, at=sight.at, source="watch-schedules", change=change))

    def _change(self, sight: Sight) -> history.Change:
        uid = sight.object["metadata"]["uid"]
        if sight.change is Change.GONE:
            return history.Change.DELETED
        known = uid in self._seen
        self._seen.add(uid)
        return history.Change.MODIFIED if known else history.Change.ADDED
