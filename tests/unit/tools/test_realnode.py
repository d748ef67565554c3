"""What of real nodes can be told without one: whether they are possible here, and what their daemons are told."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tools.devcluster.pki import Pair
from tools.realnode import files
from tools.realnode.addresses import MOST_NODES, node_address, pod_network
from tools.realnode.cgroups import hierarchies
from tools.realnode.cluster import CannotRun, RealCluster, require_possible, why_not
from tools.realnode.files import Identity
from tools.realnode.init import PRIVATE, Plan
from tools.realnode.programs import Programs

OLD = """tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
/dev/vda / ext4 rw 0 0
"""


@pytest.fixture
def _possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: f"/bin/{program}")
    monkeypatch.setenv("TICKLOCK_CACHE", "/home/somebody/cache")


@pytest.mark.usefixtures("_possible")
def test_root_on_linux_with_the_programs_may_have_nodes() -> None:
    assert why_not() is None


@pytest.mark.usefixtures("_possible")
@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        pytest.param("sys.platform", "darwin", "need Linux", id="elsewhere than on Linux"),
        pytest.param("os.geteuid", lambda: 1000, "need root", id="not as root"),
        pytest.param("shutil.which", lambda _: None, "not on PATH: ip, mount", id="without the programs"),
    ],
)
def test_where_there_can_be_no_nodes_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, place: str, value: object, words: str
) -> None:
    monkeypatch.setattr(f"tools.realnode.cluster.{place}", value)
    with pytest.raises(CannotRun, match=words):
        require_possible()


@pytest.mark.usefixtures("_possible")
@pytest.mark.parametrize("place", PRIVATE)
def test_a_cache_that_a_node_would_not_see_is_named(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("TICKLOCK_CACHE", f"{place}/somebody/cache")
    assert f"{place}/somebody/cache" in (why_not() or "")


@pytest.mark.parametrize("count", [0, MOST_NODES + 1])
def test_more_nodes_than_there_are_addresses_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and {MOST_NODES}"):
        RealCluster(count)


def test_every_hierarchy_of_control_groups_is_found_whatever_its_version() -> None:
    assert hierarchies(OLD) == [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified")]
    assert hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n") == [Path("/sys/fs/cgroup")]


def test_no_two_nodes_share_an_address_or_a_network() -> None:
    numbers = range(1, MOST_NODES + 1)
    assert len({node_address(number) for number in numbers}) == MOST_NODES
    assert len({pod_network(number) for number in numbers}) == MOST_NODES


def test_the_daemons_of_a_node_are_told_its_own_address_network_and_groups(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "node.crt", tmp_path / "node.key")
    identity = Identity("node3", 3, pair, tmp_path / "kubelet.conf", tmp_path / "proxy.conf", tmp_path / "ca.crt")
    files.write_all(tmp_path, identity, Programs({}, tmp_path, tmp_path, ()), control_group="/ticklock-1/node3")
    kubelet = json.loads((tmp_path / "kubelet.json").read_text())
    proxy = json.loads((tmp_path / "kube-proxy.json").read_text())
    pods = json.loads((tmp_path / "cni/10-pods.conflist").read_text())
    assert (kubelet["address"], kubelet["cgroupRoot"]) == ("10.250.0.13", "/ticklock-1/node3")
    assert (proxy["hostnameOverride"], proxy["bindAddress"]) == ("node3", "10.250.0.13")
    assert pods["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24"}]]
    assert kubelet["containerRuntimeEndpoint"].removeprefix("unix://") in (tmp_path / "containerd.toml").read_text()


def test_pid_1_reads_the_plan_as_it_was_written(tmp_path: Path) -> None:
    plan = Plan(
        name="node1",
        address="10.250.0.11",
        routes={"10.244.2.0/24": "10.250.0.12"},
        disks={"/var/lib/kubelet": "/somewhere/kubelet"},
        environment={"LD_LIBRARY_PATH": "/lib"},
        runtime=["containerd"],
        client=["ctr"],
        images=["pause.tar"],
        daemons={"kubelet": ["kubelet"]},
        log="/log",
    )
    plan.write(tmp_path / "plan.json")
    assert Plan(**json.loads((tmp_path / "plan.json").read_text())) == plan
