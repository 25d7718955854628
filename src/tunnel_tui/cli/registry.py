"""The table of commands: where each lives, what it takes, how it is explained.

Dispatch, help and completion all read this table, so a new command is one row here and one
function `(Context) -> int` in a module that is imported only when the command is given.
"""

from typing import NamedTuple


class Option(NamedTuple):
    """One option. An empty `metavar` makes it a flag."""

    long: str
    help: str
    short: str = ""
    metavar: str = ""


class Command(NamedTuple):
    """One row of the table.

    Attributes:
        module: below `tunnel_tui.cli`.
        function: takes a Context, returns an exit code.
        group: a key of GROUPS; empty hides the command from help and completion.
        operands: `<x>` is required, `[x]` may be left out, a trailing `...` repeats.
        resident: lives in this process for long: garbage is collected, and the interpreter
            is taken apart in order at the end.
    """

    module: str
    function: str
    group: str
    help: str
    operands: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    details: str = ""
    resident: bool = False

    @property
    def names_tunnels(self) -> bool:
        """True where an operand is a tunnel, so that completion offers their names."""
        return any("tunnel" in operand for operand in self.operands)


GROUPS = {
    "all": "All tunnels",
    "one": "One tunnel",
    "config": "ConfigFile",
    "more": "More",
}

GLOBAL_OPTIONS = (
    Option("--config", "configuration file", "-c", "FILE"),
    Option("--ssh-config", "directory of the ssh configuration", "-s", "DIR"),
    Option("--state-file", "state file", "-f", "FILE"),
    Option("--strict", "refuse ssh_options that could run programs or write files"),
    Option("--help", "show this help", "-h"),
    Option("--version", "show the version", "-v"),
)

JSON = Option("--json", "print JSON for programs")
FULL = Option("--full", "stop every tunnel first instead of keeping those that did not change")
ALL = Option("--all", "every interactive tunnel that is not up, one host after the other")
YES = Option("--yes", "bring up the other tunnels of the host without asking", "-y")
NO_WAIT = Option("--no-wait", "return as soon as the process is there")
LONG = Option("--long", "add reasons, advice and processes, as on a terminal", "-l")
QUIET = Option("--quiet", "say nothing but errors", "-q")
FOLLOW = Option("--follow", "go on as lines arrive (here -f is not the state file)", "-f")
LINES = Option("--lines", "how many lines from the end (default 50)", "-n", "N")
TIMEOUT = Option("--timeout", "seconds until giving up (default 60)", "-t", "SECONDS")
HEADLESS = Option("--headless", "no app: print the environment that reaches the demo's tunnels")
FRESH = Option("--fresh", "stop what runs and clear state file and logs first (container: default)")
ADOPT = Option("--adopt", "keep what runs (default outside a container)")
KEEP = Option("--keep", "leave the tunnels running at the end")
HOST = Option("--host", "address to listen at (default 127.0.0.1)", "", "ADDRESS")
PORT = Option("--port", "port to listen at (default 8080)", "-p", "PORT")
READ_ONLY = Option("--read-only", "show everything, change nothing")
FOR = Option("--for", "running (default), starting, stopped, dead or interactive", "", "STATE")

_SMART = (
    "Without --full, tunnels that left the file are stopped, new ones are started, and those\n"
    "that did not change stay connected. Interactive tunnels wait for a person."
)
_NAMING = "A tunnel is its name, its hash, or the first 8 or more characters of the hash."
_START_ONE = (
    f"{_NAMING}\n"
    "Waits up to 12 seconds for the tunnel to carry traffic and says why if it does not."
)

COMMANDS: dict[str, Command] = {
    "start": Command(
        "bulk", "start", "all", "start what the file asks for", (), (FULL, JSON, QUIET), _SMART
    ),
    "stop": Command("bulk", "stop", "all", "stop every tunnel", (), (JSON, QUIET)),
    "restart": Command(
        "bulk", "restart", "all", "the same as start", (), (FULL, JSON, QUIET), _SMART
    ),
    "status": Command(
        "status",
        "status",
        "all",
        "what is true of every tunnel now",
        (),
        (LONG, JSON),
        "RUNNING means that traffic passes. STARTING and DEAD have a reason (--long).",
    ),
    "list": Command("listing", "list_tunnels", "all", "the configured tunnels", (), (JSON,)),
    "stats": Command("status", "stats", "all", "how many tunnels are in which state", (), (JSON,)),
    "logs": Command(
        "logs",
        "logs",
        "all",
        "the log of one tunnel, or the newest lines of all",
        ("[tunnel]",),
        (FOLLOW, LINES, JSON),
        _NAMING,
    ),
    "cleanup": Command(
        "repair",
        "cleanup",
        "all",
        "remove what dead processes left behind, end orphans, adopt lost tunnels",
        (),
        (JSON, QUIET),
    ),
    "wait": Command(
        "waiting",
        "wait",
        "all",
        "wait until tunnels are in a state",
        ("[tunnel ...]",),
        (FOR, TIMEOUT, JSON, QUIET),
        "Without names: every configured tunnel that needs no login.\n"
        "Exit code 1 if none got there in time, 3 if only some did.",
    ),
    "health": Command(
        "waiting",
        "health",
        "all",
        "one line; exit code 0 if every tunnel that should run does, else 1",
        (),
        (JSON,),
    ),
    "start-tunnel": Command(
        "single",
        "start",
        "one",
        "start tunnels by name or hash",
        ("<tunnel ...>",),
        (NO_WAIT, JSON, QUIET),
        _START_ONE,
    ),
    "stop-tunnel": Command(
        "single",
        "stop",
        "one",
        "stop tunnels by name or hash",
        ("<tunnel ...>",),
        (JSON, QUIET),
        _NAMING,
    ),
    "restart-tunnel": Command(
        "single",
        "restart",
        "one",
        "stop and start tunnels by name or hash",
        ("<tunnel ...>",),
        (NO_WAIT, JSON, QUIET),
        _START_ONE,
    ),
    "show-tunnel": Command(
        "show", "show_tunnel", "one", "everything about one tunnel", ("<tunnel>",), (JSON,), _NAMING
    ),
    "auth": Command(
        "auth",
        "auth",
        "one",
        "log in for interactive tunnels: password, code, host key",
        ("[tunnel ...]",),
        (ALL, YES, JSON, QUIET),
        f"{_NAMING}\n"
        "One login carries all interactive tunnels of a remote host. Exit code 0 only when the\n"
        "tunnel carries traffic.",
    ),
    "config": Command("listing", "config", "config", "the paths in use", (), (JSON,)),
    "validate": Command(
        "repair", "validate", "config", "check the file, every mistake at once", (), (JSON,)
    ),
    "parse": Command(
        "listing",
        "parse",
        "config",
        "the file as tab-separated fields",
        (),
        (JSON,),
        "Fields: remote_host remote_port local_port direction name hash interactive.",
    ),
    "hash": Command(
        "listing",
        "hash_tunnel",
        "config",
        "the hash of a tunnel",
        ("<name>", "<host>", "<port>", "<local>", "<dir>", "[interactive]"),
        (JSON,),
    ),
    "daemon": Command(
        "daemon",
        "daemon",
        "all",
        "start what the file asks for, watch the file, revive what fails; until stopped",
        (),
        (FRESH, ADOPT, KEEP),
        "One at a time, in the foreground; one line for each event on stdout. TERM and INT stop\n"
        "every tunnel (--keep: none), HUP reads the file again and starts all that should run.\n"
        "Only what changed in the file is touched; a file with mistakes changes nothing.\n"
        "A server that is away is tried every 6 seconds or less, by one of its tunnels for all;\n"
        "other failures after 1 to 60 seconds. A refused key (after 3 attempts at most), a\n"
        "changed host key, a forbidden forward or a bad option waits for a person.\n"
        "With API_ENABLE=true and an API_KEY it keeps `serve --host 0.0.0.0` running beside it.",
        resident=True,
    ),
    "serve": Command(
        "serve",
        "serve",
        "more",
        "the app in a browser, and JSON for scripts",
        (),
        (HOST, PORT, READ_ONLY),
        "API_KEY holds the key, or several with commas. Without it a key is made at the first\n"
        "start and kept; on a terminal each start prints a link that opens the page once.\n"
        "Needs the extra [web]: pip install 'tunnel-tui[web]'.",
        resident=True,
    ),
    "demo": Command(
        "launch",
        "demo",
        "more",
        "open the app on servers of its own",
        (),
        (HEADLESS,),
        resident=True,
    ),
    "completion": Command(
        "completion",
        "completion",
        "more",
        "print the completion script of a shell",
        ("<bash|zsh|fish>",),
        (),
        'bash: eval "$(tunnel-tui completion bash)"\n'
        'zsh:  eval "$(tunnel-tui completion zsh)"\n'
        "fish: tunnel-tui completion fish | source",
    ),
    "help": Command("help", "help_command", "more", "explain a command", ("[command]",)),
    "complete-tunnels": Command("completion", "tunnels", "", "tunnel names for completion"),
    "web-app": Command(
        "serve", "web_app", "", "the app of one browser session", (), (READ_ONLY,), resident=True
    ),
}

APP = Command("launch", "app", "", "open the app", resident=True)
"""What runs when no command is given."""
