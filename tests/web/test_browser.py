"""The app in a real browser: Debian's Chromium, headless, driven by Playwright."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support.browser import CHROMIUM, Browser, BrowserTab, run_browser
from tests.support.logins import Site
from tests.support.network import free_port, passes
from tests.support.pam import PASSWORD, PamSshd, Person
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tests.support.webserver import KEY, WebServer
from tunnel_tui.model import State

pytestmark = pytest.mark.process
pytest.importorskip("playwright")

PICTURES = os.environ.get("TUNNEL_TUI_PICTURES")
"""Before `home` empties the environment."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with run_browser() as running:
        yield running


@pytest.fixture
def tab(browser: Browser) -> Iterator[BrowserTab]:
    with browser.tab() as opened:
        yield opened


def picture(tab: BrowserTab, directory: Path, name: str) -> None:
    """Take a screenshot; the directory PICTURES keeps it."""
    place = Path(PICTURES or directory)
    tab.page.wait_for_timeout(300)
    tab.page.screenshot(path=place / f"{name}.png")
    assert (place / f"{name}.png").stat().st_size > 10_000


def test_the_table_is_shown_and_keys_start_and_stop(
    lab: Lab, make_server: Callable[..., WebServer], tab: BrowserTab, tmp_path: Path
) -> None:
    spec = inward(lab.echo.port, free_port(), name="grafana")
    other = inward(lab.echo.port, free_port(), name="share-blog")
    lab.home.write_config(as_yaml(spec, other))
    server = make_server()
    tab.open(server.url, KEY)
    tab.shows(r"▌ . STOPPED\s+grafana")
    tab.shows(r"STOPPED\s+share-blog")
    tab.press("s")
    tab.shows(r"▌ . RUNNING\s+grafana")
    assert passes(spec.forward().listener.port)
    tab.shows(r"\d ms|\d µs|\d\.\d")
    picture(tab, tmp_path, "browser")
    tab.press("x")
    tab.shows(r"▌ . STOPPED\s+grafana")
    assert not passes(spec.forward().listener.port)
    assert {url.partition("?")[0] for url in tab.requests if not url.startswith("data:")} <= {
        server.url + path
        for path in (
            "/",
            "/login",
            "/static/css/xterm.css",
            "/static/js/textual.js",
            "/static/fonts/RobotoMono-VariableFont_wght.ttf",
            "/static/fonts/RobotoMono-Italic-VariableFont_wght.ttf",
        )
    }
    assert tab.errors == []
    tab.press("q")
    tab.page.wait_for_selector("body.-closed", timeout=20_000)
    assert tab.page.get_by_text("Every tunnel stays as it is").is_visible()
    wait_until(lambda: not server.children, 10, "the app's end")


def test_a_wrong_key_opens_nothing(
    lab: Lab, make_server: Callable[..., WebServer], tab: BrowserTab
) -> None:
    lab.home.write_config(as_yaml())
    server = make_server()
    tab.page.goto(server.url)
    tab.page.fill("#key", "wrong")
    tab.page.press("#key", "Enter")
    tab.page.wait_for_selector("text=That is not the key.")
    assert tab.page.query_selector("#terminal") is None
    assert server.children == []


def test_password_and_code_in_the_browser(
    lab: Lab,
    bastion: PamSshd,
    person: Person,
    make_server: Callable[..., WebServer],
    tab: BrowserTab,
    tmp_path: Path,
) -> None:
    site = Site(lab, bastion, person)
    first = site.specs[0]
    server = make_server()
    tab.open(server.url, KEY)
    tab.shows(r"▌ . INTERACTIVE\s+behind-0")
    tab.press("a")
    tab.shows("Password:")
    picture(tab, tmp_path, "browser-login")
    site.answer(tab)  # type: ignore[arg-type]  # types and shows as a terminal does
    tab.shows("bring them up")
    tab.press("n")
    tab.shows(r"RUNNING\s+behind-0")
    assert site.state(first) is State.RUNNING
    assert site.answers(first)
    picture(tab, tmp_path, "browser-running")
    for secret in (PASSWORD, *site.codes):
        assert secret.encode() not in tab.everything
        assert site.places_of(secret) == []
    tab.page.close()
    wait_until(lambda: len(server.lines("session-ended")) == 1, 15, "the session's end")
    assert site.answers(first)


def test_closing_the_tab_cancels_a_login_under_way(
    lab: Lab,
    bastion: PamSshd,
    person: Person,
    make_server: Callable[..., WebServer],
    tab: BrowserTab,
) -> None:
    site = Site(lab, bastion, person)
    server = make_server()
    tab.open(server.url, KEY)
    tab.shows(r"▌ . INTERACTIVE\s+behind-0")
    tab.press("a")
    tab.shows("Password:")
    assert site.ssh_processes()
    tab.page.close()
    site.no_ssh()
    wait_until(lambda: not server.children, 15, "nothing left")
    assert site.state(site.specs[0]) is State.INTERACTIVE
