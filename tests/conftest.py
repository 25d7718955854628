"""Fixtures for everybody; the classes behind them are in `tests/support`.

`home`   an isolated environment (os.environ is set to it for the test)
`sshd`   a real server, shared by the session: do not stop it
`make_sshd(**options)`  a server of one's own, to kill, freeze and change
`echo`   a TCP service that sends back what it gets
`lab`    `home` + `sshd` as ssh host `server` + `echo`
`bastion`, `person`  a server that asks for a password and a code, and who may log in to it
`run_daemon(*arguments)`  a watcher in `lab`
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.daemon import Daemon
from tests.support.home import Home
from tests.support.network import DelayingProxy, EchoService
from tests.support.pam import PASSWORD, PamSshd, Person, pam_is_possible
from tests.support.sshd import SSHD, Keys, Sshd
from tests.support.waiting import wait_until as _wait_until

IN_CI = os.environ.get("CI") == "true"


class Lab(NamedTuple):
    """A machine with a server that it can reach as `server`, and a service behind it."""

    home: Home
    sshd: Sshd
    echo: EchoService


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Make a skip a failure where everything must be there (CI=true)."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI=true: {report.longrepr}"


def need_program(*names: str) -> None:
    """Skip the test where a system program is missing."""
    for name in names:
        if not shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            pytest.skip(f"{name} is not installed")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Home]:
    identity = request.getfixturevalue("keys").client if shutil.which("ssh-keygen") else None
    place = Home(identity)
    for variable in list(os.environ):
        if not variable.startswith(("PYTEST_", "COVERAGE")):
            monkeypatch.delenv(variable)
    for variable, value in place.variables.items():
        monkeypatch.setenv(variable, value)
    yield place
    place.close()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    need_program("ssh-keygen")
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Sshd]:
    need_program(SSHD, "ssh")
    server = Sshd(tmp_path_factory.mktemp("sshd"), keys).start()
    yield server
    server.stop()


@pytest.fixture
def make_sshd(tmp_path: Path, keys: Keys) -> Iterator[Callable[..., Sshd]]:
    need_program(SSHD, "ssh")
    servers: list[Sshd] = []

    def make(**options: Any) -> Sshd:
        server = Sshd(tmp_path / f"sshd{len(servers)}", keys, **options)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def echo() -> Iterator[EchoService]:
    with EchoService() as service:
        yield service


@pytest.fixture
def make_proxy() -> Iterator[Callable[..., DelayingProxy]]:
    """Make delaying proxies: `make_proxy(target_port, round_trip=0.1)`."""
    proxies: list[DelayingProxy] = []

    def make(*arguments: Any, **options: Any) -> DelayingProxy:
        proxies.append(DelayingProxy(*arguments, **options))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def lab(home: Home, sshd: Sshd, echo: EchoService) -> Lab:
    home.add_host("server", sshd.port)
    return Lab(home, sshd, echo)


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[PamSshd]:
    if not pam_is_possible():
        pytest.skip("needs root, PAM, google-authenticator and oathtool")
    need_program("tmux")
    server = PamSshd(tmp_path_factory.mktemp("bastion"), keys, MaxStartups="100")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def person(bastion: PamSshd) -> Iterator[Person]:
    someone = Person(f"ttp{os.getpid()}", with_code=True, password=PASSWORD)
    yield someone
    someone.remove()


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    return _wait_until


@pytest.fixture
def run_daemon(lab: Lab) -> Iterator[Callable[..., Daemon]]:
    daemons: list[Daemon] = []

    def run(*arguments: str, **options: object) -> Daemon:
        daemons.append(Daemon(lab.home, *arguments, **options))  # type: ignore[arg-type]
        return daemons[-1]

    yield run
    for daemon in daemons:
        daemon.close()
