"""Containers of the image that this repository makes, on the host's network.

`engine`          the container engine; the tests are skipped where there is none
`image`           the image, built once
`make_container`  starts containers and removes them
`figures`         what is printed at the end of the run: `figures["image size"] = "150 MB"`
"""

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.container.engine import LABEL, Container, Engine
from tests.container.site import GID, UID, Site
from tests.support.sshd import Keys, Sshd

TAG = "tunnel-tui:test"
FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.container)
            # The first one brings up the engine and builds the image.
            item.add_marker(pytest.mark.timeout(1000))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if figures := config.stash[FIGURES]:
        terminalreporter.section("container")
        for name, value in figures.items():
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, str]:
    return request.config.stash[FIGURES]


@pytest.fixture(scope="session")
def engine() -> Engine:
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed")
    found = Engine.find()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def image(engine: Engine, figures: dict[str, str]) -> str:
    find = ("image", "inspect", "-f", "{{.Id}}", TAG)
    before = engine.run(*find, check=False).stdout.strip()
    figures["image build"] = f"{engine.build(TAG):.1f} s"
    if before and before != engine.run(*find).stdout.strip():
        engine.run("image", "rm", before, check=False)
    size = int(engine.run("image", "inspect", "-f", "{{.Size}}", TAG).stdout)
    figures["image size"] = f"{size / 1e6:.0f} MB"
    return TAG


@pytest.fixture(scope="module")
def make_site(
    tmp_path_factory: pytest.TempPathFactory, keys: Keys, sshd: Sshd
) -> Callable[[], Site]:
    """Make a site whose ssh reaches the session's server as `server`."""

    def make() -> Site:
        site = Site(tmp_path_factory.mktemp("site"), keys.client)
        site.add_host("server", sshd.port)
        return site

    return make


@pytest.fixture
def site(make_site: Callable[[], Site]) -> Site:
    return make_site()


@pytest.fixture(scope="module")
def make_container(engine: Engine, image: str) -> Iterator[Callable[..., Container]]:
    """Make containers: `make_container(site, "--restart=always", command="run", TZ="UTC")`.

    They are removed after the module's tests.
    """
    made: list[Container] = []

    def make(site: Site | None, *options: str, command: str = "run", **variables: Any) -> Container:
        container = Container(engine, f"tunnel-tui-test-{secrets.token_hex(4)}")
        made.append(container)
        flags = [f"--name={container.name}", f"--label={LABEL}", "--network=host"]
        if command == "run":
            flags.append("--detach")
        if site:
            flags += ["-v", f"{site.ssh}:/home/myuser/.ssh:ro"]
            flags += ["-v", f"{site.config}:/etc/autossh/config:rw"]
        variables = {"PUID": UID, "PGID": GID} | variables
        for name, value in variables.items():
            if value is not None:
                flags += ["-e", f"{name}={value}"]
        engine.run(command, *flags, *options, image)
        return container

    yield make
    for container in made:
        container.remove()
