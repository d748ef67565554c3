"""The state of a control plane's etcd: backed up, set back, compacted.

etcd is asked over its JSON gateway, with the certificates of the control plane. Only setting it back needs a program
of etcd's own, `etcdutl`, which is built for that alone.
"""

import base64
import http.client
import json
import shutil
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from tools.devcluster.binaries import resolve
from tools.devcluster.kubeapi import Credentials, KubeApi
from tools.devcluster.pki import Pair
from tools.devcluster.progress import Progress

_SNAPSHOT = "/v3/maintenance/snapshot"
_BUMP = 1_000_000_000


class EtcdState:
    """The contents of one etcd member that listens at `client` and calls itself `peer`."""

    def __init__(self, folder: Path, *, client: str, peer: str, pair: Pair, authority: Path) -> None:
        self._folder, self._peer = folder, peer
        self._credentials = Credentials(client, authority, pair)
        self._api = KubeApi(self._credentials)

    def revision(self) -> int:
        """Return the number of its latest write."""
        return int(self._api.post("/v3/maintenance/status", {})["header"]["revision"])

    def compact(self) -> int:
        """Forget every version before the latest: watches that are behind hear 410. Return the revision."""
        revision = self.revision()
        self._api.post("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def back_up(self, target: Path) -> Path:
        """Write a snapshot of the running etcd, with the hash that a restore checks; return the file."""
        address = urlsplit(self._credentials.server)
        context = ssl.create_default_context(cafile=str(self._credentials.authority))
        if (pair := self._credentials.client) is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        stream = http.client.HTTPSConnection(address.hostname or "", address.port, context=context, timeout=60)
        try:
            stream.request("POST", _SNAPSHOT, "{}", {"Content-Type": "application/json"})
            with target.open("wb") as file:
                for line in stream.getresponse():
                    file.write(base64.b64decode(json.loads(line)["result"].get("blob", "")))
        finally:
            stream.close()
        return target

    def set_back(self, snapshot: Path, *, bump_revision: bool) -> None:
        """Replace the data of the stopped etcd by that snapshot.

        `bump_revision` is what etcd advises: the revision jumps ahead, and what was before is compacted, so that no
        watch can take the past for the present.
        """
        self._api.close()
        shutil.rmtree(self._folder)
        advised = [f"--bump-revision={_BUMP}", "--mark-compacted"] if bump_revision else []
        done = subprocess.run(
            [
                str(resolve(["etcdutl"])["etcdutl"]),
                *("snapshot", "restore", str(snapshot), f"--data-dir={self._folder}", "--name=dev"),
                *(f"--initial-cluster=dev={self._peer}", f"--initial-advertise-peer-urls={self._peer}"),
                *advised,
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if done.returncode != 0:
            raise RuntimeError(f"etcdutl snapshot restore failed:\n{done.stdout}{done.stderr}")

    def close(self) -> None:
        """Close its connections."""
        self._api.close()


def have_etcdutl(progress: Progress | None = None) -> None:
    """Build what `set_back` needs, where it is not at hand: before the clock of an experiment runs."""
    resolve(["etcdutl"], progress=progress)
