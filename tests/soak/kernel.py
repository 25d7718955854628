"""Which processes of ours exist: read from /proc, without a line of the product."""

import os
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

_TAG = b"SetEnv=TUNNEL_HASH="
_TICKS = os.sysconf("SC_CLK_TCK")
_UNSEEN = 10
"""Looks for which a stranger's process is not looked at again."""
_NOT_OURS = (False, "", False)


class Seen(NamedTuple):
    """A live process of this home."""

    pid: int
    parent: int
    program: str
    state: str
    hash: str
    master: bool


class ProcessTable(NamedTuple):
    """All live ssh and autossh of this home."""

    processes: tuple[Seen, ...]

    def of(self, tunnel_hash: str) -> list[Seen]:
        return [seen for seen in self.processes if seen.hash == tunnel_hash]

    def leaders(self) -> dict[str, list[int]]:
        """The autossh's of each tunnel; not one that is about to become its child's ssh."""
        pids = {seen.pid for seen in self.processes if seen.program == "autossh"}
        found: dict[str, list[int]] = defaultdict(list)
        for seen in self.processes:
            if seen.program == "autossh" and seen.parent not in pids:
                found[seen.hash].append(seen.pid)
        return found

    def orphans(self) -> list[Seen]:
        """The ssh's that carry a tag and whose autossh is gone."""
        pids = {seen.pid for seen in self.processes}
        return [
            seen
            for seen in self.processes
            if seen.hash and seen.program == "ssh" and seen.parent not in pids
        ]

    def masters(self) -> list[int]:
        return [seen.pid for seen in self.processes if seen.master]


class Kernel:
    """Looks; remembers whose a process is, which cannot change but by execve(2)."""

    def __init__(self, home: Path) -> None:
        self._wanted = f"HOME={home}".encode()
        self._known: dict[tuple[int, str, str], tuple[bool, str, bool]] = {}
        self._strangers: dict[str, int] = {}
        self._lock = threading.Lock()

    def look(self) -> ProcessTable:
        with self._lock:
            return self._look()

    def _look(self) -> ProcessTable:
        found, known, strangers = [], {}, {}
        now = time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            if (left := self._strangers.get(name, 0)) > 0:
                strangers[name] = left - 1
                continue
            stat = _stat(name)
            if stat is None:
                continue
            program, state, parent, start = stat
            key = (int(name), start, program)
            ours = program in ("ssh", "autossh") and state not in "ZX"
            told = (self._known.get(key) or self._prove(name)) if ours else _NOT_OURS
            if told is None:
                continue
            mine, tag, master = told
            if mine:
                known[key] = told
                found.append(Seen(int(name), parent, program, state, tag, master))
            elif now - int(start) > 3 * _TICKS:
                # Old enough not to be on its way to become one of ours.
                strangers[name] = _UNSEEN
        self._known, self._strangers = known, strangers
        return ProcessTable(tuple(found))

    def _prove(self, name: str) -> tuple[bool, str, bool] | None:
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                mine = self._wanted in file.read().split(b"\0")
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            return None
        if not words[0]:
            return None  # between execve(2) and its arguments
        tag = next((word[len(_TAG) :] for word in words if word.startswith(_TAG)), b"")
        return mine, tag.decode(), b"-M" in words and b"-S" in words


def _stat(name: str) -> tuple[str, str, int, str] | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            head, _, rest = file.read().rpartition(b")")
    except OSError:
        return None
    fields = rest.split()
    program = head.partition(b"(")[2].decode(errors="replace")
    return program, fields[0].decode(), int(fields[1]), fields[19].decode()
