"""Real servers for tests of the browser's side."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Lab
from tests.support.webserver import WebServer, servers_of

pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")


@pytest.fixture
def make_server(lab: Lab) -> Iterator[Callable[..., WebServer]]:
    """Serve what the test has configured: `make_server(*arguments, variables={…})`."""
    with servers_of(lab.home) as make:
        yield make
