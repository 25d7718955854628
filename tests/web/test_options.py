"""What the server refuses to be, without a server."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.home import Home
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.web.keys import Keys, Link, LoginThrottle, SessionTokens
from tunnel_tui.web.options import Options, load_options

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.evil"])
def test_other_machines_can_connect(host: str) -> None:
    options = load_options({"API_KEY": " a , b,"}, host)
    assert options.keys == ("a", "b")
    assert not options.local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_only_this_machine_can_connect(host: str) -> None:
    for keys in ("", " ", ",", " , ,"):
        options = load_options({"API_KEY": keys}, host)
        assert options.keys == ()
        assert options.local


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("500ms", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert load_options({"WS_IDLE_TIMEOUT": text}).idle == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WS_IDLE_TIMEOUT", "soon"),
        ("WS_IDLE_TIMEOUT", "0"),
        ("WS_MAX_DURATION", "-5"),
        ("WS_MAX_DURATION", "5x3m"),
        ("WS_MAX_CONNECTIONS", "0"),
        ("WS_MAX_CONNECTIONS", "many"),
        ("WS_BASE_URL", "tunnels.example"),
        ("WS_BASE_URL", "ftp://tunnels.example"),
        ("WS_ALLOWED_ORIGINS", "https://a:port"),
        ("API_PORT", "http"),
        ("API_PORT", "70000"),
    ],
)
def test_what_is_not_understood_is_said(name: str, value: str) -> None:
    with pytest.raises(TunnelTuiError) as caught:
        load_options({name: value})
    assert "not understood" in caught.value.title
    assert caught.value.advice


def test_the_public_address_is_an_origin() -> None:
    options = load_options({"WS_BASE_URL": "wss://Tunnels.example:443/panel/"})
    assert options.base_url == "https://Tunnels.example:443/panel"
    assert options.origins == ("https://tunnels.example",)


def test_a_pass_is_ours_unchanged_and_young() -> None:
    now = [1000.0]
    passes = SessionTokens(lambda: now[0])
    text = passes.issue()
    assert passes.is_good(text)
    later = f"9{text}"
    for other in ("", ".", "..", later, text[:-1], text + "0", "ä.ö.ü", SessionTokens().issue()):
        assert not passes.is_good(other)
    other = passes.issue()
    passes.take_back(text)
    assert not passes.is_good(text)
    assert passes.is_good(other)
    now[0] += 13 * 3600
    assert not passes.is_good(other)


def test_passes_cost_no_memory() -> None:
    passes = SessionTokens()
    for _ in range(2000):
        text = passes.issue()
    assert passes.is_good(text)
    assert len(passes._ends) == 1000


def test_a_link_opens_once_and_soon() -> None:
    now = [1000.0]
    link = Link(lambda: now[0])
    assert link.fits(link.token)
    assert not link.fits("")
    assert not link.fits(link.token[:-1])
    now[0] += 601
    assert not link.fits(link.token)
    now[0] = 1000
    link.use_up()
    assert not link.fits(link.token)


def test_every_key_opens() -> None:
    keys = Keys(["one", "zwö"])
    assert keys.open_for("one")
    assert keys.open_for("zwö")
    assert not keys.open_for("")
    assert not keys.open_for("one,zwö")


def test_refusals_are_told_once_a_minute_and_cost_no_memory() -> None:
    told: list[tuple[str, int]] = []
    now = [0.0]
    refusals = LoginThrottle(lambda source, _why, more: told.append((source, more)), lambda: now[0])
    for _ in range(1000):
        refusals.count("a", "wrong key")
    refusals.count("b", "wrong key")
    assert told == [("a", 0), ("b", 0)]
    now[0] = 61.0
    refusals.count("a", "wrong key")
    assert told[2:] == [("a", 999)]
    for number in range(100_000):
        refusals.count(f"source {number}", "wrong key")
    assert len(told) < 1100
    assert len(refusals._records) <= 1001


def test_without_the_extra_serve_says_what_to_install(home: Home) -> None:
    hide = "import sys; sys.modules.update(aiohttp=None, textual_serve=None)\n"
    program = hide + "from tunnel_tui.cli.main import main; sys.exit(main(['serve']))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=home.variables, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "pip install 'tunnel-tui[web]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_of_the_extra_is_imported_by_app_and_commands(home: Home) -> None:
    program = (
        "import sys; from tunnel_tui.cli.main import main; main(['status']);"
        "import tunnel_tui.tui.shell.app, tunnel_tui.cli.serve;"
        "print([n for n in ('aiohttp', 'textual_serve', 'prometheus_client', 'jinja2')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=home.variables, capture_output=True, text=True
    )
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


def test_nothing_of_the_extra_is_installed_without_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = " ".join(project["dependencies"])
    assert not {"serve", "aiohttp", "prometheus"} & set(needed.replace("-", " ").split())
    assert Options().local
