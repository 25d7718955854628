"""Attacks on `serve`: by other users of the machine, by pages, by who holds connections open."""

import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support import rawhttp
from tests.support.browser import CHROMIUM, BrowserTab, run_browser
from tests.support.network import free_port, passes
from tests.support.processes import with_environment
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tests.support.webserver import BEARER, KEY, WebServer, servers_of

pytestmark = pytest.mark.process
pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")

NO_KEY = {"API_KEY": ""}
PAGE = {"Accept": "text/html"}
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users are made by root")


@pytest.fixture
def make_server(lab: Lab) -> Iterator[Callable[..., WebServer]]:
    """Serve what the test has configured: `make_server(*arguments, variables={…})`."""
    lab.home.write_config(as_yaml())
    with servers_of(lab.home) as make:
        yield make


def pass_of(answer: rawhttp.Answer) -> dict[str, str]:
    """The cookie that an answer sets, as a request carries it."""
    return {"Cookie": answer.header("Set-Cookie").partition(";")[0]}


def log_in(server: WebServer) -> dict[str, str]:
    answer = rawhttp.ask(server.port, "/login", method="POST", body=f"key={KEY}")
    assert answer.status == 303
    return pass_of(answer)


# The key that is kept ------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_key_is_made_once_and_kept_where_nobody_reads_it(
    lab: Lab, make_server: Callable[..., WebServer], host: str
) -> None:
    old = os.umask(0)
    try:
        server = make_server("--host", host, variables=NO_KEY)
    finally:
        os.umask(old)
    path = Path(server.key_file)
    assert path == Path(lab.home.settings.data_dir) / "web-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    key = path.read_text().strip()
    assert len(key) >= 32
    assert server.stop() == 0
    again = make_server("--host", host, variables=NO_KEY)
    assert path.read_text().strip() == key
    for text in (server.text, again.text):
        assert key not in text
        assert "token" not in text  # a log may be read by others


def test_two_servers_that_start_at_once_have_one_key(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    program = (
        "from tunnel_tui.settings import load_settings; import os\n"
        "from tunnel_tui.web.keyfile import kept_key\n"
        "print(kept_key(load_settings(os.environ)))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    keys = {process.communicate(timeout=60)[0] for process in started}
    assert len(keys) == 1
    assert keys != {""}


def spoil(path: Path, how: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True)
    other = path.parent / "elsewhere"
    other.write_text("a" * 40 + "\n")
    other.chmod(0o600)
    if how == "symlink":
        path.symlink_to(other)
    elif how == "hard link":
        os.link(other, path)
    elif how == "pipe":
        os.mkfifo(path, 0o600)
    elif how == "directory":
        path.mkdir(0o700)
    elif how == "short":
        path.write_text("short\n")
        path.chmod(0o600)
    else:
        path.write_text("a" * 40 + "\n")
        path.chmod(0o644 if how == "readable" else 0o600)
        if how == "of another user":
            os.chown(path, NOBODY, NOBODY)
        if how == "in the directory of another user":
            os.chown(path.parent, NOBODY, NOBODY)


@pytest.mark.parametrize(
    "how",
    [
        "symlink",
        "hard link",
        "pipe",
        "directory",
        "short",
        "readable",
        pytest.param("of another user", marks=as_root),
        pytest.param("in the directory of another user", marks=as_root),
    ],
)
def test_a_key_that_others_may_have_put_there_is_refused(lab: Lab, how: str) -> None:
    path = Path(lab.home.settings.data_dir) / "web-key"
    spoil(path, how)
    began = time.monotonic()
    done = lab.home.cli("serve", "--port", "0", variables=NO_KEY, timeout=20)
    assert time.monotonic() - began < 10
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert str(path.parent) in done.stderr
    assert "a" * 40 not in done.stdout + done.stderr


# The link ------------------------------------------------------------------------------------

THIEF = (
    "import sys, urllib.request, urllib.error\n"
    "try:\n"
    "    print(urllib.request.urlopen(sys.stdin.readline().strip(), timeout=20).status)\n"
    "except urllib.error.HTTPError as error:\n"
    "    print(error.code, error.headers.get('Set-Cookie'))\n"
)


def steal(link: str, user: int) -> str:
    """Follow the link as another user of this machine."""
    done = subprocess.run(
        [shutil.which("python3", path="/usr/local/bin:/usr/bin") or "python3", "-c", THIEF],
        input=link,
        capture_output=True,
        text=True,
        user=user,
        group=user,
        extra_groups=[],
        cwd="/",
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def follow(server: WebServer, link: str) -> rawhttp.Answer:
    return rawhttp.ask(server.port, link.removeprefix(server.url), PAGE)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_the_link_opens_once_and_leaves_no_trace(
    make_server: Callable[..., WebServer], host: str
) -> None:
    server = make_server("--host", host, variables=NO_KEY, terminal=True)
    server.url = f"http://127.0.0.1:{server.port}"
    link = server.link
    token = link.partition("token=")[2]
    link = f"{server.url}/?token={token}"
    key = Path(server.key_file).read_text().strip()
    assert key not in server.text
    assert token != key
    opened = follow(server, link)
    assert opened.status == 303
    assert token not in opened.header("Location")
    assert opened.header("Referrer-Policy") == "no-referrer"
    assert token not in opened.header("Set-Cookie")
    mine = pass_of(opened)
    assert rawhttp.ask(server.port, headers=mine).status == 200
    again = follow(server, link)
    assert again.status == 401
    assert not again.header("Set-Cookie")
    # Who is in and goes back to it only leaves it again.
    assert rawhttp.ask(server.port, f"/?token={token}", mine).status == 303
    assert server.text.count(token) == 1


def test_a_wrong_link_opens_nothing(make_server: Callable[..., WebServer]) -> None:
    server = make_server(variables=NO_KEY, terminal=True)
    assert server.link
    for target in ("/?token=", "/?token=x", "/?token=%00", f"/?token={'a' * 4000}", "/?token"):
        answer = rawhttp.ask(server.port, target, PAGE)
        assert answer.status == 401, target
        assert not answer.header("Set-Cookie")
    assert follow(server, server.link).status == 303


@as_root
def test_another_user_who_sees_the_link_gets_nothing_and_takes_nothing(
    make_server: Callable[..., WebServer],
) -> None:
    """It stands in the command line of the program that opens it."""
    server = make_server(variables=NO_KEY, terminal=True)
    assert steal(server.link, NOBODY) == "401 None"
    assert follow(server, server.link).status == 303


def test_key_and_token_are_in_no_process(lab: Lab, make_server: Callable[..., WebServer]) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    server = make_server(variables=NO_KEY, terminal=True)
    secrets = [server.link.partition("token=")[2], Path(server.key_file).read_text().strip()]
    mine = pass_of(follow(server, server.link))
    secrets.append(mine["Cookie"].partition("=")[2])
    assert rawhttp.ask(server.port, f"/start/{spec.hash}", mine, method="POST").status == 200
    upgrade = mine | {
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    lines = [f"{name}: {value}" for name, value in upgrade.items()]
    with rawhttp.connect(server.port) as connection:
        head = [f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}", *lines, "Connection: Upgrade"]
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
        wait_until(lambda: server.children, 20, "the app")
        pids = with_environment("HOME", str(lab.home.path))
        assert len(pids) >= 3
        for pid in pids:
            for name in ("environ", "cmdline"):
                data = Path(f"/proc/{pid}/{name}").read_bytes()
                assert not [secret for secret in secrets if secret.encode() in data], (pid, name)
    for secret in secrets[1:]:
        assert secret not in server.text


def test_link_and_logout_in_a_real_browser(make_server: Callable[..., WebServer]) -> None:
    pytest.importorskip("playwright")
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    server = make_server(variables=NO_KEY, terminal=True)
    token = server.link.partition("token=")[2]
    with run_browser() as browser, browser.tab() as tab:
        tab.open(server.link, "")
        assert tab.page.url == server.url + "/"
        tab.page.reload()
        tab.page.wait_for_selector("body.-first-byte", timeout=30_000)
        seen = tab.page.evaluate("[document.referrer, document.cookie, location.href].join()")
        assert token not in seen
        assert "tunnel-tui" not in tab.page.evaluate("document.cookie")
        [cookie] = tab.page.context.cookies()
        assert cookie["name"] == f"tunnel-tui-{server.port}"
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        header = {"Cookie": f"{cookie['name']}={cookie['value']}"}
        assert rawhttp.ask(server.port, headers=header).status == 200
        tab.page.click("#out")
        tab.page.wait_for_selector("#key")
        assert tab.page.context.cookies() == []
        assert rawhttp.ask(server.port, headers=header).status == 401
        wait_until(lambda: not server.children, 20, "the app's end")
        tab.page.goto(server.link)
        tab.page.wait_for_selector("text=That link was used")
        assert all(url.count(token) == 0 for url in tab.requests if url != server.link)


# The door ------------------------------------------------------------------------------------

METHODS = [
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"),
    *("SEARCH", "REPORT"),
]
PATHS = [
    *("/", "/ws", "/ws/", "/login", "/login/", "/logout", "/list", "/status", "/config", "/logs"),
    *("/logs/{hash}", "/logs/{hash}?lines=1", "/start", "/stop", "/start/{hash}", "/stop/{hash}"),
    *(
        "/health",
        "/metrics",
        "/static",
        "/static/",
        "/static/js/textual.js",
        "/static/css/xterm.css",
    ),
    *("/static/../server.py", "/static/%2e%2e/server.py", "/static/js/", "//", "//list", "/./list"),
    *("/LIST", "/list/", "/list?x=1", "/list;x", "/%6cist", "/%2flist", "/list%00", "/list%0d%0a"),
    *("/favicon.ico", "/robots.txt", "/.git/config", "/nothing", "/?fontsize=20", "/?token", "/*"),
    *(
        "/config/{hash}",
        "/config/new",
        "/api/status",
        "/index.html",
        "/login?key={key}",
        "/?key={key}",
    ),
]


def test_without_a_key_every_pair_of_method_and_path_meets_the_door(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    spec = inward(lab.echo.port, free_port(), name="a-secret-name")
    lab.home.write_config(as_yaml(spec))
    server = make_server(variables={"API_KEY": KEY})
    bodies: dict[str, str] = {}
    for path in PATHS:
        target = path.format(hash=spec.hash, key=KEY)
        for method in METHODS:
            if method == "POST" and path.partition("?")[0] == "/login":
                continue
            answer = rawhttp.ask(server.port, target, method=method)
            assert answer.status == 401, (method, target, answer)
            assert not re.search(f"{spec.hash}|a-secret-name|aiohttp|Python/", str(answer))
            assert not answer.header("Set-Cookie")
            bodies.setdefault(answer.body, f"{method} {target}")
    assert len(METHODS) * len(PATHS) >= 539
    assert len(bodies) <= 3, list(bodies.values())  # plain, HEAD's, and of a wrong link
    assert not passes(spec.forward().listener.port)
    assert server.children == []
    assert len(server.text) < 3000
    page = rawhttp.ask(server.port, "/", PAGE)
    assert page.status == 401
    assert 'type="password"' in page.body


HOSTS = [
    *("[::1].evil.example", "[::1]evil", "127.0.0.1:80@evil", "evil@127.0.0.1", "user:p@localhost"),
    *("localhost.", "127.0.0.1.", "localhost.evil", "localhost.evil.example", "127.0.0.1.nip.io"),
    *("localhost evil", "127.0.0.1 ", "127.0.0.1, evil", "127.0.0.1/evil", "127.0.0.1#evil"),
    *("127.0.0.1%00", "local%68ost", "[::1%25lo]", "[::1%lo]", "127.0.0.1\\@evil", "127.0.0.1?x"),
    *("१२७.0.0.1", "127。0。0。1", "localhoſt", "\u212aocalhost", "127.0.0.1:８０", "[::1"),
    *("::1", "[[::1]]", "[127.0.0.1]", "[::1]:", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1"),
    *("127.0.0.1:65536", "127.0.0.1:080", "127.0.0.1:80:80", "127.1", "2130706433", "0x7f.0.0.1"),
    *("0177.0.0.1", "", ".", "..", "-", "evil.example", "evil.example:{port}", "http://127.0.0.1"),
    *("127.0.0.1:{port}@evil", "[::ffff:127.0.0.1]", "[::1]:{port}.evil", "a" * 5000),
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_not_ours_to_the_last_character_is_refused(host: str) -> None:
    from tunnel_tui.web.access import AuthMiddleware
    from tunnel_tui.web.names import parse_host
    from tunnel_tui.web.options import load_options

    door = AuthMiddleware(load_options({"API_KEY": KEY}), None)  # type: ignore[arg-type]
    found = parse_host(host.format(port=8080))
    assert found is None or not door._is_ours(found.host)


def test_hosts_and_origins_of_a_real_server(make_server: Callable[..., WebServer]) -> None:
    server = make_server()
    port = server.port
    bad = [host.format(port=port) for host in HOSTS if host.strip() == host]
    for host in bad:
        assert rawhttp.ask(port, headers=BEARER, host=host).status in (400, 403), host
    good = ["127.0.0.1", f"127.0.0.1:{port}", "localhost", f"LOCALHOST:{port}", f"[::1]:{port}"]
    for host in good:
        assert rawhttp.ask(port, headers=BEARER, host=host).status == 200, host
    two = {"Authorization": BEARER["Authorization"] + "\r\nHost: evil.example"}
    assert rawhttp.ask(port, headers=two).status in (400, 403)
    for target in (f"http://127.0.0.1:{port}/list", "http://evil.example/list", "evil.example:1"):
        assert rawhttp.ask(port, target, BEARER).status in (400, 403), target
    none = f"GET /list HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    assert rawhttp.send(port, none).status in (400, 403)


def test_origins(make_server: Callable[..., WebServer]) -> None:
    server = make_server()
    port = server.port
    own = f"http://127.0.0.1:{port}"
    bad = [
        *(
            "null",
            "",
            "http://127.0.0.1",
            f"http://127.0.0.1:{port + 1}",
            f"http://localhost:{port}",
        ),
        *(f"{own}.evil", f"{own}@evil", f"http://user@127.0.0.1:{port}", f"{own}/", f"{own}/x"),
        *(
            f"{own}?x",
            f"{own}#x",
            f"{own} http://evil",
            f"{own}, {own}",
            f"http://127.0.0.1.:{port}",
        ),
        *(f"file://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", f"http:127.0.0.1:{port}"),
        *(
            f"http://[::1]:{port}",
            f"http://[::1].evil:{port}",
            f"http://127.0.0.1:0{port}",
            "http://",
        ),
        *(
            f"chrome-extension://127.0.0.1:{port}",
            f"http:///127.0.0.1:{port}",
            f"//127.0.0.1:{port}",
        ),
    ]
    for origin in bad:
        answer = rawhttp.ask(port, "/stop", BEARER | {"Origin": origin}, method="POST")
        assert answer.status == 403, origin
        assert not answer.header("Access-Control-Allow-Origin")
    assert rawhttp.ask(port, headers=BEARER | {"Origin": f"{own}\r\nOrigin: {own}"}).status == 403
    assert rawhttp.ask(port, headers=BEARER | {"Origin": own}).status == 200
    same = rawhttp.ask(port, headers=BEARER | {"Origin": "http://localhost"}, host="localhost:80")
    assert same.status == 200


# Passes --------------------------------------------------------------------------------------


def test_a_pass_ends_with_logout_and_with_the_server(make_server: Callable[..., WebServer]) -> None:
    port = free_port()
    server = make_server(port=port)
    first, second = log_in(server), log_in(server)
    assert first != second
    assert first["Cookie"].startswith(f"tunnel-tui-{port}=")
    evil = first | {"Origin": "https://evil.example"}
    assert rawhttp.ask(port, "/logout", evil, method="POST").status == 403
    assert rawhttp.ask(port, "/logout", first).status == 405
    assert rawhttp.ask(port, headers=first).status == 200
    out = rawhttp.ask(port, "/logout", first, method="POST")
    assert out.status == 303
    assert "Max-Age=0" in out.header("Set-Cookie")
    assert rawhttp.ask(port, headers=first).status == 401
    assert rawhttp.ask(port, headers=second).status == 200
    server.stop()
    make_server(port=port)
    assert rawhttp.ask(port, headers=second).status == 401


def test_servers_of_one_host_have_passes_of_their_own(
    make_server: Callable[..., WebServer],
) -> None:
    one, two = make_server(), make_server()
    mine, theirs = log_in(one), log_in(two)
    assert mine["Cookie"].partition("=")[0] != theirs["Cookie"].partition("=")[0]
    both = {"Cookie": f"{mine['Cookie']}; {theirs['Cookie']}"}
    for server in (one, two):
        assert rawhttp.ask(server.port, headers=both).status == 200
    assert rawhttp.ask(one.port, headers=theirs).status == 401
    stolen = f"tunnel-tui-{one.port}={theirs['Cookie'].partition('=')[2]}"
    assert rawhttp.ask(one.port, headers={"Cookie": stolen}).status == 401


# Looking only --------------------------------------------------------------------------------


def test_read_only_answers_questions_and_does_nothing(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    server = make_server("--read-only")
    for path in ("/list", "/status", "/config", "/logs", "/metrics", "/"):
        assert rawhttp.ask(server.port, path, BEARER).status == 200, path
        assert rawhttp.ask(server.port, path).status == 401, path
    for method in ("POST", "PUT", "PATCH", "DELETE", "REPORT"):
        for path in ("/start", "/stop", f"/start/{spec.hash}", f"/stop/{spec.hash}", "/list"):
            answer = rawhttp.ask(server.port, path, BEARER, method=method)
            assert answer.status == 403, (method, path)
            assert "read-only" in answer.body
    assert not passes(spec.forward().listener.port)
    mine = log_in(server)
    assert rawhttp.ask(server.port, "/logout", mine, method="POST").status == 303


def go_to(tab: BrowserTab, name: str) -> None:
    """Put the cursor on a tunnel, whatever the order of the rows."""
    for step in range(40):
        if re.search(rf"▌.*{name}", tab.text):
            return
        for key in ("Escape", "g") if step % 8 == 0 else ("j",):
            tab.press(key)
            tab.page.wait_for_timeout(400)  # escape and a letter at once would be alt and it
    raise AssertionError(f"no way to {name}:\n{tab.text}")


def test_the_page_of_a_read_only_server_changes_nothing(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    pytest.importorskip("playwright")
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    running = inward(lab.echo.port, free_port(), name="aa-running")
    still = inward(lab.echo.port, free_port(), name="bb-still")
    person = inward(lab.echo.port, free_port(), name="cc-person", interactive=True)
    config = as_yaml(running, still, person)
    lab.home.write_config(config)
    assert lab.home.cli("start-tunnel", "aa-running").returncode == 0
    server = make_server("--read-only")
    with run_browser() as browser, browser.tab() as tab:
        tab.open(server.url, KEY)
        tab.shows("read-only")
        for name in ("aa-running", "bb-still", "cc-person"):
            go_to(tab, name)
            for key in "xrsSXRaAcpeEDniKOw":
                tab.press(key)
            for key in ("Delete", "Enter", "Escape", "Escape"):
                tab.press(key)
                tab.page.wait_for_timeout(200)
        tab.type(":")
        tab.page.wait_for_timeout(500)
        tab.type("Stop every")
        tab.page.wait_for_timeout(500)
        tab.press("Enter")
        tab.press("Escape")
        tab.page.wait_for_timeout(1000)
        tab.press("d")
        tab.shows("aa-running")
    assert passes(running.forward().listener.port)
    assert not passes(still.forward().listener.port)
    assert lab.home.config_file.read_text() == config
    assert not lab.home.processes("vi", "nano", "editor", "sensible-editor")
    wait_until(lambda: not server.children, 15, "the app's end")
    assert passes(running.forward().listener.port)


# Connections ---------------------------------------------------------------------------------

HALF_SENT = [
    b"",
    b"G",
    b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\nkey=",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nfff0\r\n",
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 7900) for number in range(60)),
    b"\r\n" * 1000 + b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 60,
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET /list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200,
]
KINDS = {"all kinds": HALF_SENT, "nothing sent": [b""], "huge heads": [HALF_SENT[6]]}


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 12_000:
        pytest.skip("too few descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def few_descriptors(count: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def seconds_to_answer(server: WebServer) -> float:
    began = time.monotonic()
    assert rawhttp.ask(server.port, headers=BEARER).status == 200
    return time.monotonic() - began


def hold(server: WebServer, count: int, kinds: list[bytes]) -> tuple[list[socket.socket], float]:
    """Open connections and send half of something on each; also the slowest right answer."""
    held, slowest = [], 0.0
    for number in range(count):
        connection = rawhttp.connect(server.port)
        connection.setblocking(False)
        try:
            connection.send(kinds[number % len(kinds)])
        except (BlockingIOError, ConnectionError):
            pass
        held.append(connection)
        if number % 250 == 0:
            slowest = max(slowest, seconds_to_answer(server))
    return held, slowest


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("descriptors", [1024, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_five_thousand_half_open_connections(
    make_server: Callable[..., WebServer], kind: str, descriptors: int
) -> None:
    server = make_server(prepare=few_descriptors(descriptors))
    seconds_to_answer(server)
    before = server.cpu_seconds
    held, slowest = hold(server, 5000, KINDS[kind])
    try:
        for _ in range(30):
            slowest = max(slowest, seconds_to_answer(server))
            time.sleep(0.1)
        assert slowest < 1.0
        assert server.memory < 60_000_000
        assert server.descriptors < descriptors
        assert server.cpu_seconds - before < 20
        assert len(server.text) < 20_000
        assert "Traceback" not in server.text
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: server.descriptors < 20, 15, "all let go")
    calm = server.cpu_seconds
    time.sleep(1)
    assert server.cpu_seconds - calm < 0.2


def test_one_address_with_many_connections_drives_out_only_its_own(
    make_server: Callable[..., WebServer],
) -> None:
    server = make_server()
    with rawhttp.connect(server.port) as patient:
        patient.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode())
        crowd = [rawhttp.connect(server.port, source="127.0.0.2") for _ in range(400)]
        seconds_to_answer(server)
        patient.sendall(b"Accept: text/html\r\nConnection: close\r\n\r\n")
        assert rawhttp.receive(patient).status == 401
    for connection in crowd:
        connection.close()


@pytest.mark.slow
def test_who_shows_no_key_is_gone_after_ten_seconds(make_server: Callable[..., WebServer]) -> None:
    server = make_server()
    began = time.monotonic()
    held = []
    for data in HALF_SENT:
        held.append(rawhttp.connect(server.port))
        held[-1].sendall(data)
    for connection, data in zip(held, HALF_SENT, strict=True):
        with connection:
            rawhttp.receive(connection)
        assert time.monotonic() - began < 13, data


def test_half_a_request_does_not_delay_the_end(make_server: Callable[..., WebServer]) -> None:
    server = make_server()
    with rawhttp.connect(server.port) as one, rawhttp.connect(server.port) as two:
        one.sendall(HALF_SENT[3])
        two.sendall(HALF_SENT[2])
        seconds_to_answer(server)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 4


@pytest.mark.slow
def test_a_drop_now_and_then_gains_no_time(make_server: Callable[..., WebServer]) -> None:
    server = make_server()
    began = time.monotonic()
    with rawhttp.connect(server.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        while time.monotonic() - began < 20:
            try:
                connection.sendall(b"X: 1\r\n")
            except ConnectionError:
                break
            time.sleep(0.3)
    assert time.monotonic() - began < 13


def test_bodies_without_end_and_bombs_cost_nothing(make_server: Callable[..., WebServer]) -> None:
    import gzip

    server = make_server()
    bomb = gzip.compress(b"key=" + b"a" * 50_000_000)
    head = (
        f"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(bomb)}\r\nConnection: close\r\n\r\n"
    )
    assert rawhttp.send(server.port, head.encode() + bomb).status in (401, 413)
    with rawhttp.connect(server.port) as connection:
        connection.sendall(
            b"POST /start HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        sent = 0
        try:
            while sent < 2000:
                connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
                sent += 1
        except OSError:
            pass
        assert sent < 200
    assert server.memory < 60_000_000
    assert seconds_to_answer(server) < 1


RUBBISH = [
    b"\x00\xff" * 500 + b"\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    (
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n"
        b"Content-Type: multipart/form-data; boundary=\r\n\r\n--\r\n"
    ),
    (
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 7\r\n"
        b"Content-Type: text/x; charset=nonsense\r\n\r\nkey=\xff\xfe\xfd"
    ),
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n" + b"a=b&" * 25,
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: " + b"\xff;=;" * 500 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xc3\xa9\xff\r\n\r\n",
    b"GET /?token=%ff%fe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: nonsense\r\n\r\n",
    b"GET " + b"/a" * 8000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def test_rubbish_is_refused_and_the_log_stays_short(make_server: Callable[..., WebServer]) -> None:
    server = make_server()
    for _ in range(20):
        for data in RUBBISH:
            with rawhttp.connect(server.port) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                answer = rawhttp.receive(connection)
            assert answer.status == 0 or 400 <= answer.status < 500, (data, answer)
            assert not re.search("aiohttp|Python/|Traceback", str(answer)), (data, answer)
    assert seconds_to_answer(server) < 1
    assert len(server.text) < 3000
    assert "level=error" not in server.text


@pytest.mark.alone
def test_a_stranger_who_guesses_does_not_lock_the_owner_out(
    make_server: Callable[..., WebServer],
) -> None:
    server = make_server()
    guess = (
        f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        "Content-Length: 9\r\n\r\nkey=wrong"
    ).encode()
    held = []
    for _ in range(300):
        held.append(rawhttp.connect(server.port))
        held[-1].sendall(guess)
    began = time.monotonic()
    assert log_in(server)
    assert time.monotonic() - began < 1
    assert seconds_to_answer(server) < 1
    for connection in held:
        connection.close()
    assert len(server.lines("refused")) == 1
    assert "key=wrong" not in server.text
