"""Whose process is this: proof, so that nothing of a stranger is ever signalled or shown as ours.

The owner of a process is the kernel's word; its arguments are only what its owner says. Proof is
both: it runs for ourselves or for root, and it carries the whole of what we (or the shell
scripts) give a tunnel.
"""

import os
import re
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from tunnel_tui.model import DirectionMode, TunnelEntry, login_id
from tunnel_tui.settings import DEFAULT_STATE_FILE, LOGIN_PREFIX, SOCKET_DIR_NAME
from tunnel_tui.ssh.marks import LOGIN_VARIABLE, OWN_LOG, STATE_VARIABLE, TAG_OPTION
from tunnel_tui.system import proc
from tunnel_tui.system.proc import ProcessStat, command_line, pids, read_stat, scan, start_time

PROGRAMS = frozenset({"ssh", "autossh"})
_SHELLS = frozenset({"sh", "dash", "bash", "ash", "busybox", "env"})
_CARRIES_OPTION = "BbcDEeFIiJLlmOoPpQRSWw"
"""ssh(1): the options that take an argument; autossh(1) adds -M with one."""
_SETTLED = 1.0
"""Seconds after which a process has surely become the program that it was started as."""
_MOST_STRANGERS = 4096
_strangers: set[tuple[int, int, str, str | None]] = set()
"""Pid, start, name and for which state file: processes that were looked at and are not ours."""


class OurProcess(NamedTuple):
    """A live ssh or autossh that carries our tag."""

    stat: ProcessStat
    hash: str
    argv: tuple[str, ...]

    @property
    def leads(self) -> bool:
        """True where the process was started as a tunnel, not by its autossh.

        What we start leads its own process group; an ssh that does not is the child, or the
        orphan, of an autossh.
        """
        return self.stat.pgrp == self.stat.pid or program(self.argv) == "autossh"


def program(argv: Sequence[str]) -> str:
    """Name the program of a command line: "ssh", "autossh" or "".

    An interpreter in front of it is looked through: Debian wraps autossh in a shell script.
    """
    if not argv:
        return ""
    name = os.path.basename(argv[0])
    if name in PROGRAMS:
        return name
    if len(argv) > 1 and (name in _SHELLS or name.startswith("python")):
        name = os.path.basename(argv[1])
        return name if name in PROGRAMS else ""
    # An ssh master with ControlPersist writes its own title: "ssh: <control path> [mux]".
    return "ssh" if argv[0].startswith("ssh: ") and argv[0].endswith("[mux]") else ""


def tag_of(argv: Sequence[str]) -> str | None:
    """Return the hash in `-o SetEnv=TUNNEL_HASH=<hash>`, or None."""
    for position, word in enumerate(argv):
        if TAG_OPTION not in word:
            continue
        given = word[2:] if word.startswith("-o") else word
        if given is word and (position == 0 or argv[position - 1] != "-o"):
            continue
        if given.startswith(TAG_OPTION):
            return given[len(TAG_OPTION) :].strip()
    return None


def identify(entry: TunnelEntry, state_file: str) -> tuple[str, ...] | None:
    """Return the command line of the process that `entry` registered; None: its pid is not it.

    One that was started for another state file (a demo, a second configuration) is not ours.
    """
    if not proc.runs_for(entry.pid, proc.trusted_users()):
        return None
    argv = command_line(entry.pid)
    if not argv or not is_ours(entry, entry.pid, argv):
        return None
    return None if is_of_another(entry.pid, state_file) else argv


def is_of_another(pid: int, state_file: str) -> bool:
    """Tell whether a process says that it was started for another state file."""
    given = variable(pid, STATE_VARIABLE)
    return bool(given) and os.path.abspath(given or "") != state_file


def foreign_owner(entry: TunnelEntry) -> str:
    """Name the user, neither we nor root, whose process looks like an entry's tunnel; "": none.

    It may be that user's own tunnel. It is not ours, whatever it looks like.
    """
    argv = command_line(entry.pid)
    if not program(argv) or tag_of(argv) != entry.hash:
        return ""
    return proc.foreign_owner(entry.pid)


def is_ours(entry: TunnelEntry, pid: int, argv: Sequence[str]) -> bool:
    """Tell whether a process of a trusted owner has the command line that `entry` registered.

    It is ssh or autossh, and it carries the entry's tag. Where it carries none, it is the login
    that we made for the entry's remote host, a master of the shell scripts, or an autossh of
    theirs: with the same forward and host, and the tunnel's log as its output. What a person has
    typed by hand is none of these.
    """
    if not program(argv):
        return False
    tag = tag_of(argv)
    if tag is not None:
        return tag == entry.hash
    if is_login(entry.remote_host, argv):
        return variable(pid, LOGIN_VARIABLE) == entry.remote_host
    if argv[0].startswith("ssh: "):
        return _is_script_master(entry, argv[0])
    return _same_tunnel(entry, argv) and _writes_log_of(entry, pid)


def _is_script_master(entry: TunnelEntry, title: str) -> bool:
    """Tell whether a master that ControlPersist has renamed is the one of a tunnel's own socket."""
    path = title.removeprefix("ssh: ").removesuffix(" [mux]")
    directory, name = os.path.split(path)
    return name == entry.hash and os.path.basename(directory) == SOCKET_DIR_NAME


def _writes_log_of(entry: TunnelEntry, pid: int) -> bool:
    """Tell whether a process writes to a log of this tunnel, as the shell scripts have it do."""
    for descriptor in (1, 2):
        try:
            path = os.readlink(f"/proc/{pid}/fd/{descriptor}").removesuffix(" (deleted)")
        except OSError:
            continue
        if os.path.basename(path) == f"tunnel-{entry.hash}.log":
            return True
    return False


def control_socket_of(argv: Sequence[str]) -> str:
    """Return the control socket that a master was given with `-S`; "" where there is none."""
    if program(argv) != "ssh":
        return ""
    return next((value for option, value in _options(tuple(argv))[0] if option == "S"), "")


def is_login(remote_host: str, argv: Sequence[str]) -> bool:
    """Tell whether a command line is the login that a remote host's tunnels share."""
    name = os.path.basename(control_socket_of(argv))
    return name.startswith(LOGIN_PREFIX) and name == LOGIN_PREFIX + login_id(remote_host)


def find_tagged(
    state_file: str | None = None,
    known: Container[int] = (),
    among: Iterable[int] | None = None,
    only: Container[str] | None = None,
) -> list[OurProcess]:
    """Find every live ssh and autossh that carries our tag, in one pass over /proc.

    Args:
        state_file: only those that were started for this state file: a demo or another person
            may run tunnels of the same hash. None: all.
        known: pids that need no look, because the caller has proven them already.
        among: look only at these pids; None: at all.
        only: hashes of the tunnels that matter; None: all. The others cost less then.
    """
    found = []
    stats = scan(PROGRAMS) if among is None and not known else _unknown(known, among)
    for stat in stats:
        key = (stat.pid, stat.start_ticks, stat.comm, state_file)
        if key in _strangers:
            continue
        argv = command_line(stat.pid)
        tag = tag_of(argv)
        if tag and only is not None and tag not in only:
            continue
        ours = tag and program(argv) and proc.runs_for(stat.pid, proc.trusted_users())
        if tag and ours and (state_file is None or belongs_to(stat.pid, state_file)):
            found.append(OurProcess(stat, tag, argv))
        elif argv and time.time() - start_time(stat) > _SETTLED:
            _remember_stranger(key)
    return found


def _remember_stranger(key: tuple[int, int, str, str | None]) -> None:
    """Ask a process no more that has no tag of ours; another program has another name."""
    if len(_strangers) >= _MOST_STRANGERS:
        _strangers.clear()
    _strangers.add(key)


def _unknown(known: Container[int], among: Iterable[int] | None) -> Iterator[ProcessStat]:
    for pid in pids() if among is None else among:
        stat = None if pid in known else read_stat(pid)
        if stat is not None and stat.comm in PROGRAMS and stat.alive:
            yield stat


def belongs_to(pid: int, state_file: str) -> bool:
    """Tell whether a process was started for a state file (proc(5), environ).

    False where its environment may not be read.
    """
    given = variable(pid, STATE_VARIABLE)
    return given is not None and os.path.abspath(given or DEFAULT_STATE_FILE) == state_file


def variable(pid: int, name: str) -> str | None:
    """Read a variable of another process (proc(5), environ); "": not set; None: not readable.

    What it says is its owner's word: see first who that is.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            data = b"\0" + file.read()
    except OSError:
        return None
    rest = data.partition(b"\0" + os.fsencode(name) + b"=")[2]
    return os.fsdecode(rest.partition(b"\0")[0])


def logs_forward_state(argv: Sequence[str]) -> bool:
    """True where the ssh was told to print the line that confirms the forward."""
    return "client_loop" in "\0".join(argv).partition("LogVerbose=")[2].partition("\0")[0]


def has_own_stream(argv: Sequence[str]) -> bool:
    """True where ssh logs to a file of its own, apart from banners and proxy programs."""
    return ("E", OWN_LOG) in _options(tuple(argv))[0]


def forwards_of(argv: Sequence[str]) -> list[tuple[str, str]]:
    """List the `-L` and `-R` of a command line as (option, argument)."""
    return [(option, value) for option, value in _options(tuple(argv))[0] if option in "LR"]


def _same_tunnel(entry: TunnelEntry, argv: Sequence[str]) -> bool:
    options, rest = _options(tuple(argv))
    if not rest or rest[0] != entry.remote_host:
        return False
    given = {(option, _normal(value)) for option, value in options if option in "LR"}
    return bool(given & _wanted(entry))


def _wanted(entry: TunnelEntry) -> set[tuple[str, str]]:
    wanted = set()
    for mode in DirectionMode:
        try:
            forward = entry.spec().forward(mode)
        except ValueError:
            continue
        wanted.add((forward.kind.value[1:], _normal(forward.argument)))
    # The scripts cut at the first colon, and one of their two ways of starting gave -R with
    # the ends of the remote side in front: the same text as ours for all that they can express.
    return wanted


def _normal(argument: str) -> str:
    return re.sub(r"\b(?:localhost|127\.0\.0\.1)\b", "localhost", argument)


@lru_cache(maxsize=1024)
def _options(argv: tuple[str, ...]) -> tuple[list[tuple[str, str]], list[str]]:
    """Split a command line into its options with arguments and the words that follow."""
    start = 1 if os.path.basename(argv[0]) in PROGRAMS else 2
    options: list[tuple[str, str]] = []
    words = iter(argv[start:])
    for word in words:
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            return options, [word, *words]
        for position, letter in enumerate(word[1:], 2):
            if letter in _CARRIES_OPTION or (letter == "M" and program(argv) == "autossh"):
                options.append((letter, word[position:] or next(words, "")))
                break
    return options, list(words)
