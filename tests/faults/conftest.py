"""`site`: a machine to do harm to. `fault`: the row of the table that the test fills in."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import need_program
from tests.support.faults import PROPERTY, Fault, Site
from tests.support.home import Home
from tests.support.network import EchoService
from tests.support.sshd import Sshd


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
    place.close()
    for directory in Path("/tmp").glob(f"{home.path.name}-[0-9]*"):
        shutil.rmtree(directory, ignore_errors=True)
