"""Attempts to be staged, as the ledger would hand them out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID, uuid4

from tests.support.bad_manifests import valid_manifest
from tests.support.crd import collection, install
from ticklock.domain.manifest import build_job
from ticklock.domain.model import AttemptKey, ClusterId, ObjectRef, ScheduleUid, run_id, tick_key
from ticklock.domain.names import job_name
from ticklock.ports import StageOrder
from tools.devcluster.controlplane import ControlPlane

CLUSTER = ClusterId(UUID("11111111-2222-3333-4444-555555555555"))
TICK = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)


def template(**spec: Any) -> dict[str, Any]:
    """A plain jobTemplate; keywords go into the Job's spec."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.invalid/main:1"}]}
    return {"spec": {"backoffLimit": 0, "template": {"spec": pod}, **spec}}


@dataclass(frozen=True)
class Orders:
    """Makes orders of one schedule."""

    namespace: str
    name: str = "report"
    uid: ScheduleUid = field(default_factory=lambda: ScheduleUid(str(uuid4())))

    @classmethod
    def of_an_object(cls, cluster: ControlPlane, namespace: str) -> Self:
        """Orders of a ScheduledJob that stands in the cluster, suspended.

        Jobs in a cluster need one: without their owner the garbage collector deletes them, once it knows of the kind.
        """
        install(cluster)
        body = {**valid_manifest(cls.name), "spec": {**valid_manifest(cls.name)["spec"], "suspend": True}}
        stored = cluster.api.post(collection(namespace), body)
        return cls(namespace, uid=ScheduleUid(stored["metadata"]["uid"]))

    def order(self, *, tick: datetime = TICK, n: int = 1, job_template: Mapping[str, Any] | None = None) -> StageOrder:
        key = tick_key(tick)
        return StageOrder(
            key=AttemptKey(run_id(CLUSTER, self.uid, key), n),
            run_key=key,
            ref=ObjectRef(self.namespace, self.name, self.uid),
            generation=3,
            stage=2,
            token=7,
            suffix=0,
            scheduled_time=tick,
            due_at=tick,
            deadline_at=None,
            job_template=template() if job_template is None else job_template,
            policy="Allow",
        )

    def job(self, order: StageOrder | None = None) -> dict[str, Any]:
        """The manifest of an order's Job."""
        order = order or self.order()
        name = job_name(self.name, order.scheduled_time, CLUSTER, self.uid, order.run_key, order.key.n, order.suffix)
        return build_job(order, cluster=CLUSTER, job_name=name)
