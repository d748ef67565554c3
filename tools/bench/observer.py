"""The process that watches Jobs: `python -m tools.bench.observer KUBECONFIG NAMESPACE OUTPUT`, until it is killed.

It does nothing else, so that what the others do does not delay its clock, nor its own work theirs. The moment is taken
when bytes come off the socket, before they are read as JSON.
"""

import contextlib
import http.client
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from tools.bench.history import Beat, Break, Entry, JobUid, Phase, ScheduleName, Sight, Tick, to_line

TICK_ANNOTATION = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""CronJob writes it on its Jobs, and so does Ticklock."""
_BEAT_SECONDS = 0.5
_RETRY_SECONDS = 0.2
_WATCH_SECONDS = 7200
_CHUNK = 1 << 18
_AHEAD = -10


@dataclass(slots=True)
class Notes:
    """Appends entries to the file; each is one write, so that lines of two threads do not mix."""

    file: int
    connected: bool = False
    _last: dict[JobUid, Phase] = field(default_factory=dict)

    def put(self, entry: Entry) -> None:
        """Write an entry."""
        os.write(self.file, to_line(entry))

    def put_job(self, job: dict[str, Any], *, gone: bool, at: float) -> None:
        """Write down a version of a Job if it shows something new."""
        sight = sight_of(job, gone=gone, at=at)
        if self._last.get(sight.job) is not sight.phase:
            self._last[sight.job] = sight.phase
            self.put(sight)

    def beat(self) -> None:
        """Say twice a second that the watch is connected. Does not return."""
        while True:
            time.sleep(_BEAT_SECONDS)
            if self.connected:
                self.put(Beat(time.time()))


def sight_of(job: dict[str, Any], *, gone: bool, at: float) -> Sight:
    """Read what counts from a version of a Job. A Job without an owner is taken as a schedule of its own."""
    metadata = job["metadata"]
    owner = next((one["name"] for one in metadata.get("ownerReferences", ()) if one.get("controller")), None)
    stamp = metadata.get("annotations", {}).get(TICK_ANNOTATION)
    held = Phase.HELD if job["spec"].get("suspend") else Phase.FREE
    return Sight(
        at=at,
        phase=Phase.GONE if gone else held,
        job=JobUid(metadata["uid"]),
        schedule=ScheduleName(owner or metadata["name"]),
        tick=None if stamp is None else Tick(int(datetime.fromisoformat(stamp).timestamp())),
    )


class Expired(Exception):
    """The API server does not remember the version that the watch was to go on from."""


@dataclass(slots=True)
class Observer:
    """Lists the Jobs of a namespace, then follows them; after a break it goes on from the version it had seen."""

    kubeconfig: Path
    namespace: str
    notes: Notes
    _version: str = ""

    def run(self) -> None:
        """Watch until killed."""
        threading.Thread(target=self.notes.beat, name="beat", daemon=True).start()
        while True:
            try:
                self._version = self._version or self._list()
                self._follow()
                cause = "the API server ended the watch"
            except (OSError, http.client.HTTPException, ValueError, LookupError) as problem:
                cause = repr(problem)
                time.sleep(_RETRY_SECONDS)
            except Expired as problem:
                cause, self._version = str(problem), ""
            self.notes.connected = False
            self.notes.put(Break(time.time(), cause, lost=not self._version))

    def _list(self) -> str:
        found = orjson.loads(self._get("").read())
        for job in found["items"]:
            self.notes.put_job(job, gone=False, at=time.time())
        return str(found["metadata"]["resourceVersion"])

    def _follow(self) -> None:
        query = f"?watch=1&allowWatchBookmarks=true&resourceVersion={self._version}&timeoutSeconds={_WATCH_SECONDS}"
        response = self._get(query)
        self.notes.connected = True
        self.notes.put(Beat(time.time()))
        for at, line in _lines(response):
            event = orjson.loads(line)
            if event["type"] == "ERROR":
                raise Expired(str(event["object"].get("message")))
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self.notes.put_job(event["object"], gone=event["type"] == "DELETED", at=at)

    def _get(self, query: str) -> http.client.HTTPResponse:
        config = json.loads(self.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        address = urlsplit(cluster["server"])
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=context)
        connection.request("GET", f"/apis/batch/v1/namespaces/{self.namespace}/jobs{query}")
        response = connection.getresponse()
        if response.status == http.HTTPStatus.GONE:
            raise Expired("the version to go on from is gone")
        if response.status != http.HTTPStatus.OK:
            raise OSError(f"the API server answered {response.status}")
        return response


def _lines(response: http.client.HTTPResponse) -> Iterator[tuple[float, bytes]]:
    """Yield each line with the moment at which its end came off the socket."""
    rest = b""
    while chunk := response.read1(_CHUNK):
        at = time.time()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield at, line


def main(kubeconfig: str, namespace: str, output: str) -> None:
    """Watch until killed; where that is allowed, ahead of those it watches, lest their work delays its clock."""
    with contextlib.suppress(OSError):
        os.nice(_AHEAD)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    Observer(Path(kubeconfig), namespace, Notes(file)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
