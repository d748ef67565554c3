"""What `helm test` runs: create a ScheduledJob that asks for a run at once, wait until it is Completed, take it away.

It needs nothing but Python and the pod's ServiceAccount. Exit code 0 means that a Job was launched and has completed.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT_FOLDER", "/var/run/secrets/kubernetes.io/serviceaccount"))
HOST, PORT = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
SERVER = f"https://[{HOST}]:{PORT}" if ":" in HOST else f"https://{HOST}:{PORT}"
COLLECTION = f"/apis/ticklock.dev/v1/namespaces/{os.environ['NAMESPACE']}/scheduledjobs"
SECONDS = float(os.environ["SECONDS_TO_WAIT"])
ENDS = {"Completed", "Failed", "Stopped", "Skipped", "Missed", "Unknown"}


def ask(method: str, path: str, body: object = None) -> dict[str, Any]:
    """Send one request as the pod's ServiceAccount; return the answer."""
    token = (ACCOUNT / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(SERVER + path, data, headers, method=method)  # noqa: S310 - https, as said above
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trust, timeout=10) as answer:  # noqa: S310 - the same
        return dict(json.load(answer))


def ended(path: str) -> dict[str, Any] | None:
    """Return what became of the run, once it has ended."""
    last = ask("GET", path).get("status", {}).get("lastRun") or {}
    return last if last.get("state") in ENDS else None


def wait(path: str) -> int:
    """Wait for the end of the run; return the exit code."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if run := ended(path):
            print(f"run {run['id']}: {run['state']} ({run['reason']}), Job {run.get('jobName')}")
            return 0 if run["state"] == "Completed" else 1
        time.sleep(0.5)
    told = ask("GET", path).get("status", {}).get("conditions", [])
    print(f"no run has ended after {SECONDS:.0f} s: {json.dumps(told)}", file=sys.stderr)
    return 1


def main() -> int:
    """Do it, and leave nothing behind."""
    try:
        created = ask("POST", COLLECTION, json.loads((HERE / "scheduledjob.json").read_text()))
        path = f"{COLLECTION}/{created['metadata']['name']}"
        print(f"created {path}")
        try:
            return wait(path)
        finally:
            ask("DELETE", path)
    except urllib.error.HTTPError as refused:
        print(f"{refused.url}: {refused.code} {refused.read().decode(errors='replace')}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
