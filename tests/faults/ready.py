"""What the tests of networks and servers share: tunnels that stand, and what a server saw."""

from tests.support.faults import Site
from tests.support.sshd import Sshd
from tests.support.tunnels import as_yaml
from tunnel_tui.model import TunnelSpec

NETWORK = "Network and servers"
DOWN = "DEAD|STARTING"
_ATTENTIVE = "  ssh_options: [ServerAliveInterval=3]\n"


def ready(site: Site, count: int = 3, *, attentive: bool = False) -> list[TunnelSpec]:
    """Let tunnels run under the eyes of the watcher and of the app.

    Where they are `attentive`, ssh gives up after 12 s of silence instead of 56.
    """
    specs = site.tunnels(count)
    if attentive:
        listed = "".join(as_yaml(spec).removeprefix("tunnels:\n") + _ATTENTIVE for spec in specs)
        site.home.write_config("tunnels:\n" + listed)
    site.watch()
    site.open_app()
    site.start_all()
    return specs


def ssh_pids(site: Site) -> dict[str, int]:
    """The ssh of every tunnel, by name."""
    return {spec.name: site.ssh_pid(spec) for spec in site.specs}


def connections(server: Sshd) -> int:
    """How many connections a server has accepted so far."""
    return server.log.read_text(errors="replace").count("Connection from ")


def most_at_once(server: Sshd, since: int = 0) -> int:
    """How many connections, at most, were on their way in at one moment, after byte `since`."""
    now = most = 0
    for line in server.log.read_text(errors="replace")[since:].splitlines():
        now += line.startswith("Connection from ")
        now -= line.startswith("Accepted ") or line.endswith("[preauth]")
        most = max(most, now)
    return most
