"""Does this ssh know the option that prints when a forward stands? Asked once per ssh binary."""

import os

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.settings import Settings
from tunnel_tui.system import files

LOG_VERBOSE = ",".join(
    f"*:{function}():*"
    for function in (
        "ssh_confirm_remote_forward",
        "client_loop",
        "server_alive_check",
        "sshpkt_vfatal",
        "channel_setup_fwd_listener_tcpip",
        "unix_listener",
        "channel_input_open_failure",
        "ssh_packet_read_poll_seqnr",
    )
)
"""ssh_config(5) LogVerbose, since OpenSSH 8.5: what confirms a forward, why it is refused and what
ends it, each with the pid of that ssh in front. With the last one a server can write what it likes
(SSH_MSG_DEBUG, RFC 4253, 11.3), and sshd says there why it forbids a forward: so a line counts only
with the right pid (`observe.own_words`).
"""
_TIMEOUT = 5.0
_known: dict[str, bool] = {}


def knows_log_verbose(settings: Settings, ssh: str) -> bool:
    """Say whether `ssh` accepts `LogVerbose`; the answer is kept in the data directory."""
    stamp = _stamp(ssh)
    if stamp not in _known:
        answer = _stored(settings, stamp)
        if answer is None:
            answer = _ask(ssh)
            _store(settings, stamp, answer)
        _known[stamp] = answer
    return _known[stamp]


def _stamp(ssh: str) -> str:
    try:
        status = os.stat(ssh)
    except OSError:
        return ssh
    return f"{ssh}\t{status.st_mtime_ns}\t{status.st_size}"


def _file(settings: Settings) -> str:
    return os.path.join(settings.data_dir, "ssh-probe")


def _stored(settings: Settings, stamp: str) -> bool | None:
    try:
        with open(_file(settings), encoding="utf-8", errors="replace") as file:
            text = file.read(4096)
    except OSError:
        return None
    known, _, answer = text.rstrip("\n").rpartition("\t")
    return answer == "yes" if known == stamp else None


def _store(settings: Settings, stamp: str, answer: bool) -> None:
    text = f"{stamp}\t{'yes' if answer else 'no'}\n"
    try:
        os.makedirs(os.path.dirname(settings.data_dir), exist_ok=True)
        files.make_directory(settings.data_dir, 0o700)
        files.write_atomic(_file(settings), text.encode("utf-8", "surrogateescape"), 0o600)
    except (OSError, TunnelTuiError):
        return  # Not being able to remember costs one `ssh -G` the next time.


def _ask(ssh: str) -> bool:
    import subprocess

    option = f"LogVerbose={LOG_VERBOSE}"
    try:
        answer = subprocess.run(
            [ssh, "-G", "-F", "/dev/null", "-o", option, "localhost"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
