"""Faults of replicas and of their links: while they last, what they say is so; afterwards it is over."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.chaos.faults import apiserver
from tests.chaos.faults.replica import TEN_MINUTES
from tests.chaos.world import stopped
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.chaos.battlefield import Battlefield
    from tests.chaos.faults.fault import Details
    from tests.chaos.strikes.conftest import Strike
    from tools.devcluster.replica import Replica

SECONDS = 1.0
"""After which what has not answered is taken not to answer."""


def victim(field: Battlefield, said: Details) -> Replica:
    return next(one for one in field.replicas if one.pod == said["replica"])


def ask(field: Battlefield, replica: Replica, path: str, body: dict[str, Any] | None = None) -> int:
    """Ask the API server as a replica does, through its link; return the status. Raises OSError without an answer."""
    link = field.api_link(replica)
    token = field.cluster.service_account_credentials("ticklock-system", "ticklock").token
    admin = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(link.url + path, data, admin)  # noqa: S310 - our own proxy
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def job(name: str) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
    return {"metadata": {"name": name}, "spec": {"suspend": True, "template": {"spec": pod}}}


def there(field: Battlefield, name: str) -> bool:
    items = field.cluster.api.get("/apis/batch/v1/namespaces/steady/jobs")["items"]
    return any(one["metadata"]["name"] == name for one in items)


def test_a_killed_replica_is_gone_and_comes_back(field: Battlefield, strike: Strike) -> None:
    with strike("replica-killed") as said:
        assert not victim(field, said).alive
    assert victim(field, said).ready()


def test_all_are_gone_and_come_back(field: Battlefield, strike: Strike) -> None:
    with strike("all-replicas-killed"):
        assert not any(one.alive for one in field.replicas)
    assert all(one.ready() for one in field.replicas)


def test_a_paused_replica_stands_still_and_goes_on(field: Battlefield, strike: Strike) -> None:
    with strike("replica-paused") as said:
        eventually(lambda: stopped(victim(field, said)), what="it stands still")
    assert victim(field, said).ready()


def test_the_clock_of_a_replica_is_ten_minutes_off_and_right_again(field: Battlefield, strike: Strike) -> None:
    def off(replica: Replica) -> float:
        told = list(replica.facts())[-1]["timestamp"]
        return datetime.fromisoformat(told).timestamp() - time.time()

    with strike("replica-clock-off") as said:
        one = victim(field, said)
        eventually(lambda: abs(off(one) - said["seconds"]) < TEN_MINUTES / 10, what="it logs another time")
        assert one.alive
    eventually(lambda: abs(off(one)) < TEN_MINUTES / 10, what="it logs the time")


def test_a_replica_without_handles_can_take_no_connection(field: Battlefield, strike: Strike) -> None:
    def answers(replica: Replica) -> bool:
        try:
            return replica.get("/healthz")[0] == 200
        except OSError:
            return False

    with strike("replica-out-of-handles") as said:
        eventually(lambda: not answers(victim(field, said)), what="it answers nobody new", interval=0.5)
    eventually(lambda: answers(victim(field, said)), what="it answers")


def test_nothing_passes_between_a_replica_and_the_api_server(field: Battlefield, strike: Strike) -> None:
    with strike("cut-from-api-server") as said, pytest.raises(OSError, match="timed out"):
        ask(field, victim(field, said), "/readyz")
    assert ask(field, victim(field, said), "/readyz") == 200


def test_what_is_asked_of_the_api_server_is_done_and_not_answered(field: Battlefield, strike: Strike) -> None:
    path = "/apis/batch/v1/namespaces/steady/jobs"
    with strike("deaf-to-api-server") as said:
        with pytest.raises(OSError, match="timed out"):
            ask(field, victim(field, said), path, job("unheard"))
        assert there(field, "unheard")


def test_nothing_passes_between_a_replica_and_the_database(field: Battlefield, strike: Strike) -> None:
    with strike("cut-from-database") as said:
        url = through(field, victim(field, said))
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            psycopg.connect(url, connect_timeout=2)
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.execute("SELECT 1")


def through(field: Battlefield, replica: Replica) -> str:
    """The URL of the database by way of a replica's link."""
    port = field.database_link(replica).port
    return field.database.url_of(field.database_name).replace(f":{field.database.port}/", f":{port}/")


async def test_what_is_sent_to_the_database_is_done_and_not_answered(field: Battlefield, strike: Strike) -> None:
    open_ones = {
        one.pod: await psycopg.AsyncConnection.connect(through(field, one), autocommit=True) for one in field.replicas
    }
    with strike("deaf-to-database") as said:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await open_ones[said["replica"]].execute("CREATE TABLE unheard (n int)")
        with psycopg.connect(field.database.url_of(field.database_name)) as connection:
            assert connection.execute("DROP TABLE unheard").statusmessage == "DROP TABLE"
    for one in open_ones.values():
        await one.close()


@pytest.mark.parametrize(("name", "status"), [("throttled", 429), ("gateway-timeouts", 504)])
def test_every_request_is_refused(field: Battlefield, strike: Strike, name: str, status: int) -> None:
    with strike(name):
        for replica in field.replicas:
            assert ask(field, replica, "/readyz") == status
    assert ask(field, field.replicas[0], "/readyz") == 200


def test_no_watch_lives(field: Battlefield, strike: Strike) -> None:
    with strike("watches-dropped"), pytest.raises(OSError, match=r"."):
        ask(field, field.replicas[0], "/apis/batch/v1/jobs?watch=true&timeoutSeconds=1")
    assert ask(field, field.replicas[0], "/apis/batch/v1/jobs?limit=1") == 200


def test_the_answer_to_a_write_is_lost_and_it_is_done(field: Battlefield, strike: Strike) -> None:
    with strike("answers-lost"):
        with pytest.raises(OSError, match=r"."):
            ask(field, field.replicas[0], "/apis/batch/v1/namespaces/steady/jobs", job("lost"))
        assert there(field, "lost")


def test_a_write_is_done_long_after_its_time_out(
    field: Battlefield, strike: Strike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apiserver, "LATE_SECONDS", 2.0)
    with strike("writes-late"):
        assert ask(field, field.replicas[0], "/apis/batch/v1/namespaces/steady/jobs", job("late")) == 504
        assert not there(field, "late")
    assert there(field, "late")
