"""Keys and CPU of the app with 200 tunnels of which 20 change state every second.

    python benchmarks/busy_app.py [seconds]

The app runs on a fake engine in a pseudo terminal of its own. Measured from outside: the time from
a key to the bytes that draw the cursor on its next row, and the CPU time of the process while
nobody presses anything. The same keys in silence are the floor.
"""

import os
import pty
import random
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from fcntl import ioctl
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

CURSOR = "▌".encode()
TUNNELS, CHANGES = 200, 20


def run_app(busy: bool) -> None:
    """Be the app: never returns."""
    from tests.tui.fake import REFUSED, FakeEngine, make_settings, spec

    from tunnel_tui.model import State, Traffic, TunnelStatus
    from tunnel_tui.supervise.monitor import Change
    from tunnel_tui.tui.app import TunnelApp

    now = time.time()
    statuses = [
        TunnelStatus(
            spec(f"tunnel-{n:03}", f"me@host-{n % 20}", local=str(10_000 + n)),
            State.RUNNING,
            pid=1000 + n,
            ssh_pid=2000 + n,
            since=now - n * 60,
            traffic=Traffic(0.02, n, n),
        )
        for n in range(TUNNELS)
    ]
    engine = FakeEngine(statuses, make_settings("/nonexistent"))

    def change() -> None:
        total = 0
        while True:
            time.sleep(1 / CHANGES)
            total += 1
            place = random.randrange(TUNNELS)
            old = engine.statuses[place]
            up = old.state is not State.RUNNING
            state = State.RUNNING if up else State.STARTING
            new = old._replace(state=state, reason=None if up else REFUSED, since=time.time())
            engine.statuses[place] = new
            if total % CHANGES == 0:
                for index, status in enumerate(engine.statuses):
                    traffic = Traffic(0.02, total * 100, total * 1000 + index)
                    engine.statuses[index] = status._replace(traffic=traffic)
            changed = Change(new.spec.hash, new.spec.name, old.state, state, new.reason)
            engine._on_snapshot(engine.snapshot([changed]))  # type: ignore[misc]

    app = TunnelApp(engine, environment={"TERM": "xterm-256color", "LANG": "C.UTF-8"})
    if busy:
        threading.Thread(target=change, daemon=True).start()
    app.begin()
    app.run()
    os._exit(0)


class Terminal:
    """The app in a pseudo terminal."""

    def __init__(self, busy: bool) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            try:
                run_app(busy)
            finally:
                os._exit(1)
        ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def drain(self, seconds: float, until: bytes = b"") -> float | None:
        """Read for so long, or until `until` comes; returns the seconds that took."""
        start, data = time.perf_counter(), b""
        while (left := start + seconds - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = data[-64:] + os.read(self.fd, 65536)
                except OSError:  # it has left
                    return None
                if until and until in data:
                    return time.perf_counter() - start
        return None

    def press(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def cpu(self) -> float:
        """Seconds of CPU that the app has taken (proc(5), stat)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", text)
        return int(found[1]) // 1024 if found else 0

    def close(self) -> None:
        self.press(b"q")
        self.drain(1.0)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def measure(busy: bool, seconds: float) -> None:
    terminal = Terminal(busy)
    terminal.drain(6.0)
    before, memory = terminal.cpu(), terminal.memory()
    terminal.drain(seconds)
    share = (terminal.cpu() - before) / seconds
    waits = []
    for number in range(200):
        down = number // 15 % 2 == 0
        terminal.drain(random.uniform(0.05, 0.15))
        terminal.press(b"j" if down else b"k")
        took = terminal.drain(1.0, CURSOR)
        waits.append(took if took is not None else 1.0)
    waits.sort()
    name = "busy  " if busy else "silent"
    print(
        f"{name}  key: median {waits[100] * 1000:.1f} ms, p99 {waits[197] * 1000:.1f} ms, "
        f"worst {waits[-1] * 1000:.1f} ms   CPU {share * 100:.1f} %   "
        f"memory {memory} -> {terminal.memory()} MB   load {os.getloadavg()[0]:.1f}"
    )
    terminal.close()


if __name__ == "__main__":
    span = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    measure(False, span)
    measure(True, span)
