"""Signals that arrive at the worst moment: none is missed, and nobody hangs."""

import subprocess
import sys

SCRIPT = """
import faulthandler, os, signal, sys, threading, time
from tunnel_tui.system.signal_queue import Signals
sys.setswitchinterval(1e-5)
end = time.monotonic() + 15  # a busy machine does not get through all of them
for number in range(5000):
    if time.monotonic() > end:
        break
    faulthandler.dump_traceback_later(20, exit=True)
    with Signals(signal.SIGTERM, signal.SIGHUP) as signals:
        go = threading.Event()
        def send():
            go.wait()
            for _ in range(number % 40):
                pass
            os.kill(os.getpid(), signal.SIGTERM)
        thread = threading.Thread(target=send)
        thread.start()
        go.set()
        assert signals.wait() is signal.SIGTERM
        thread.join()
print("none missed")
"""

ORDER = """
import os, signal
from tunnel_tui.system.signal_queue import Signals
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append("usr1"))
with Signals(signal.SIGTERM, signal.SIGHUP) as signals:
    for each in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
        os.kill(os.getpid(), each)
    print(signals.wait().name, signals.wait().name, *heard)
os.kill(os.getpid(), signal.SIGTERM)
print("not reached")
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100
    )


def test_a_signal_that_comes_while_the_wait_begins_is_heard() -> None:
    """With an event that a handler sets, one of a few thousand rounds hangs."""
    done = run(SCRIPT)
    assert (done.stdout, done.returncode) == ("none missed\n", 0), done.stderr


def test_they_are_told_in_order_and_what_stood_before_stands_again() -> None:
    done = run(ORDER)
    assert done.stdout == "SIGHUP SIGTERM usr1\n"
    assert done.returncode == -15
