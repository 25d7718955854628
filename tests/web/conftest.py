"""Real servers for tests of the browser's side."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Lab
from tests.support.webserver import WebServer

pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")


@pytest.fixture
def make_server(lab: Lab) -> Iterator[Callable[..., WebServer]]:
    """Serve what the test has configured: `make_server(*arguments, variables={…})`."""
    servers: list[WebServer] = []

    def make(*arguments: str, **options: object) -> WebServer:
        servers.append(WebServer(lab.home, *arguments, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
