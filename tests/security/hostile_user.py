"""The hands of a hostile local user: one process of theirs that does what it is told.

Standard library only: it is given to another user's Python with `-c`. It reads one JSON line for
each trick, `{"trick": name, "seed": n, …}`, and answers with one: `{"done": what}`. What a trick
leaves running (listeners, locks, false tunnels) ends some seconds later.
"""

import ctypes
import fcntl
import json
import os
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable

LASTS = 6.0
"""Seconds, at most, for which locks, listeners and false tunnels are held."""
STUB = "import sys;exec(open(sys.argv[1]).read())"
MIMIC = """
import os, signal, time, ctypes
note, wanted = os.environ["NOTE"], os.environ["WANTED"].split("\\x1f")
def write(number, frame):
    with open(note, "a") as file:
        file.write(f"{number} {time.time()}\\n")
for number in (1, 2, 3, 10, 12, 15, 18):
    signal.signal(number, write)
line = ("\\0".join(wanted) + "\\0").encode()
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
begin, end = int(fields[45]), int(fields[46])
memory = os.open("/proc/self/mem", os.O_RDWR)
os.pwrite(memory, line[: end - begin].ljust(end - begin, b"\\0"), begin)
name = ctypes.create_string_buffer(os.path.basename(wanted[0]).encode()[:15])
ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
time.sleep(float(os.environ["LASTS"]))
"""


class Hands:
    """Does the tricks."""

    def __init__(self, aim: dict) -> None:
        self.state, self.logs = aim["state"], aim["logs"]
        self.canaries, self.tunnels = aim["canaries"], aim["tunnels"]
        self.place = aim["place"]  # a directory of our own
        self.dice = random.Random()
        self.chosen: dict = {}
        self.held: list[tuple[float, Callable[[], None]]] = []
        self.mimic = os.path.join(self.place, "m")
        with open(self.mimic, "w") as file:
            file.write(MIMIC)

    # -- what everything is made of

    def tunnel(self) -> dict:
        return self.chosen or self.dice.choice(self.tunnels)

    def log(self) -> str:
        return os.path.join(self.logs, f"tunnel-{self.tunnel()['hash']}.log")

    def victim_pids(self) -> list[int]:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if pid > 1 and pid != os.getpid()]

    def entry(self, tunnel: dict, pid: int) -> str:
        keys = ("remote_host", "remote_port", "local_port", "direction", "name", "hash")
        return "\t".join([*(tunnel[key] for key in keys), str(pid)]) + "\n"

    def lasts(self) -> float:
        return self.dice.uniform(1.0, LASTS)

    def hold(self, undo: Callable[[], None]) -> None:
        self.held.append((time.monotonic() + self.lasts(), undo))

    def release(self, everything: bool = False) -> None:
        now = time.monotonic()
        for item in list(self.held):
            if everything or item[0] <= now:
                self.held.remove(item)
                try:
                    item[1]()
                except OSError:
                    pass

    def forged(self, tunnel: dict, pid: int) -> bytes:
        port = tunnel["local_port"].rpartition(":")[2]
        success = f"remote forward success for: listen 127.0.0.1:{port}, connect 127.0.0.1:{port}"
        lines = [
            f"2026/11/22 14:02:07 tunnel-tui[{pid}]: starting {tunnel['name']}",
            f"2026/11/22 14:02:07 autossh[{pid}]: starting ssh (count 1)",
            f"2026/11/22 14:02:07 autossh[{pid}]: ssh child pid is {pid}",
            f"debug1: clientloop.c:client_loop():1290 (pid={pid}): Entering interactive session.",
            f"debug1: ssh.c:ssh_confirm_remote_forward():1 (pid={pid}): {success}",
            "Timeout, server x not responding.",
            "Permissions 0644 for '/x; touch /tmp/owned' are too open.",
            "Permission denied (" * 500,
        ]
        if self.dice.random() < 0.5:  # a perfect run
            lines = lines[:5]
        else:
            self.dice.shuffle(lines)
            lines = lines[: self.dice.randrange(1, 9)]
        return ("\n".join(lines) + "\n").encode()

    def start_mimic(self, argv: list[str]) -> int:
        """A process of ours whose command line is, byte for byte, another's."""
        length = sum(len(word) + 1 for word in argv)
        base = [sys.executable, "-c", STUB, self.mimic]
        padding = max(1, length - sum(len(word) + 1 for word in base) - 1)
        variables = {
            "NOTE": os.path.join(self.place, "signals"),
            "WANTED": "\x1f".join(argv),
            "LASTS": str(self.lasts()),
        }
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.execve(sys.executable, [*base, "x" * padding], variables)
        self.hold(lambda: self.end(pid))
        return pid

    def end(self, pid: int, waits: bool = False) -> None:
        """End a process of ours; one that somebody else has ended is noted down.

        One that `waits` does so for us: it does not end by itself.
        """
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone and (waits or os.WIFSIGNALED(status)):
            with open(os.path.join(self.place, "signals"), "a") as note:
                note.write(f"{pid} ended with {os.waitstatus_to_exitcode(status)}\n")
        if not gone:
            end(pid)

    # -- the tricks

    def write_lines(self) -> str:
        lines = []
        for _ in range(self.dice.choice((1, 1, 3, 50))):
            pid = self.dice.choice((os.getpid(), 1, 2, 4194303, *self.victim_pids()))
            lines.append(self.entry(self.tunnel(), pid))
        return self.append("".join(lines).encode())

    def write_strange_lines(self) -> str:
        tunnel = dict(self.tunnel())
        host = "-oProxyCommand=touch${IFS}" + self.canaries["command"]
        tunnel.update(
            self.dice.choice(
                (
                    {"remote_host": host},
                    {"hash": tunnel["hash"][:15] + "f" * 17},
                    {"hash": "../../" + tunnel["hash"][6:]},
                    {"hash": "0" * 32, "remote_host": "server", "name": "unasked"},
                    {"local_port": self.canaries["file"]},
                    {"name": "\x1b]0;x\x07" * 20},
                )
            )
        )
        return self.append(self.entry(tunnel, self.dice.choice(self.victim_pids())).encode())

    def append(self, data: bytes) -> str:
        fd = os.open(self.state, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
        os.write(fd, data)
        os.close(fd)
        return f"{len(data)} bytes"

    def spoil_state(self) -> str:
        fd = os.open(self.state, os.O_RDWR | os.O_NONBLOCK)
        data = os.read(fd, 1 << 20)
        kind = self.dice.choice(("cut", "double", "empty", "garbage", "many", "huge", "holes"))
        os.lseek(fd, 0, os.SEEK_END)
        if kind == "cut":
            os.ftruncate(fd, self.dice.randrange(len(data) + 1))
        elif kind == "double":
            os.write(fd, data)
        elif kind == "empty":
            os.ftruncate(fd, 0)
        elif kind == "garbage":
            os.write(fd, self.dice.randbytes(4000))
        elif kind == "many":
            line = self.entry(self.tunnel(), 4194303)
            os.write(
                fd,
                "".join(
                    line.replace(line.split("\t")[5], f"{self.dice.getrandbits(128):032x}")
                    for _ in range(20000)
                ).encode(),
            )
            self.hold(lambda: os.truncate(self.state, 0))
        elif kind == "huge":
            os.write(fd, b"x" * (16 << 20))
            self.hold(lambda: os.truncate(self.state, 0))
        else:
            os.ftruncate(fd, 1 << 33)
            self.hold(lambda: os.truncate(self.state, 0))
        os.close(fd)
        return kind

    def replace_state(self) -> str:
        """Only where the file is ours or its directory is not sticky."""
        return self.replace(self.state)

    def replace(self, path: str) -> str:
        kind = self.dice.choice(
            (
                "gone",
                "directory",
                "symlink",
                "fifo",
                "hard link",
                "socket",
                "device",
                "unreadable",
                "loop",
                "file",
            )
        )
        old = os.path.join(self.place, f"old-{self.dice.getrandbits(32)}")
        try:
            os.rename(path, old)
        except FileNotFoundError:
            pass
        self.make(path, kind)
        return kind

    def make(self, path: str, kind: str) -> None:
        if kind == "directory":
            os.mkdir(path, 0o777)
        elif kind == "symlink":
            os.symlink(self.canaries[self.dice.choice(("file", "root", "missing"))], path)
        elif kind == "fifo":
            os.mkfifo(path, 0o666)
        elif kind == "hard link":
            os.link(self.canaries[self.dice.choice(("file", "root"))], path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
        elif kind == "device":
            os.symlink("/dev/zero", path)
        elif kind == "loop":
            os.symlink(os.path.basename(path), path)
        elif kind in ("unreadable", "file"):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            os.chmod(path, 0 if kind == "unreadable" else 0o666)
        if kind not in ("gone", "file"):
            self.hold(lambda: remove(path))

    def replace_log(self) -> str:
        return self.replace(self.log())

    def litter_logs(self) -> str:
        """Names that are not there yet: old copies, the logs of what was not started."""
        tunnel = self.tunnel()
        name = self.dice.choice(
            (
                f"tunnel-{tunnel['hash']}.log.1",
                f"tunnel-{tunnel['hash']}.log",
                f"tunnel-{tunnel['hash'][:15]}{'0' * 17}.log",
                "tunnel-.log",
                "x" * 200,
            )
        )
        path = os.path.join(self.logs, name)
        kind = self.dice.choice(("directory", "symlink", "fifo", "hard link", "device", "file"))
        self.make(path, kind)
        if kind == "file":
            with open(path, "wb") as file:
                file.write(self.forged(tunnel, os.getpid()) * 10)
        return f"{kind} {name[:50]}"

    def write_log(self) -> str:
        fd = os.open(self.log(), os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
        pid = self.dice.choice((os.getpid(), *self.victim_pids()[-8:]))
        data = self.forged(self.tunnel(), pid) * self.dice.choice((1, 1, 1, 400))
        os.write(fd, data)
        os.close(fd)
        return f"{len(data)} bytes of pid {pid}"

    def spoil_log(self) -> str:
        path, kind = self.log(), self.dice.choice(("empty", "holes", "swap", "rename", "delete"))
        if kind == "empty":
            os.truncate(path, 0)
        elif kind == "holes":
            os.truncate(path, 1 << 32)
            self.hold(lambda: os.truncate(path, 0))
        elif kind == "swap":
            os.rename(self.log(), path)
        elif kind == "rename":
            os.rename(path, path + ".1")
        else:
            os.unlink(path)
        return kind

    def swap_directory(self) -> str:
        """Only where the directory is ours."""
        aside = os.path.join(self.place, f"logs-{self.dice.getrandbits(32)}")
        os.rename(self.logs, aside)
        os.symlink(self.dice.choice((aside, self.canaries["directory"])), self.logs)

        def back() -> None:
            os.unlink(self.logs)
            os.rename(aside, self.logs)

        self.hold(back)
        return "symlink"

    def lock(self) -> str:
        path = self.dice.choice((self.state, self.log(), self.logs))
        reads = path == self.logs or self.dice.random() < 0.5
        fd = os.open(path, (os.O_RDONLY if reads else os.O_RDWR) | os.O_NONBLOCK)
        kind = self.dice.choice(("flock", "record", "description"))
        if kind == "flock":
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            what = fcntl.F_RDLCK if reads else fcntl.F_WRLCK
            lock = struct.pack("hhqqi4x", what, 0, 0, 0, 0)
            fcntl.fcntl(fd, fcntl.F_SETLK if kind == "record" else 37, lock)
        self.hold(lambda: os.close(fd))
        return f"{kind} of {os.path.basename(path)[:20]}"

    def listen(self) -> str:
        port = int(self.tunnel()["listener"])
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.dice.choice(("127.0.0.1", "0.0.0.0")), port))
        listener.listen()
        self.hold(listener.close)
        return f"port {port}"

    def pretend(self) -> str:
        """A process with a tunnel's command line, its port, its log and its line in the file."""
        tunnel = self.chosen = self.tunnel()
        argv = list(tunnel["argv"])
        kind = self.dice.random()
        if kind < 0.5:
            argv = ["/usr/bin/ssh", *argv[3:]]
        elif kind < 0.7:
            argv = self.dice.choice(
                (
                    [f"ssh: /x/{tunnel['hash']} [mux]"],
                    ["ssh", "-o", f"SetEnv=TUNNEL_HASH={tunnel['hash']}"],
                    ["autossh", "-M", "0", "-N", *tunnel["forward"], tunnel["remote_host"]],
                )
            )
        pid = self.start_mimic(argv)
        for trick in (self.listen, self.write_log):
            if self.dice.random() < 0.7:
                try:
                    trick()
                except OSError:
                    pass
        try:
            if not os.access(self.log(), os.W_OK):  # then one of ours in its place
                os.rename(self.log(), f"{self.log()}.{pid}")
            with open(self.log(), "ab") as file:
                file.write(self.forged(tunnel, pid))
        except OSError:
            pass
        return f"pid {pid}, " + self.append(self.entry(tunnel, pid).encode())

    def pretend_with_setuid(self) -> str:
        """A program that root owns and that we may start: it waits for a password."""
        tunnel = self.tunnel()
        program = self.dice.choice(("/usr/bin/su", "/bin/su"))
        tag = f"SetEnv=TUNNEL_HASH={tunnel['hash']}"
        argv = ["autossh", "--", "root", "-M", "0", "-o", tag, *tunnel["argv"][1:]]
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.dup2(reading, 0)
            os.close(writing)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.execv(program, argv)
        os.close(reading)

        def over() -> None:
            self.end(pid, waits=True)
            os.close(writing)

        self.hold(over)
        return self.append(self.entry(tunnel, pid).encode())


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        pass
    for _ in range(20):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.05)


def give_up(number: int, frame: object) -> None:
    raise TimeoutError(number, "it took too long")


def remove(path: str) -> None:
    try:
        os.rmdir(path)
    except OSError:
        os.unlink(path)


TRICKS = (
    "write_lines",
    "write_strange_lines",
    "spoil_state",
    "replace_state",
    "replace_log",
    "litter_logs",
    "write_log",
    "spoil_log",
    "swap_directory",
    "lock",
    "listen",
    "pretend",
    "pretend_with_setuid",
)


def main() -> None:
    os.umask(0)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGALRM, give_up)
    hands = Hands(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        hands.dice.seed(asked["seed"])
        hands.chosen = {}
        hands.release(asked["trick"] == "release")
        done = ""
        try:
            signal.alarm(2)  # a FIFO of ours may hold us up, too
            if asked["trick"] != "release":
                done = getattr(hands, asked["trick"])()
        except OSError as error:
            done = f"could not: {error.strerror}"
        except ValueError as error:
            done = f"could not: {error}"
        signal.alarm(0)
        print(json.dumps({"done": done}), flush=True)
    hands.release(True)


if __name__ == "__main__":
    main()
