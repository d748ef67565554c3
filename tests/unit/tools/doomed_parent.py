"""Starts a daemon in a scratch folder, says where they are, and waits to be killed."""

import signal

from tools.devcluster.process import Daemon
from tools.devcluster.scratch import Scratch

scratch = Scratch("doomed")
(scratch.path / "precious").touch()
daemon = Daemon("sleeper", ["sleep", "600"], log=scratch.path / "log")
daemon.start()
print(daemon.pid, scratch.path, flush=True)  # noqa: T201
signal.pause()
