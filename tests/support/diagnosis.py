"""What a control plane was doing when a test failed: what is in the way of pods, what its daemons complained of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.devcluster.controlplane import ControlPlane
    from tools.devcluster.process import Daemon

_LINES = 12
_COMPLAINTS = ("E", "W", "F", "panic", '{"level":"warn', '{"level":"error')
"""How lines begin that klog and etcd give weight to; kwok writes its own below."""


def told(cluster: ControlPlane) -> str:
    """Return a page about nodes, unfinished pods and the daemons' last complaints; never raises."""
    return "\n".join(_lines(cluster))


def _lines(cluster: ControlPlane) -> Iterator[str]:
    daemons = (cluster.etcd, cluster.apiserver, cluster.controller_manager, cluster.scheduler, cluster.kwok)
    for daemon in daemons:
        yield f"{daemon.name}: {'runs' if daemon.alive else f'ended with {daemon.exit_code}'}"
    try:
        yield from map(_node, cluster.api.get("/api/v1/nodes")["items"])
        yield from map(_pod, filter(_unfinished, cluster.api.get("/api/v1/pods")["items"]))
    except (OSError, RuntimeError) as silent:
        yield f"the API server tells nothing: {silent}"
    for daemon in daemons:
        yield from (f"{daemon.name}: {line[:400]}" for line in _complaints(daemon))


def _node(node: dict[str, Any]) -> str:
    taints = [taint["key"] for taint in node["spec"].get("taints", [])]
    ready = [one["status"] for one in node["status"].get("conditions", []) if one["type"] == "Ready"]
    return f"node {node['metadata']['name']}: ready {ready}, taints {taints}"


def _unfinished(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") not in {"Succeeded", "Failed"}


def _pod(pod: dict[str, Any]) -> str:
    meta, status = pod["metadata"], pod["status"]
    why = [f"{one['type']}: {one.get('message')}" for one in status.get("conditions", []) if one["status"] == "False"]
    going = ", going" if "deletionTimestamp" in meta else ""
    where = f"{meta['namespace']}/{meta['name']}"
    return f"pod {where}: {status.get('phase')} on {pod['spec'].get('nodeName')}{going} {why}"


def _complaints(daemon: Daemon) -> list[str]:
    lines = daemon.log_tail(200_000).splitlines()
    return [line for line in lines if line.startswith(_COMPLAINTS) or "ERROR" in line or "WARN" in line][-_LINES:]
