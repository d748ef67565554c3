"""The alerts of the chart, each with cases in which it is raised and in which it is silent."""

from __future__ import annotations

from collections.abc import Mapping

from tests.chart.series import ONE, Case, one, other

REPORT = 'namespace="a",name="report"'
MISSED = f'runs_total{{{REPORT},state="Missed",reason="DeadlineExceeded"}}'
FAILED = f'runs_total{{{REPORT},state="Failed",reason="JobFailed"}}'
COMPLETED = f'runs_total{{{REPORT},state="Completed",reason="JobCompleted"}}'
UNKNOWN = f'runs_total{{{REPORT},state="Unknown",reason="JobVanished"}}'
OBJECT = {"namespace": "a", "name": "report"}
NOBODY: list[Mapping[str, str]] = []


def times(last_success: int, last: int, following: int) -> dict[str, str]:
    """The gauges of a schedule, in minutes, as they stand all the time."""
    return {
        one(f"last_success_timestamp_seconds{{{REPORT}}}"): f"{last_success * 60}x500",
        one(f"last_schedule_timestamp_seconds{{{REPORT}}}"): f"{last * 60}x500",
        one(f"next_schedule_timestamp_seconds{{{REPORT}}}"): f"{following * 60}x500",
    }


CASES = [
    Case("a run is missed, the first of that schedule", "TicklockMissedRun",
         {one(MISSED): "_x5 1x20"}, "8m", [{**OBJECT, "reason": "DeadlineExceeded"}],
         "A run of a/report was missed: DeadlineExceeded."),
    Case("another run is missed", "TicklockMissedRun", {one(MISSED): "3x20 4x20"}, "25m",
         [{**OBJECT, "reason": "DeadlineExceeded"}], "A run of a/report was missed: DeadlineExceeded."),
    Case("a run was missed long ago", "TicklockMissedRun", {one(MISSED): "_x5 1x60"}, "40m", NOBODY),
    Case("a replica that was counting is restarted", "TicklockMissedRun", {one(MISSED): "3x20 0x20"}, "25m", NOBODY),
    Case("runs complete", "TicklockMissedRun", {one(COMPLETED): "0+1x40"}, "30m", NOBODY),
    Case("a run has been due for too long", "TicklockRunLate",
         {one("overdue_seconds"): "0+60x20", other("overdue_seconds"): "0+60x20"}, "8m", [{}],
         "A run has been due for 8m 0s."),
    Case("a run is due and is being launched", "TicklockRunLate", {one("overdue_seconds"): "0 400 0 400 0"}, "3m",
         NOBODY),
    Case("the first run fails", "TicklockFailing", {one(FAILED): "_x5 1x20"}, "8m", [OBJECT],
         "Runs of a/report fail, and none has completed within the last hour."),
    Case("each run fails, those before another replica led included", "TicklockFailing",
         {one(FAILED): "0+1x30 _x100", other(FAILED): "_x31 0+1x60"}, "80m", [OBJECT],
         "Runs of a/report fail, and none has completed within the last hour."),
    Case("one fails among others that complete", "TicklockFailing",
         {one(FAILED): "0x30 1x60", one(COMPLETED): "0+1x90"}, "40m", NOBODY),
    Case("it fails, is mended and completes", "TicklockFailing",
         {one(FAILED): "_x5 1x30", one(COMPLETED): "_x20 1x30"}, "25m", NOBODY),
    Case("a schedule of ten minutes has not completed for more than an hour", "TicklockNoRecentSuccess",
         times(0, 80, 90), "85m", [OBJECT], "a/report has not completed for 1h 25m 0s."),
    Case("it completed a while ago", "TicklockNoRecentSuccess", times(70, 80, 90), "85m", NOBODY),
    Case("a schedule of every minute pauses over the night", "TicklockNoRecentSuccess", times(1, 1, 400), "395m",
         NOBODY),
    Case("a schedule is suspended: nothing is next", "TicklockNoRecentSuccess", times(0, 10, 20), "200m", NOBODY),
    Case("a Job runs for seven hours", "TicklockRunningTooLong",
         {one('finalizer_age_seconds{state="running"}'): "0+60x600", one("leader"): "1x600"}, "420m",
         [{"instance": ONE}], "A Job has been running for 7h 0m 0s."),
    Case("a former leader still tells of one", "TicklockRunningTooLong",
         {one('finalizer_age_seconds{state="running"}'): "25200x600", one("leader"): "0x600",
          other('finalizer_age_seconds{state="running"}'): "0x600", other("leader"): "1x600"}, "60m", NOBODY),
    Case("a Job that has finished keeps its finalizer", "TicklockRunningTooLong",
         {one('finalizer_age_seconds{state="finished"}'): "25200x600", one("leader"): "1x600"}, "60m", NOBODY),
    Case("a Job vanishes", "TicklockRunUnknown", {one(UNKNOWN): "_x5 1x20"}, "8m",
         [{**OBJECT, "reason": "JobVanished"}], "Nobody knows how a run of a/report ended: JobVanished."),
    Case("a run fails", "TicklockRunUnknown", {one(FAILED): "_x5 1x20"}, "8m", NOBODY),
    Case("a second pod appears without a reason", "TicklockSecondPod",
         {one('further_pods_total{cause="unfounded"}'): "0x5 1x20"}, "8m", [{}],
         "Kubernetes has made a second pod for a Job, although none had failed."),
    Case("a pod is tried again within backoffLimit", "TicklockSecondPod",
         {one('further_pods_total{cause="retry"}'): "0+1x20", one('further_pods_total{cause="held"}'): "0+1x20"},
         "8m", NOBODY),
    Case("nobody leads", "TicklockNoLeader", {one("leader"): "1x5 0x20", other("leader"): "0x25"}, "10m", [{}],
         "No replica of Ticklock leads."),
    Case("there is no replica at all", "TicklockNoLeader", {one("leader"): "1x5 stale"}, "10m", [{}],
         "No replica of Ticklock leads."),
    Case("the Lease changes hands", "TicklockNoLeader",
         {one("leader"): "1x5 0x20", other("leader"): "0x6 1x20"}, "10m", NOBODY),
    Case("the database is away for both replicas", "TicklockDatabaseUnavailable",
         {one('can_launch{reason=""}'): "1x5 stale", one('can_launch{reason="DatabaseUnavailable"}'): "_x5 0x20",
          other('can_launch{reason="DatabaseUnavailable"}'): "_x5 0x20"}, "10m", [{}],
         "2 replicas cannot reach PostgreSQL."),
    Case("the database is back", "TicklockDatabaseUnavailable",
         {one('can_launch{reason="DatabaseUnavailable"}'): "0x5 stale", one('can_launch{reason=""}'): "_x6 1x20"},
         "10m", NOBODY),
    Case("the gate is closed for another reason", "TicklockDatabaseUnavailable",
         {one('can_launch{reason="Quarantine"}'): "0x20"}, "10m", NOBODY),
    Case("an attempt has started two Jobs", "TicklockDuplicateDetected", {one("duplicates_total"): "0x5 1x20"},
         "8m", [{}], "An attempt has started more than one Job."),
    Case("it was counted before the first reading", "TicklockDuplicateDetected",
         {one("duplicates_total"): "_x5 1x20"}, "8m", [{}], "An attempt has started more than one Job."),
    Case("none has", "TicklockDuplicateDetected",
         {one("duplicates_total"): "0x90", other("duplicates_total"): "_x5 0x90"}, "80m", NOBODY),
    Case("the quarantine lasts", "TicklockQuarantine", {one("quarantine"): "1x20", other("quarantine"): "1x20"},
         "5m", [{}], "Nothing is launched: the database may have lost commits."),
    Case("the quarantine is over within seconds", "TicklockQuarantine", {one("quarantine"): "0 0 1 0 0 0"}, "3m",
         NOBODY),
    Case("the clock has stepped", "TicklockClockStep", {one("clock_step"): "0 1x20"}, "5m", [{}],
         "Nothing is launched: the clock of the database is not believed."),
    Case("the clock is believed again", "TicklockClockStep", {one("clock_step"): "1x5 0x20"}, "10m", NOBODY),
]  # fmt: skip
