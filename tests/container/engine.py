"""A container engine and the containers that a test made with it, seen from the host."""

import io
import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
LABEL = "tunnel-tui-test"
STATE_FILE = "/tmp/autossh_tunnels.state"
LOG_DIR = "/tmp/autossh-logs"


class Process(NamedTuple):
    """One process of a container, with the numbers it has on the host."""

    pid: int
    parent: int
    uid: int
    state: str
    command: str


class Engine:
    """The client of one engine; its environment stays what it was when the tests began."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    @classmethod
    def find(cls) -> "Engine | str":
        """The engine that `scripts/container-engine` finds, or why there is none."""
        script = ROOT / "scripts" / "container-engine"
        done = subprocess.run([script], capture_output=True, text=True, timeout=400, check=False)
        if done.returncode:
            return done.stderr.strip() or "there is no container engine"
        return cls({**os.environ, **dict(re.findall(r"(\w+)=(\S+)", done.stdout))})

    def run(
        self, *arguments: str, check: bool = True, timeout: float = 60.0
    ) -> "subprocess.CompletedProcess[str]":
        """Run `docker <arguments>`."""
        done = subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"docker {arguments}: {done.stderr}{done.stdout}"
        return done

    def build(self, tag: str) -> float:
        """Build the image; returns the seconds it took."""
        begun = time.monotonic()
        done = subprocess.run(
            [ROOT / "scripts" / "build-image", tag],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return time.monotonic() - begun


class Container:
    """A container of the test's own."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    def inspect(self) -> dict[str, Any]:
        """What the engine knows of it."""
        found: list[dict[str, Any]] = json.loads(self.engine.run("inspect", self.name).stdout)
        return found[0]

    @property
    def running(self) -> bool:
        return bool(self.inspect()["State"]["Status"] == "running")

    def start(self) -> None:
        """Start it, again."""
        self.engine.run("start", self.name)

    def stop(self) -> float:
        """`docker stop`; returns the seconds it took."""
        begun = time.monotonic()
        self.engine.run("stop", self.name)
        return time.monotonic() - begun

    def kill(self, signame: str) -> None:
        """Send a signal to its process 1."""
        self.engine.run("kill", "-s", signame, self.name)

    def logs(self) -> str:
        """All it has printed, of every run."""
        done = self.engine.run("logs", self.name)
        return done.stdout + done.stderr

    def exec(
        self, *command: str, user: str = "", check: bool = True, timeout: float = 60.0
    ) -> "subprocess.CompletedProcess[str]":
        """`docker exec`, without a terminal."""
        who = ["-u", user] if user else []
        return self.engine.run("exec", *who, self.name, *command, check=check, timeout=timeout)

    def cli(
        self, *arguments: str, user: str = "", check: bool = True, timeout: float = 60.0
    ) -> str:
        """What `docker exec NAME tunnel-tui <arguments>` prints on stdout."""
        command = ("tunnel-tui", *arguments)
        return self.exec(*command, user=user, check=check, timeout=timeout).stdout

    def status(self) -> dict[str, dict[str, Any]]:
        """`status --json` by name."""
        records = json.loads(self.cli("status", "--json", check=False) or "[]")
        return {record["name"]: record for record in records}

    def state_of(self, name: str) -> str:
        """The state of one tunnel, in capitals."""
        return str(self.status().get(name, {}).get("state", "")).upper()

    def wait_running(self, *names: str, timeout: float = 30.0) -> None:
        """Wait until tunnels are RUNNING: these, or all that nobody has to log in to."""
        # The command looks once at what is configured: a config that comes later needs names.
        done = self.exec(
            "tunnel-tui",
            "wait",
            *names,
            "--timeout",
            str(timeout),
            check=False,
            timeout=timeout + 20,
        )
        assert done.returncode == 0, f"{done.stderr}{done.stdout}\n{self.logs()}"

    def pids(self) -> dict[str, int]:
        """The state file: name → pid (as the container counts them)."""
        text = self.exec("cat", STATE_FILE).stdout
        rows = [line.split("\t") for line in text.splitlines()]
        assert all(len(row) == 7 for row in rows), text
        found = {row[4]: int(row[6]) for row in rows}
        assert len(found) == len(rows), f"doubled: {text}"
        return found

    def mode(self, path: str) -> str:
        """Mode and owner of a file: `666 1000:1000`."""
        return self.modes(path)[0]

    def modes(self, *paths: str) -> list[str]:
        """Mode and owner of some files."""
        return self.exec("stat", "-c", "%a %u:%g", *paths).stdout.splitlines()

    def processes(self) -> list[Process]:
        """All its processes, zombies included."""
        done = self.engine.run("top", self.name, "-eo", "pid,ppid,uid,stat,args")
        found = []
        for line in done.stdout.splitlines()[1:]:
            pid, parent, uid, state, command = line.split(None, 4)
            found.append(Process(int(pid), int(parent), int(uid), state, command))
        return found

    def first(self) -> Process:
        """Process 1."""
        pid = self.inspect()["State"]["Pid"]
        return next(process for process in self.processes() if process.pid == pid)

    def watcher(self) -> Process:
        """The process that process 1 was made to run."""
        first = self.first()
        found = [p for p in self.processes() if p.parent == first.pid and " daemon" in p.command]
        assert len(found) == 1, found
        return found[0]

    def kill_watcher(self) -> None:
        """`kill -9` it."""
        self.kill_process(self.watcher())

    def kill_process(self, process: Process) -> None:
        """`kill -9`, by root inside."""
        status = Path(f"/proc/{process.pid}/status").read_text()
        inside = re.search(r"NSpid:.*\s(\d+)$", status, re.MULTILINE)
        assert inside
        assert int(inside[1]) > 1
        self.exec("sh", "-c", f"kill -9 {inside[1]}", user="root", check=False)

    def ssh_of(self, spec_hash: str) -> list[Process]:
        """The ssh processes (not autossh) of one tunnel."""
        tag = f"TUNNEL_HASH={spec_hash}"
        return [
            process
            for process in self.processes()
            if tag in process.command and "autossh" not in process.command.split()[0]
        ]

    def read_stopped(self, path: str) -> "bytes | None":
        """The content of a file, running or not; None if there is none, b"" for a directory."""
        done = subprocess.run(
            ["docker", "cp", f"{self.name}:{path}", "-"],
            env=self.engine.environment,
            capture_output=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            return None
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            members = archive.getmembers()
            if members[0].isdir():
                return b"\n".join(member.name.encode() for member in members[1:])
            file = archive.extractfile(members[0])
            return file.read() if file else b""

    def wait_log(self, text: str, count: int = 1, deadline: float = 15.0) -> None:
        """Wait until the container has printed something, as often as this."""
        wait_until(lambda: self.logs().count(text) >= count, deadline, f"{count} {text!r}", 0.1)

    def remove(self) -> None:
        """Kill and remove it."""
        self.engine.run("rm", "-f", "-v", self.name, check=False)


def option_list(values: Sequence[str], option: str) -> list[str]:
    """`["a", "b"]` → `[option, "a", option, "b"]`."""
    return [part for value in values for part in (option, value)]
