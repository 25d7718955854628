"""Environment and options → paths and limits, decided once at start."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import DirectionMode, login_id

CONTAINER_CONFIG = "/etc/autossh/config/config.yaml"
DEFAULT_STATE_FILE = "/tmp/autossh_tunnels.state"
DEFAULT_LOG_DIR = "/tmp/autossh-logs"
MAX_STARTING = 8
"""Tunnels in STARTING at a time: 100 at once against a default sshd are refused in scores."""
STOP_GRACE = 5.0
"""Seconds between TERM and KILL."""
SOCKET_DIR_NAME = ".autossh-sockets"
"""Name of the directory of control sockets in a home, as the shell scripts have it."""
LOGIN_PREFIX = "login-"
"""Control sockets of logins begin with this; the shell scripts' are named by a tunnel's hash."""
MAX_SOCKET_PATH = 90
"""Bytes: ssh appends 17 of its own while it makes a control socket, and unix(7) allows 107."""
LOG_CAP = 10 * 1024 * 1024
"""Bytes after which a log is copied and truncated."""

STRICT_VARIABLE = "TUNNEL_TUI_STRICT"
_OFF = frozenset({"", "0", "false", "no", "off"})


class Settings(NamedTuple):
    """Where things are. All paths are absolute.

    Attributes:
        config_file: the tunnels.
        ssh_config_dir: its `config`, if it exists, is passed to ssh with `-F`.
        data_dir: history, accepted host keys, watcher lock; mode 0700.
        socket_dir: control sockets of interactive tunnels; mode 0700.
        gate_time: AUTOSSH_GATETIME as given, or None.
        settings_file: how a person wants the app to be; may not exist.
    """

    config_file: str
    ssh_config_dir: str
    state_file: str
    log_dir: str
    data_dir: str
    socket_dir: str
    direction_mode: DirectionMode = DirectionMode.DEFAULT
    gate_time: str | None = None
    settings_file: str = ""

    @property
    def ssh_config_file(self) -> str:
        """The ssh configuration inside `ssh_config_dir`, whether or not it exists."""
        return os.path.join(self.ssh_config_dir, "config")

    @property
    def known_hosts_file(self) -> str:
        """Host keys accepted by us; `~/.ssh` is read-only in the container."""
        return os.path.join(self.data_dir, "known_hosts")

    @property
    def history_file(self) -> str:
        """The journal of state changes."""
        return os.path.join(self.data_dir, "history.jsonl")

    @property
    def lock_dir(self) -> str:
        """Where our locks are: private, since anybody may hold a lock on a file they can open."""
        return os.path.join(self.data_dir, "locks")

    def log_file(self, tunnel_hash: str) -> str:
        """The log of one tunnel."""
        return os.path.join(self.log_dir, f"tunnel-{tunnel_hash}.log")

    @property
    def private_log_dir(self) -> str:
        """Where logs are that cannot be in the shared directory."""
        return os.path.join(self.data_dir, "logs")

    def private_log_file(self, tunnel_hash: str) -> str:
        """The log of a tunnel where another user has put something under its shared name."""
        return os.path.join(self.private_log_dir, f"tunnel-{tunnel_hash}.log")

    @property
    def run_dir(self) -> str:
        """Where the records of started tunnels are."""
        return os.path.join(self.data_dir, "runs")

    def run_record(self, tunnel_hash: str) -> str:
        """What we remember of a tunnel that we started (`state.run_record`)."""
        return os.path.join(self.run_dir, tunnel_hash)

    @property
    def stderr_dir(self) -> str:
        """Where that is kept which others said to ssh."""
        return os.path.join(self.data_dir, "stderr")

    def stderr_file(self, tunnel_hash: str) -> str:
        """What proxy programs, jump hosts and banners said to a tunnel's ssh; nothing of ssh's."""
        return os.path.join(self.stderr_dir, tunnel_hash)

    def login_socket(self, remote_host: str) -> str:
        """The control socket of the login that the tunnels of a remote host share."""
        return os.path.join(self.socket_dir, LOGIN_PREFIX + login_id(remote_host))

    def script_socket(self, tunnel_hash: str) -> str:
        """The control socket of a master that the shell scripts made: one for each tunnel."""
        return os.path.join(self.socket_dir, tunnel_hash)


def hash_of_log(name: str) -> str | None:
    """Return the hash in the file name of a tunnel's log; None: it is no such name."""
    if not (name.startswith("tunnel-") and name.endswith(".log")):
        return None
    return name[len("tunnel-") : -len(".log")]


def load_settings(
    environment: Mapping[str, str],
    config_file: str | None = None,
    ssh_config_dir: str | None = None,
    state_file: str | None = None,
) -> Settings:
    """Decide the paths: option before environment before default.

    Raises:
        TunnelTuiError: `TUNNEL_DIRECTION_MODE` is neither `default` nor `ssh-standard`.
    """
    home = environment.get("HOME") or os.path.expanduser("~")
    xdg_config = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    xdg_state = environment.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
    own_config = os.path.join(xdg_config, "tunnel-tui", "config.yaml")
    default_config = CONTAINER_CONFIG if os.path.exists(CONTAINER_CONFIG) else own_config

    def chosen(option: str | None, variable: str, default: str) -> str:
        value = option or environment.get(variable) or default
        return os.path.abspath(os.path.expanduser(value))

    return Settings(
        config_file=chosen(config_file, "AUTOSSH_CONFIG_FILE", default_config),
        ssh_config_dir=chosen(ssh_config_dir, "SSH_CONFIG_DIR", os.path.join(home, ".ssh")),
        state_file=chosen(state_file, "AUTOSSH_STATE_FILE", DEFAULT_STATE_FILE),
        log_dir=chosen(None, "AUTOSSH_LOG_DIR", DEFAULT_LOG_DIR),
        data_dir=os.path.join(xdg_state, "tunnel-tui"),
        socket_dir=_socket_dir(home),
        direction_mode=_direction_mode(environment.get("TUNNEL_DIRECTION_MODE", "")),
        gate_time=environment.get("AUTOSSH_GATETIME") or None,
        settings_file=os.path.join(xdg_config, "tunnel-tui", "settings.yaml"),
    )


def is_strict() -> bool:
    """Tell whether whoever writes the configuration must not be able to run programs by it."""
    return os.environ.get(STRICT_VARIABLE, "").strip().lower() not in _OFF


def _socket_dir(home: str) -> str:
    """Choose a directory in which the path of a control socket is short enough."""
    usual = os.path.join(home, SOCKET_DIR_NAME)
    if len(os.fsencode(usual)) + 1 + 32 <= MAX_SOCKET_PATH:
        return usual
    return f"/tmp/.autossh-sockets-{os.getuid()}"


def _direction_mode(text: str) -> DirectionMode:
    try:
        return DirectionMode(text or "default")
    except ValueError:
        raise TunnelTuiError(
            "TUNNEL_DIRECTION_MODE is not understood",
            f"found {text!r}",
            "use default or ssh-standard",
        ) from None
