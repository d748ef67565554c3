"""What a cluster promises its users, on real nodes: pods run, are heard, reach one another and keep their data."""

from __future__ import annotations

import pytest

from tests.support.pods import Room, exit_code, pod
from tests.support.waiting import eventually
from tools.realnode.cluster import RealCluster

NODES = ("node1", "node2")
# its own limit of time makes Debian's wget crash, hence `timeout`
SERVE = "mkdir /tmp/www; hostname >/tmp/www/index.html; exec httpd -f -p 8000 -h /tmp/www"


@pytest.mark.parametrize("node", NODES)
def test_a_pod_runs_to_its_end_on_each_node(room: Room, node: str) -> None:
    ended = room.run(pod("ends", "sh", "-c", "echo heard; echo $((6*7)); hostname", node=node))
    assert ended["status"]["phase"] == "Succeeded"
    assert ended["spec"]["nodeName"] == node
    assert room.logs("ends").split() == ["heard", "42", "ends"]


def test_the_exit_code_of_a_pod_is_that_of_its_command(room: Room) -> None:
    ended = room.run(pod("fails", "sh", "-c", "echo on the way out >&2; exit 7"))
    assert (ended["status"]["phase"], exit_code(ended)) == ("Failed", 7)
    assert room.logs("fails") == "on the way out\n"


def test_a_pod_that_takes_more_memory_than_it_may_is_killed(room: Room) -> None:
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    ended = room.run(pod("greedy", "sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", container=limits))
    state = ended["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)


def test_an_image_that_is_not_there_is_said_not_to_be(room: Room) -> None:
    room.create(pod("nothing", image="nobody.test/nothing:1"))

    def reason() -> str:
        found = (room.get("pods", "nothing") or {})["status"].get("containerStatuses", [{}])
        return str(found[0].get("state", {}).get("waiting", {}).get("reason", ""))

    eventually(lambda: reason() == "ErrImageNeverPull", what="the reason is told")


@pytest.mark.parametrize("node", NODES)
def test_a_command_can_be_run_in_a_running_pod(room: Room, node: str) -> None:
    room.begin(pod("stays", "sleep", "600", node=node))
    assert room.execute("stays", "sh", "-c", "echo $$ in $(hostname)").split()[1:] == ["in", "stays"]


def test_the_last_resort_of_security_is_kept(room: Room) -> None:
    """No root, no capability, no new privilege, nothing to write to but what is mounted."""
    harsh = {
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    script = "id -u; touch /here 2>/dev/null || echo read-only; grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status"
    room.run(pod("harsh", "sh", "-c", script, container={"securityContext": harsh}))
    assert room.logs("harsh").split() == [
        *("65534", "read-only", "CapEff:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2")
    ]


@pytest.mark.parametrize(("there", "here"), [NODES, NODES[::-1]], ids=["from node2 to node1", "from node1 to node2"])
def test_a_pod_reaches_a_pod_on_the_other_node(room: Room, there: str, here: str) -> None:
    served = room.begin(pod("server", "sh", "-c", SERVE, node=there))
    address = served["status"]["podIP"]
    ended = room.run(pod("client", "timeout", "5", "wget", "-qO-", f"http://{address}:8000/", node=here))
    assert (exit_code(ended), room.logs("client")) == (0, "server\n")


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("host", ["server", "server.{}.svc", "server.{}.svc.cluster.local"])
def test_a_service_is_found_by_name_from_both_nodes(room: Room, node: str, host: str) -> None:
    room.expose("server", [8000])
    room.begin(pod("server", "sh", "-c", SERVE, node="node1"))
    url = f"http://{host.format(room.namespace)}:8000/"
    script = f"until timeout 2 wget -qO- {url}; do usleep 200000; done"  # until the rules of the Service have arrived
    room.run(pod("client", "sh", "-c", script, node=node))
    assert room.logs("client").splitlines()[-1] == "server"


def test_a_name_outside_the_cluster_does_not_exist(room: Room) -> None:
    ended = room.run(pod("looks", "nslookup", "www.example.com"))
    assert exit_code(ended) == 1
    assert "NXDOMAIN" in room.logs("looks")


def test_a_pod_speaks_to_the_api_server_as_its_service_account(room: Room) -> None:
    """By the name and the certificate that every pod is given."""
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = (
        f"import ssl,urllib.request as u; c=ssl.create_default_context(cafile='{path}/ca.crt'); "
        f"h={{'Authorization':'Bearer '+open('{path}/token').read()}}; "
        "print(u.urlopen(u.Request('https://kubernetes.default.svc/version',headers=h),context=c,timeout=5).status)"
    )
    room.run(pod("asks", "/opt/ticklock/bin/python", "-c", script, image="ticklock:0.1.0"))
    assert room.logs("asks") == "200\n"


def claim(name: str) -> dict[str, object]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def mounted(name: str, command: str) -> dict[str, object]:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}
    inside = {"volumeMounts": [{"name": "data", "mountPath": "/data"}], "securityContext": {"runAsUser": 999}}
    return pod(name, "sh", "-c", command, volumes=[volume], container=inside)


def test_a_claim_is_bound_to_a_volume_that_outlives_its_pods(room: Room, cluster: RealCluster) -> None:
    room.create(claim("kept"))
    first = room.run(mounted("writes", "echo kept >/data/file"))
    assert first["status"]["phase"] == "Succeeded"
    assert (room.get("persistentvolumeclaims", "kept") or {})["status"]["phase"] == "Bound"
    second = room.run(mounted("reads", "cat /data/file"))
    assert room.logs("reads") == "kept\n"
    assert second["spec"]["nodeName"] == first["spec"]["nodeName"], "a pod goes where its volume is"
    node = cluster.node(first["spec"]["nodeName"])
    assert [path.read_text() for path in node.folder.glob("volumes/*/file")] == ["kept\n"]
