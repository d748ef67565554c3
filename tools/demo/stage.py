"""Setting the stage, and clearing it: whatever happens in between, nothing remains."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from rich.console import Console

from tools.demo.ledger import Ledger
from tools.demo.outside import JobBook, schedule_of
from tools.demo.run import JOBS, NAMESPACE, Demo, apply_examples
from tools.demo.screen import Screen, screen_for
from tools.demo.script import Blow, plan
from tools.demo.summary import lines
from tools.demo.tail import LogTail
from tools.devcluster.binaries import missing
from tools.devcluster.installation import Installation
from tools.devcluster.manifests import collection
from tools.devcluster.watching import Watch


def perform(console: Console, *, seconds: float, age: Callable[[], float], signals: "Signals") -> int:
    """Run the whole demo; return its exit code. `age` tells how many seconds ago the command began.

    Raises KeyboardInterrupt where a signal comes before the first table.
    """
    screen, cold = screen_for(console), bool(missing())
    with closing(Installation()) as installation, ExitStack() as stack:
        installation.start(tell=lambda what: screen.say(f"{age():5.1f} s  {what}"))
        demo = _curtain(installation, screen, stack, seconds)
        start_seconds = age()
        signals.polite()
        with screen.live():
            demo.play(signals.stop)
        end = min(time.time(), demo.plan.end)
        demo.blow.close()
        screen.say("closing the books")
        books = demo.settle(end)
        ending = demo.ending(books, start_seconds=start_seconds, cold=cold, whole=not signals.stop.is_set())
        for line in lines(ending):
            screen.say(line)
        return ending.exit_code


def _curtain(installation: Installation, screen: Screen, stack: ExitStack, seconds: float) -> Demo:
    """Start everything that watches, apply the examples, and show the first table."""
    cluster = installation.cluster
    screen.say(f"export KUBECONFIG={cluster.kubeconfig}   # for a second terminal: kubectl get sjob -w")
    leader = installation.wait_leader()
    screen.say(f"{len(installation.replicas)} replicas are ready, {leader.pod} leads")
    jobs = JobBook()
    watch = stack.enter_context(closing(Watch(cluster.api.credentials, JOBS, jobs.on_sight)))
    watch.start()
    ledger = stack.enter_context(Ledger(installation.database_url))
    start = time.time()
    triggers = apply_examples(installation, seconds)
    items = cluster.api.get(collection(NAMESPACE))["items"]
    idle = {run.schedule for run in triggers}
    names = sorted(item["metadata"]["name"] for item in items if item["metadata"]["uid"] in idle)
    screen.say(f"triggered, as they would tick too late to be seen, if at all: {', '.join(names) or 'none'}")
    blow = Blow(
        installation, plan(map(schedule_of, items), start=start, seconds=seconds), screen.say, ledger.replica_of
    )
    demo = Demo(installation, screen, ledger, jobs, watch, blow, LogTail(installation.replicas), triggers, start, items)
    demo.look()
    screen.show(demo.picture(time.time()))
    stack.callback(blow.close)
    blow.start()
    return demo


class Signals:
    """What a signal does: break off the start; later only ask for the end; and nothing while the stage is cleared."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._polite = False

    def polite(self) -> None:
        """From now on a signal only sets `stop`."""
        self._polite = True

    def __call__(self, *_: object) -> None:
        """Handle a signal."""
        first = not self.stop.is_set()
        self.stop.set()
        if first and not self._polite:
            raise KeyboardInterrupt
