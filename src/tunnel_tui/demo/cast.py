"""Who plays in the demo: the hosts with their behaviour, and the tunnels that go through them."""

from enum import Enum
from typing import NamedTuple

from tunnel_tui.model import Direction


class Behaviour(Enum):
    """What a demo host does to those who connect."""

    STEADY = "takes the key and forwards"
    FLAKY = "drops every connection after a while"
    REFUSING = "takes the key, forwards nothing"
    CHANGED_KEY = "shows another host key than last time"
    BASTION = "asks for a password and a code"
    NOWHERE = "has a name that does not resolve"


class DemoHost(NamedTuple):
    """One host of the demo's ssh configuration."""

    alias: str
    behaviour: Behaviour


class DemoTunnel(NamedTuple):
    """One tunnel of the demo's configuration.

    Attributes:
        host: alias of the host it goes through.
        listener_port: preferred; the next free one is taken if it is not.
        target: `host:port` as the far side (or, of `local_to_remote`, this side) names it; empty
            where a free local port must be chosen.
        visits: bytes a second that the demo's visitor fetches through it.
        starts: False for a tunnel that stays stopped until somebody starts it.
    """

    name: str
    host: str
    direction: Direction
    listener_port: int
    target: str
    group: str
    description: str
    visits: int = 0
    starts: bool = True
    interactive: bool = False


INWARD, OUTWARD = Direction.REMOTE_TO_LOCAL, Direction.LOCAL_TO_REMOTE

HOSTS = (
    DemoHost("edge-3", Behaviour.STEADY),
    DemoHost("cloud.usa2", Behaviour.STEADY),
    DemoHost("uplink.lte", Behaviour.FLAKY),
    DemoHost("locked.corp", Behaviour.REFUSING),
    DemoHost("db-gw.lab", Behaviour.CHANGED_KEY),
    DemoHost("bastion.lab", Behaviour.BASTION),
    DemoHost("office", Behaviour.NOWHERE),
)

TUNNELS = (
    DemoTunnel(
        "grafana", "edge-3", INWARD, 13000, "localhost:3000", "edge", "dashboards", visits=14_000
    ),
    DemoTunnel(
        "metrics", "edge-3", INWARD, 19090, "prometheus:9090", "edge", "Prometheus", visits=3_000
    ),
    DemoTunnel(
        "wiki", "edge-3", INWARD, 18090, "wiki:8090", "edge", "stopped; press s", starts=False
    ),
    DemoTunnel(
        "done-hub",
        "cloud.usa2",
        INWARD,
        23001,
        "127.0.0.1:33000",
        "cloud",
        "an API gateway",
        visits=90_000,
    ),
    DemoTunnel(
        "share-blog",
        "cloud.usa2",
        OUTWARD,
        18080,
        "",
        "cloud",
        "a local page, shown to the cloud host",
        visits=40_000,
    ),
    DemoTunnel(
        "git-mirror",
        "uplink.lte",
        INWARD,
        12200,
        "git:3000",
        "lab",
        "its host drops the connection every 40 s",
        visits=1_000,
    ),
    DemoTunnel(
        "webhooks", "locked.corp", OUTWARD, 18443, "", "corp", "its host refuses forwarding"
    ),
    DemoTunnel(
        "db-replica", "db-gw.lab", INWARD, 15433, "db-2:5432", "lab", "its host key has changed"
    ),
    DemoTunnel(
        "printer", "office", INWARD, 16310, "printer:631", "office", "its host does not resolve"
    ),
    DemoTunnel(
        "hpc-login",
        "bastion.lab",
        INWARD,
        12222,
        "login-1:22",
        "hpc",
        "needs a password and a code",
        interactive=True,
    ),
    DemoTunnel(
        "hpc-jupyter",
        "bastion.lab",
        INWARD,
        18888,
        "node-17:8888",
        "hpc",
        "needs a password and a code",
        interactive=True,
    ),
    DemoTunnel(
        "hpc-files",
        "bastion.lab",
        INWARD,
        14450,
        "files:445",
        "hpc",
        "needs a password and a code",
        interactive=True,
    ),
)
