"""Pods on the API server."""

from __future__ import annotations

from collections.abc import Sequence

from ticklock.domain.model import JobUid
from ticklock.kube.client import K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import PODS
from ticklock.kube.view import items, mapping, pod_view
from ticklock.ports import Pods, PodView


class KubePods(Pods):
    """Pods through `K8sApi`."""

    def __init__(self, api: K8sApi) -> None:
        self._api = api

    async def of_job(self, namespace: str, job: JobUid) -> Sequence[PodView]:
        """Return the pods of this Job UID that there are, whole."""
        query = {"labelSelector": f"batch.kubernetes.io/controller-uid={job}"}
        try:
            found = [
                pod_view(mapping(one))
                async for page in self._api.pages(PODS.within(namespace), query)
                for one in items(page.get("items"))
            ]
        except ApiError as error:
            raise error.transient from error
        return [pod for pod in found if pod is not None and pod.job_uid == job]
