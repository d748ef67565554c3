"""Faults of the servers: while they last, what they say is so; afterwards it is over."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest

from tests.chaos.faults.postgres import HOUR
from tests.support.stack import cannot_launch
from tests.support.waiting import eventually
from tools.devcluster.kubeapi import ApiError, KubeApi

if TYPE_CHECKING:
    from tests.chaos.battlefield import Battlefield
    from tests.chaos.strikes.conftest import Strike

_MAPS = "/api/v1/namespaces/steady/configmaps"
_LOCKED = "55P03"


def ask(field: Battlefield, statement: LiteralString) -> Any:
    with psycopg.connect(field.database.url_of(field.database_name), connect_timeout=2) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def unanswered(field: Battlefield) -> bool:
    with closing(KubeApi(field.cluster.api.credentials, timeout=1)) as api:
        try:
            api.get("/readyz")
        except OSError:
            return True
    return False


def code(field: Battlefield, path: str) -> int:
    """The status that the API server answers a watch with, be it by an event of the stream."""
    try:
        return int(field.cluster.api.get(path)["object"]["code"])
    except ApiError as refusal:
        return refusal.status


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - one line of a file that is none
        return file.read().rpartition(") ")[2][:1]


# ------------------------------------------------------------------------------------------------------ API server


@pytest.mark.parametrize("name", ["api-server-killed", "api-server-paused"])
def test_the_api_server_answers_nobody_and_then_again(field: Battlefield, strike: Strike, name: str) -> None:
    with strike(name):
        assert unanswered(field)
    assert field.cluster.api.get("/api/v1/namespaces/steady")


def test_who_resumes_a_watch_hears_410(field: Battlefield, strike: Strike) -> None:
    old = field.cluster.api.get(_MAPS)["metadata"]["resourceVersion"]
    for number in range(3):
        field.cluster.api.post(_MAPS, {"metadata": {"name": f"since-{number}"}})
    with strike("watch-history-gone"):
        pass
    assert code(field, f"{_MAPS}?watch=1&resourceVersion={old}&timeoutSeconds=1") == 410


# ---------------------------------------------------------------------------------------------- controller manager


def test_the_controller_manager_is_gone_and_comes_back(field: Battlefield, strike: Strike) -> None:
    with strike("controller-manager-killed"):
        assert not field.cluster.controller_manager.alive
    assert field.cluster.controller_manager.alive


def test_the_controller_manager_stands_still_and_goes_on(field: Battlefield, strike: Strike) -> None:
    pid = field.cluster.controller_manager.pid
    with strike("controller-manager-paused"):
        eventually(lambda: state(pid) == "T", what="it stands still")
    assert state(pid) != "T"


def test_two_controller_managers_make_two_pods_of_one_job(field: Battlefield, strike: Strike) -> None:
    def crowds() -> bool:
        pods = field.cluster.api.get("/api/v1/pods?labelSelector=batch.kubernetes.io/controller-uid")["items"]
        owners = [pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] for pod in pods]
        return len(owners) > len(set(owners))

    with strike("two-controller-managers"):
        eventually(crowds, what="a Job has two pods", seconds=60)


# ------------------------------------------------------------------------------------------------------ PostgreSQL


@pytest.mark.parametrize("name", ["database-killed", "database-paused"])
def test_the_database_answers_nobody_and_then_again(field: Battlefield, strike: Strike, name: str) -> None:
    with strike(name), pytest.raises(psycopg.OperationalError):
        ask(field, "SELECT 1")
    assert ask(field, "SELECT 1") == 1


def test_the_database_is_another_process(field: Battlefield, strike: Strike) -> None:
    before = ask(field, "SELECT pg_postmaster_start_time()")
    with strike("database-restarted"):
        assert ask(field, "SELECT pg_postmaster_start_time()") > before


def test_no_connection_is_to_be_had(field: Battlefield, strike: Strike) -> None:
    with strike("connections-exhausted"):
        with pytest.raises(psycopg.OperationalError, match=r"too many clients|remaining connection slots"):
            ask(field, "SELECT 1")
        for replica in field.replicas:
            eventually(partial(cannot_launch, replica), what=f"{replica.pod} notices")
    assert ask(field, "SELECT 1") == 1


def test_every_schedule_is_locked(field: Battlefield, strike: Strike) -> None:
    statement: LiteralString = "SELECT count(*) FROM (SELECT 1 FROM schedule_state FOR UPDATE NOWAIT) s"
    with strike("locks-held"), pytest.raises(psycopg.OperationalError) as refused:
        ask(field, statement)
    assert refused.value.sqlstate == _LOCKED
    eventually(lambda: ask(field, "SELECT count(*) FROM (SELECT 1 FROM schedule_state FOR UPDATE) s"), what="free")


def fill(field: Battlefield) -> None:
    ask(field, "SELECT 1 FROM (SELECT pg_switch_wal()) s")
    with psycopg.connect(field.database.url_of(field.database_name), connect_timeout=5) as connection:
        connection.execute("CREATE TABLE filling (t text)")
        for _ in range(50):
            connection.execute(
                "INSERT INTO filling SELECT repeat(md5(random()::text), 1000) FROM generate_series(1, 200)"
            )


def test_the_disk_takes_nothing_more(field: Battlefield, strike: Strike) -> None:
    with strike("database-disk-full"), pytest.raises(psycopg.Error):
        fill(field)
    assert ask(field, "SELECT count(*) FROM schedules") > 0


def test_a_failover_loses_the_last_commits(field: Battlefield, strike: Strike) -> None:
    old, timeline = field.database, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
    before = ask(field, timeline)
    with strike("failover-that-loses-commits"):
        ask(field, "CREATE TABLE lost (n int)")
    assert field.database is not old
    assert ask(field, timeline) > before
    assert ask(field, "SELECT to_regclass('lost')") is None
    assert ask(field, "SELECT count(*) FROM schedules") > 0


def test_a_restored_backup_lacks_the_last_commits(field: Battlefield, strike: Strike) -> None:
    with strike("database-restored"):
        ask(field, "CREATE TABLE lost (n int)")
    assert ask(field, "SELECT to_regclass('lost')") is None
    assert ask(field, "SELECT count(*) FROM schedules") > 0


@pytest.mark.parametrize(("name", "step"), [("database-clock-ahead", HOUR), ("database-clock-behind", -HOUR)])
def test_the_clock_of_the_database_is_an_hour_off(field: Battlefield, strike: Strike, name: str, step: float) -> None:
    def off() -> float:
        return float(ask(field, "SELECT extract(epoch FROM clock_timestamp())")) - time.time()

    with strike(name):
        assert abs(off() - step) < 2
        for replica in field.replicas:
            eventually(partial(cannot_launch, replica), what=f"{replica.pod} notices")
    assert abs(off()) < 2


# ------------------------------------------------------------------------------------------------------------ etcd


_JUMP = 1_000_000_000
"""Revisions by which a restore jumps where it is made as etcd's manual advises."""


@pytest.mark.parametrize(("name", "jumps"), [("etcd-set-back", False), ("etcd-set-back-as-advised", True)])
def test_the_cluster_forgets_the_last_writes(field: Battlefield, strike: Strike, name: str, *, jumps: bool) -> None:
    field.cluster.api.post(_MAPS, {"metadata": {"name": f"{name}-before"}})
    with strike(name):
        field.cluster.api.post(_MAPS, {"metadata": {"name": f"{name}-after"}})
        field.cluster.api.delete(f"{_MAPS}/{name}-before")
        revision = field.cluster.etcd_state.revision()
    names = {one["metadata"]["name"] for one in field.cluster.api.get(_MAPS)["items"]}
    assert f"{name}-before" in names, "what was deleted is back"
    assert f"{name}-after" not in names
    # without the jump it begins below, and may have passed it since: everything that runs writes
    assert (field.cluster.etcd_state.revision() > revision + _JUMP / 2) is jumps
