"""Who may write which ScheduledJob: the chart's admission policy and roles, asked of a real API server."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.bad_manifests import valid_manifest
from tests.support.chart import EXTERNAL, Chart
from tests.support.crd import collection, install
from tests.support.waiting import eventually
from tools.devcluster.kubeapi import ApiError, KubeApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.devcluster.controlplane import ControlPlane

KINDS = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
USERS = {"ticklock-view", "ticklock-edit"}
OTHER, POWERFUL = "other", "powerful"
"""ServiceAccounts: one that the writer may use, and one that they may not."""

WRITER = {"apiGroups": ["ticklock.dev"], "resources": ["scheduledjobs"], "verbs": ["*"]}
JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}
ACCOUNTS = {
    "apiGroups": [""],
    "resources": ["serviceaccounts"],
    "resourceNames": ["default", OTHER],
    "verbs": ["impersonate"],
}
PEOPLE = {
    "writer": [WRITER, JOBS, ACCOUNTS],
    "no-jobs": [WRITER, ACCOUNTS],
    "no-accounts": [WRITER, JOBS],
}
"""What each of them may do in their namespace; besides, `editor` has the role edit, and `viewer` the role view."""


@pytest.fixture(scope="module")
def policed(control_plane: ControlPlane, chart: Chart) -> Iterator[ControlPlane]:
    """The shared control plane with the chart's policy and roles for users; they go again."""
    install(control_plane)
    wanted = [one for one in chart.render(EXTERNAL).objects if one["kind"] in KINDS or one["metadata"]["name"] in USERS]
    assert len(wanted) == 4
    manifest = yaml.safe_dump_all(wanted)
    control_plane.kubectl("apply", "-f", "-", stdin=manifest)
    yield control_plane
    control_plane.kubectl("delete", "-f", "-", stdin=manifest)


@dataclass(frozen=True, slots=True)
class Desk:
    """A namespace with its people."""

    cluster: ControlPlane
    namespace: str

    def as_(self, user: str, *arguments: str, body: dict[str, Any] | None = None) -> str:
        """Run kubectl as that user; return what it complains about, empty where it was allowed."""
        stdin = None if body is None else yaml.safe_dump(body)
        try:
            self.cluster.kubectl("-n", self.namespace, "--as", user, *arguments, stdin=stdin)
        except RuntimeError as refused:
            return str(refused)
        return ""

    def ask(self, user: str, method: str, path: str, body: dict[str, Any], **more: str) -> str:
        """Send one request as that user; return what the API server complains about."""
        api = KubeApi(self.cluster.api.credentials)
        api._headers = {"Impersonate-User": user}
        try:
            api.request(method, f"{collection(self.namespace)}{path}", body, **more)
        except ApiError as refused:
            return str(refused)
        finally:
            api.close()
        return ""

    def create(self, user: str, body: dict[str, Any]) -> str:
        return self.ask(user, "POST", "", body)

    def try_(self, user: str) -> str:
        return self.ask(user, "POST", "?dryRun=All", valid_manifest("probe"))

    def patch(self, user: str, patch: str) -> str:
        return self.ask(user, "PATCH", "/report", json.loads(patch), content_type="application/merge-patch+json")

    def plant(self, body: dict[str, Any]) -> None:
        """Create it as an administrator."""
        self.cluster.api.post(collection(self.namespace), body)


@pytest.fixture(scope="module")
def hall(policed: ControlPlane) -> Iterator[Desk]:
    created = policed.api.post(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "people-"}}
    )
    name = created["metadata"]["name"]
    for role, rules in PEOPLE.items():
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
        policed.api.post(f"{path}/roles", {"metadata": {"name": role}, "rules": rules})
        policed.kubectl("-n", name, "create", "rolebinding", role, f"--role={role}", f"--user={role}")
    for user, role in (("editor", "edit"), ("viewer", "view")):
        policed.kubectl("-n", name, "create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")
    desk = Desk(policed, name)
    eventually(lambda: "ServiceAccount" in desk.try_("no-accounts"), what="the policy is obeyed")
    eventually(lambda: desk.try_("editor") == "", what="the roles are aggregated")
    yield desk
    policed.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def desk(hall: Desk) -> Iterator[Desk]:
    """The hall, empty before and after."""
    yield hall
    hall.cluster.api.delete(collection(hall.namespace))


def manifest(name: str = "report", *, account: str | None = None, **pod: Any) -> dict[str, Any]:
    body = deepcopy(valid_manifest(name))
    spec = body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    spec.pop("serviceAccountName", None)
    spec.update(pod | ({"serviceAccountName": account} if account is not None else {}))
    return body


INIT = [{"name": "first", "image": "busybox:1.37"}]


@pytest.mark.parametrize(
    ("user", "body", "words"),
    [
        pytest.param("writer", manifest(), "", id="who may create Jobs and use the default account"),
        pytest.param("writer", manifest(account=OTHER), "", id="or one that they are let"),
        pytest.param("editor", manifest(account=POWERFUL), "", id="the role edit may use every account there"),
        pytest.param("viewer", manifest(), "cannot create resource", id="the role view may write nothing"),
        pytest.param("no-jobs", manifest(), "no-jobs may not create Jobs in namespace", id="who may not create Jobs"),
        pytest.param("no-accounts", manifest(), "may not use the ServiceAccount default",
                     id="who may use no account, for the default is one too"),
        pytest.param("writer", manifest(account=POWERFUL), "writer may not use the ServiceAccount powerful",
                     id="an account that they are not let"),
        pytest.param("writer", manifest(serviceAccount=POWERFUL), "the ServiceAccount powerful",
                     id="smuggled in by the deprecated field"),
        pytest.param("writer", manifest(account="", serviceAccount=POWERFUL), "the ServiceAccount powerful",
                     id="with an empty new field before it"),
        pytest.param("writer", manifest(account=OTHER, serviceAccount=POWERFUL), "",
                     id="the new field counts where both are set, as in Kubernetes"),
        pytest.param("writer", manifest(account=POWERFUL, serviceAccount=OTHER), "the ServiceAccount powerful",
                     id="in either order"),
        pytest.param("writer", manifest(serviceAccount=None), "", id="an old field that says nothing"),
        pytest.param("writer", manifest(account=POWERFUL, initContainers=INIT), "the ServiceAccount powerful",
                     id="an init container has the account of its pod"),
        pytest.param("writer", manifest(initContainers=[{**INIT[0], "serviceAccountName": POWERFUL}]), "",
                     id="and none of its own: what Kubernetes does not know means nothing"),
    ],
)  # fmt: skip
def test_creating(desk: Desk, user: str, body: dict[str, Any], words: str) -> None:
    refused = desk.create(user, body)
    assert words in refused if words else refused == ""


SPEC = '{"spec":{"jobTemplate":{"spec":{"template":{"spec":%s}}}}}'


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        pytest.param('{"spec":{"schedule":"1 2 * * *"}}', "the ServiceAccount powerful",
                     id="another schedule for somebody else's account"),
        pytest.param('{"spec":{"suspend":false}}', "the ServiceAccount powerful", id="letting it go on"),
        pytest.param(SPEC % '{"containers":[{"name":"main","image":"another:1"}]}', "the ServiceAccount powerful",
                     id="another image for it"),
        pytest.param('{"metadata":{"annotations":{"ticklock.dev/trigger":"now"}}}', "the ServiceAccount powerful",
                     id="asking for a run of it"),
        pytest.param(SPEC % '{"serviceAccountName":"other"}', "", id="taking the account away"),
        pytest.param(SPEC % '{"serviceAccountName":null,"serviceAccount":"powerful"}', "the ServiceAccount powerful",
                     id="moving it into the deprecated field"),
        pytest.param('{"metadata":{"labels":{"team":"a"}}}', "", id="a label starts nothing"),
        pytest.param('{"metadata":{"finalizers":["a.example/b"]}}', "", id="nor does a finalizer"),
    ],
)  # fmt: skip
def test_editing_what_an_administrator_made(desk: Desk, patch: str, words: str) -> None:
    desk.plant({**manifest(account=POWERFUL), "spec": {**manifest(account=POWERFUL)["spec"], "suspend": True}})
    refused = desk.patch("writer", patch)
    assert words in refused if words else refused == ""
    desk.cluster.api.merge_patch(f"{collection(desk.namespace)}/report", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda desk: desk.patch("writer", SPEC % '{"serviceAccountName":"powerful"}'), id="merge patch"),
        pytest.param(lambda desk: desk.patch("writer", SPEC % '{"serviceAccount":"powerful","serviceAccountName":""}'),
                     id="the deprecated field"),
        pytest.param(lambda desk: desk.as_("writer", "patch", "sjob", "report", "--type", "json", "-p", JSON_PATCH),
                     id="JSON patch"),
        pytest.param(lambda desk: desk.as_("writer", "apply", "--server-side", "--force-conflicts", "-f", "-",
                                           body=manifest(account=POWERFUL)), id="server-side apply"),
        pytest.param(lambda desk: desk.as_("writer", "replace", "-f", "-", body=manifest(account=POWERFUL)),
                     id="replace"),
        pytest.param(lambda desk: desk.as_("writer", "replace", "--force", "-f", "-", body=manifest(account=POWERFUL)),
                     id="delete and create"),
    ],
)  # fmt: skip
def test_smuggling_an_account_in_by_a_later_edit(desk: Desk, change: Callable[[Desk], str]) -> None:
    assert desk.create("writer", manifest(account=OTHER)) == ""
    assert "writer may not use the ServiceAccount powerful" in change(desk)


JSON_PATCH = '[{"op":"replace","path":"/spec/jobTemplate/spec/template/spec/serviceAccountName","value":"powerful"}]'


def test_the_garbage_collector_can_do_its_work(desk: Desk) -> None:
    """It has no right to make Jobs, and takes finalizers and owners off.

    It looks for new kinds twice a minute, and knows ours only then.
    """
    desk.plant(manifest(account=POWERFUL))
    desk.cluster.kubectl("-n", desk.namespace, "delete", "sjob", "report", "--cascade=foreground", "--timeout=90s")
    with pytest.raises(ApiError):
        desk.cluster.api.get(f"{collection(desk.namespace)}/report")


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        *(
            pytest.param(("viewer", verb, "scheduledjobs"), "yes", id=f"view may {verb}")
            for verb in ("get", "list", "watch")
        ),
        *(
            pytest.param(("viewer", verb, "scheduledjobs"), "no", id=f"view may not {verb}")
            for verb in ("create", "update", "patch", "delete")
        ),
        *(
            pytest.param(("editor", verb, "scheduledjobs"), "yes", id=f"edit may {verb}")
            for verb in ("get", "create", "update", "patch", "delete", "deletecollection")
        ),
        *(
            pytest.param(("editor", verb, "scheduledjobs/status"), "no", id=f"edit may not {verb} a status")
            for verb in ("update", "patch")
        ),
    ],
)
def test_the_roles_of_kubernetes_include_ours(hall: Desk, asked: tuple[str, str, str], allowed: str) -> None:
    role, verb, place = asked
    resource, _, below = place.partition("/")
    more = [f"--subresource={below}"] if below else []
    try:
        told = hall.cluster.kubectl("-n", hall.namespace, "--as", role, "auth", "can-i", verb, resource, *more)
    except RuntimeError:
        told = "no"  # its exit code says so
    assert told.strip() == allowed
