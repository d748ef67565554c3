"""Replicas as processes: what the tools promise of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.databases import Servers
from tests.support.waiting import eventually
from tools.devcluster.installation import Installation, Shape
from tools.devcluster.kubeapi import ApiError, Credentials, KubeApi
from tools.devcluster.manifests import ACCOUNT, HOME
from tools.devcluster.pgbinaries import DEFAULT_MAJOR
from tools.devcluster.process import DaemonDied
from tools.devcluster.replica import Replica

if TYPE_CHECKING:
    from tools.devcluster.controlplane import ControlPlane


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane, servers: Servers) -> Iterator[Installation]:
    """One for all tests of this file; each leaves its replicas ready."""
    with (
        servers.of(DEFAULT_MAJOR).database() as url,
        Installation(Shape(replicas=2), cluster=control_plane, database_url=url) as running,
    ):
        yield running


def test_a_replica_is_killed_paused_and_started_again_under_its_name(installation: Installation) -> None:
    leader = installation.wait_leader()
    first, identity = leader.pid, installation.holder()
    assert leader.memory > 30 << 20
    assert leader.cpu_seconds > 0
    assert leader.metrics().value("ticklock_build_info") == 1

    leader.kill9()
    assert not leader.alive
    assert installation.leader() is None, "a dead holder is no leader, whatever the Lease says"
    assert not leader.ready()

    leader.start()
    assert installation.leader() is not leader, "its earlier life held the Lease, not this one"
    leader.wait_ready()
    assert leader.pid != first
    assert leader.lives == 2
    started = [fact for fact in leader.facts() if fact["event"] == "started"]
    assert [fact["pod"] for fact in started] == [leader.pod] * 2, "one log for both lives"
    other = installation.wait_leader(other_than=identity)
    assert installation.holder() != identity

    other.pause()
    with pytest.raises(OSError, match="timed out"):
        other.get("/healthz")
    other.resume()
    eventually(other.ready, what="it goes on")


def test_a_stopped_replica_ends_by_itself_and_gives_the_lease_back(installation: Installation) -> None:
    leader = installation.wait_leader()
    identity = installation.holder()
    assert leader.stop() == 0
    assert installation.holder() != identity
    leader.start()
    leader.wait_ready()


def test_a_replica_may_do_what_the_rules_say_and_no_more(installation: Installation) -> None:
    api = KubeApi(installation.cluster.service_account_credentials(HOME, ACCOUNT))
    assert isinstance(api.credentials, Credentials)
    assert api.get("/apis/ticklock.dev/v1/scheduledjobs")["items"] == []
    with pytest.raises(ApiError, match="cannot list resource"):
        api.get("/api/v1/secrets")
    api.close()


def test_no_secret_is_in_the_environment_of_a_replica(installation: Installation) -> None:
    password = (installation.folder / "database-password").read_text()
    assert password
    for replica in installation.replicas:
        assert password not in Path(f"/proc/{replica.pid}/environ").read_text()


def test_a_replica_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    replica = Replica("ticklock-0", {"database_url": "nonsense"}, tmp_path)
    replica.start()
    with pytest.raises(DaemonDied, match=r"ticklock-0 died; its log ends:\n.*TICKLOCK_DATABASE_URL"):
        replica.wait_ready()


def test_everything_goes_with_it_but_what_it_was_lent(control_plane: ControlPlane, database: str) -> None:
    with Installation(Shape(replicas=1), cluster=control_plane, database_url=database) as short:
        folder, pid = short.folder, short.replicas[0].pid
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert control_plane.uid
    assert short.lease() is None, "the next one need not wait for the Lease of the dead"
