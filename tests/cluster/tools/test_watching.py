"""The bystander's watch: every object's last state, in order, also over a break."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually
from tools.devcluster.watching import Change, Sight, Watch

if TYPE_CHECKING:
    from tools.devcluster.controlplane import ControlPlane


def named(sights: list[Sight]) -> list[tuple[Change, str, str]]:
    return [(one.change, one.object["metadata"]["name"], one.object.get("data", {}).get("n", "")) for one in sights]


def test_what_changes_is_seen_in_order_and_in_time(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api = control_plane.api
    sights: list[Sight] = []
    selected = f"{path}?labelSelector=watched"
    with closing(Watch(api.credentials, selected, sights.append)) as watch:
        api.post(path, {"metadata": {"name": "early", "labels": {"watched": ""}}, "data": {"n": "1"}})
        watch.start()
        api.merge_patch(f"{path}/early", {"data": {"n": "2"}})
        api.delete(f"{path}/early")
        eventually(lambda: len(sights) == 3, what="three sights")
        assert watch.failure is None
    assert named(sights) == [(Change.SEEN, "early", "1"), (Change.SEEN, "early", "2"), (Change.GONE, "early", "2")]
    assert [one.at for one in sights] == sorted(one.at for one in sights)


def test_what_happened_in_a_break_is_seen_after_it(own_control_plane: ControlPlane) -> None:
    api, path = own_control_plane.api, "/api/v1/namespaces/default/configmaps"
    api.post(path, {"metadata": {"name": "goes", "labels": {"watched": ""}}})
    sights: list[Sight] = []
    with closing(Watch(api.credentials, f"{path}?labelSelector=watched", sights.append)) as watch:
        watch.start()
        own_control_plane.kill_apiserver()
        own_control_plane.start_apiserver()
        api.delete(f"{path}/goes")
        api.post(path, {"metadata": {"name": "comes", "labels": {"watched": ""}}})
        eventually(lambda: len(sights) == 3, what="three sights")
    assert sorted(named(sights)[1:]) == [(Change.GONE, "goes", ""), (Change.SEEN, "comes", "")]


def test_an_error_of_the_listener_ends_the_watch_and_is_kept(control_plane: ControlPlane) -> None:
    def refuse(sight: Sight) -> None:
        raise LookupError(sight.object["metadata"]["name"])

    with closing(Watch(control_plane.api.credentials, "/api/v1/namespaces", refuse)) as watch:
        with pytest.raises(TimeoutError, match="no list of /api/v1/namespaces"):
            watch.start(seconds=1)
        eventually(lambda: isinstance(watch.failure, LookupError), what="the error is kept")
