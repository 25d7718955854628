"""`site`: a machine to do harm to. `fault`: the row of the table that the test fills in.

`far_site`: the same with the server at another machine, over a network that can be harmed.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import need_program
from tests.support.faults import PROPERTY, Fault, Site
from tests.support.home import Home
from tests.support.netns import SERVER, FarSite, Network, make_far_server
from tests.support.network import EchoService
from tests.support.sshd import Keys, Sshd


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Iterator[Fault]:
    row = Fault()
    yield row
    if row.name:
        request.node.user_properties.append((PROPERTY, row.row._asdict()))


@pytest.fixture
def site(
    home: Home, make_sshd: Callable[..., Sshd], echo: EchoService, fault: Fault
) -> Iterator[Site]:
    """A home, a server of its own as ssh host `server`, an echo service; nothing runs yet."""
    need_program("autossh", "tmux")
    server = make_sshd()
    home.add_host("server", server.port, StrictHostKeyChecking="accept-new")
    place = Site(home, server, echo, fault)
    yield place
    _clear(place)


@pytest.fixture
def network() -> Iterator[Network]:
    wire = Network()
    yield wire
    wire.close()


@pytest.fixture
def far_site(
    network: Network, home: Home, keys: Keys, tmp_path: Path, fault: Fault
) -> Iterator[FarSite]:
    """A home `here`, its server `there`, which gives up a silent client after 45 s; idle yet."""
    need_program("autossh", "tmux", "sshd")
    alive = {"ClientAliveInterval": "15", "ClientAliveCountMax": "3"}
    server = make_far_server(network, tmp_path / "sshd", keys, **alive)
    home.add_host("server", server.port, HostName=SERVER, StrictHostKeyChecking="accept-new")
    place = FarSite(home, network, server, fault)
    yield place
    _clear(place)
    server.stop()


def _clear(place: Site) -> None:
    place.close()
    home = place.home
    for directory in Path("/tmp").glob(f"{home.path.name}-[0-9]*"):
        shutil.rmtree(directory, ignore_errors=True)
