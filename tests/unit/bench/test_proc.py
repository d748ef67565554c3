import subprocess
import sys

from tools.bench.proc import Program, usage

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
print("done", flush=True)
sys.stdin.read()
"""


def test_a_family_counts_children_that_have_ended_and_one_process_does_not() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "done\n"
        found = usage({"alone": Program(parent.pid), "family": Program(parent.pid, family=True)})
        assert parent.stdin is not None
        parent.stdin.close()
    assert found.cpu["family"] - found.cpu["alone"] >= 0.25
    assert found.machine > found.cpu["family"]
    assert found.memory["alone"] > 1 << 20


def test_a_process_that_has_gone_counts_as_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
        found = usage({"gone": Program(child.pid)})
    assert (found.cpu["gone"], found.memory["gone"]) == (0.0, 0)
