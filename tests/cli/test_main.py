"""Dispatch, exit codes, and the end of every error, in real processes."""

import os
import pty
import pwd
import shutil
import signal
import subprocess
import sys

import pytest

from tests.support.home import Home
from tunnel_tui import __version__
from tunnel_tui.cli.registry import COMMANDS

ONE = "tunnels:\n  - {name: web, remote_host: h, remote_port: 80, local_port: 8080}\n"


def in_terminal(home: Home, *arguments: str, term: str = "xterm-256color") -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        home.command(*arguments),
        env=home.variables | {"TERM": term},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    return process.wait(20), shown.decode()


def test_version_and_help(home: Home):
    for option in ("-v", "--version"):
        assert home.cli(option).stdout == f"tunnel-tui {__version__}\n"
    text = home.cli("--help").stdout
    for name, command in COMMANDS.items():
        assert (name in text) == bool(command.group), name
    for meaning in ("0     done", "1     failed", "2     wrong use", "3     some tunnels failed"):
        assert meaning in text
    assert home.cli("-h").stdout == home.cli("help").stdout == text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", [name for name, c in COMMANDS.items() if c.group])
def test_every_command_explains_itself(home: Home, name):
    for words in ((name, "--help"), ("help", name)):
        result = home.cli(*words)
        assert result.returncode == 0
        assert result.stdout.startswith(f"usage: tunnel-tui {name}")
        assert "Exit codes" in result.stdout


def test_unknown_command_and_option(home: Home):
    result = home.cli("sttaus")
    assert (result.returncode, result.stdout) == (2, "")
    assert "unknown command: sttaus" in result.stderr
    assert "status" in result.stderr
    assert home.cli("list", "--nope").returncode == 2
    assert home.cli("start-tunnel").returncode == 2


def test_the_app_needs_a_terminal(home: Home):
    result = home.cli()
    assert (result.returncode, result.stdout) == (2, "")
    assert "terminal" in result.stderr
    assert "tunnel-tui status" in result.stderr
    code, shown = in_terminal(home, term="dumb")
    assert code == 2
    assert "tunnel-tui status" in shown


def test_console_scripts_are_installed(home: Home):
    home.write_config(ONE)
    for name in ("tunnel-tui", "autossh-cli"):
        program = os.path.join(os.path.dirname(sys.executable), name)
        result = subprocess.run(
            [program, "list"], env=home.variables, capture_output=True, text=True, check=True
        )
        assert "web" in result.stdout


@pytest.mark.parametrize("debug", [False, True])
def test_a_traceback_is_shown_only_on_request(home: Home, debug):
    home.write_config(ONE)
    broken = (
        "import sys; import tunnel_tui.cli.listing as l\n"
        "def explode(context): raise ZeroDivisionError('a \\x1b[31m surprise')\n"
        "l.list_tunnels = explode\n"
        "from tunnel_tui.cli.main import main; sys.argv = ['x', 'list']; sys.exit(main())"
    )
    variables = home.variables | ({"TUNNEL_TUI_DEBUG": "1"} if debug else {})
    result = subprocess.run(
        [sys.executable, "-c", broken], env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "ZeroDivisionError: a \\x1b[31m surprise" in result.stderr
    assert ("Traceback" in result.stderr) == debug
    assert ("TUNNEL_TUI_DEBUG=1" in result.stderr) != debug


def test_a_bad_environment_is_explained(home: Home):
    result = home.cli("config", variables={"TUNNEL_DIRECTION_MODE": "sideways"})
    assert result.returncode == 1
    assert "default or ssh-standard" in result.stderr
    assert home.cli("--help", variables={"TUNNEL_DIRECTION_MODE": "sideways"}).returncode == 0


def test_a_closed_pipe_is_silent(home: Home):
    tunnels = "".join(
        f"  - {{name: t{n}, remote_host: h, remote_port: {n}, local_port: {n}}}\n"
        for n in range(1, 3000)
    )
    home.write_config("tunnels:\n" + tunnels)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        home.command("list"), env=home.variables, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    os.read(reader, 100)
    os.close(reader)
    _, errors = process.communicate(timeout=20)
    assert errors == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_full_disk_is_an_error(home: Home):
    home.write_config(ONE)
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            home.command("list"),
            env=home.variables,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert "No space left" in result.stderr
    assert "Traceback" not in result.stderr


def test_closed_streams_do_no_harm(home: Home):
    home.write_config(ONE)
    program = " ".join(f"'{word}'" for word in home.command("list"))
    for redirection in (">&-", "2>&-", "<&- >&- 2>&-"):
        result = subprocess.run(
            ["sh", "-c", f"{program} {redirection}"],
            env=home.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in result.stderr


def test_output_survives_a_narrow_encoding(home: Home):
    home.write_config(ONE.replace("web", "日本"))
    result = home.cli("list", variables={"PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0
    assert "\\u65e5\\u672c" in result.stdout


def test_colours_on_a_terminal(home: Home):
    home.write_config(ONE)
    code, shown = in_terminal(home, "list")
    assert code == 0
    assert "\x1b[1mConfigured Tunnels\x1b[0m" in shown
    assert "\x1b" not in in_terminal(home, "list", term="dumb")[1]
    home.variables["NO_COLOR"] = "1"
    assert "\x1b" not in in_terminal(home, "list")[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_owner_of_the_tunnels(home: Home):
    somebody = pwd.getpwnam("nobody")
    home.write_config(ONE)
    os.chmod(home.path, 0o755)
    probe = (
        "import importlib, os, sys; from tunnel_tui.cli import listing\n"
        "def show(context):\n"
        "    names = 'HOME', 'USER', 'LOGNAME'\n"
        "    context.output.lines([repr((os.getresuid(), os.getresgid(), os.getgroups()))])\n"
        "    context.output.lines([context.settings.data_dir, *map(os.environ.get, names)])\n"
        "    context.output.lines([repr([v for v in os.environ if v.startswith('XDG_')])])\n"
        "    return 0\n"
        "listing.config = show\n"
        "from tunnel_tui.cli.main import main; sys.argv = ['x', 'config']; sys.exit(main())"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe],
        env=home.variables | {"TUNNEL_TUI_USER": "nobody"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    uid, gid = somebody.pw_uid, somebody.pw_gid
    expected = repr(((uid,) * 3, (gid,) * 3, os.getgrouplist("nobody", gid)))
    home_dir = somebody.pw_dir
    assert result.stdout.splitlines() == [
        expected,
        f"{home_dir}/.local/state/tunnel-tui",
        home_dir,
        "nobody",
        "nobody",
        "[]",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_unknown_owner_is_refused(home: Home):
    result = home.cli("list", variables={"TUNNEL_TUI_USER": "no-such-user"})
    assert result.returncode == 1
    assert "no-such-user" in result.stderr
    assert result.stdout == ""


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_head_leaves_no_noise(home: Home):
    home.write_config(ONE)
    program = " ".join(f"'{word}'" for word in home.command("--help"))
    result = subprocess.run(
        ["bash", "-c", f"{program} | head -1"],
        env=home.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1
