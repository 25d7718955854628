"""Who is let in: page, WebSocket and JSON of a real server, asked by a real client."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Lab
from tests.support.network import free_port
from tests.support.tunnels import as_yaml, inward
from tests.support.webserver import BEARER, KEY, SECOND_KEY, WebServer

pytestmark = pytest.mark.process

WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
PLACES = [
    ("GET", "/"),
    ("GET", "/ws"),
    ("GET", "/static/js/textual.js"),
    ("GET", "/list"),
    ("GET", "/status"),
    ("GET", "/logs"),
    ("GET", "/config"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/nothing"),
    ("POST", "/start"),
    ("POST", "/stop"),
    ("DELETE", "/list"),
]
STRANGERS = [
    ({}, 401),
    ({"Authorization": "Bearer wrong"}, 401),
    ({"Authorization": "Bearer "}, 401),
    ({"Authorization": f"Basic {KEY}"}, 401),
    ({"Cookie": "tunnel-tui-0=9999999999.ab.cd"}, 401),
    (BEARER | {"Origin": "https://evil.example"}, 403),
    (BEARER | {"Origin": "null"}, 403),
    (BEARER | {"Origin": "http://127.0.0.1:1"}, 403),
    (BEARER | {"Host": "evil.example"}, 403),
    (BEARER | {"Host": "127.0.0.1.evil.example:80"}, 403),
    (BEARER | {"Host": "192.0.2.7"}, 403),
]


async def ask(server: WebServer, method: str, path: str, **options: Any) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, server.url + path, allow_redirects=False, **options) as response,
    ):
        return response.status, await response.text()


async def test_strangers_stay_outside_everywhere(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    server = make_server()
    for headers, expected in STRANGERS:
        asked = [
            ask(server, method, path, headers=headers | (WEBSOCKET if path == "/ws" else {}))
            for method, path in PLACES
        ]
        answers = await asyncio.gather(*asked)
        for (method, path), (status, text) in zip(PLACES, answers, strict=True):
            assert status == expected, (headers, method, path, text)
            assert spec.hash not in text
    assert server.children == []
    assert not server.lines("session-opened")
    assert KEY not in server.text


async def test_the_two_keys_and_the_login_page_open(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    lab.home.write_config(as_yaml())
    server = make_server()
    for key in (KEY, SECOND_KEY):
        headers = {"Authorization": f"Bearer {key}"}
        assert (await ask(server, "GET", "/list", headers=headers))[0] == 200
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        page = {"Accept": "text/html"}
        async with client.get(server.url + "/", headers=page) as response:
            assert response.status == 401
            assert 'type="password"' in await response.text()
        async with client.post(server.url + "/login", data={"key": "wrong"}) as response:
            assert response.status == 401
            assert "not the key" in await response.text()
        origin = {"Origin": "https://evil.example"}
        async with client.post(
            server.url + "/login", data={"key": KEY}, headers=origin
        ) as response:
            assert response.status == 403
        assert len(jar) == 0
        async with client.post(server.url + "/login", data={"key": SECOND_KEY}) as response:
            assert response.status == 200
            assert 'id="terminal"' in await response.text()
            cookie = response.history[0].headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            assert SECOND_KEY not in cookie
        own = {"Origin": server.url}
        async with client.get(server.url + "/list", headers=own) as response:
            assert response.status == 200


async def test_the_public_address_of_a_proxy_is_ours(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    lab.home.write_config(as_yaml())
    server = make_server(variables={"WS_BASE_URL": "https://tunnels.example/panel"})
    port = server.lines("serving")[0]["port"]
    server.url = f"http://127.0.0.1:{port}"
    public = BEARER | {"Host": "tunnels.example", "Origin": "https://tunnels.example"}
    assert (await ask(server, "GET", "/list", headers=public))[0] == 200
    inner = BEARER | {"Origin": "https://tunnels.example"}
    assert (await ask(server, "GET", "/list", headers=inner))[0] == 200
    plain = BEARER | {"Host": "tunnels.example", "Origin": "https://other.example"}
    assert (await ask(server, "GET", "/list", headers=plain))[0] == 403
    async with (
        aiohttp.ClientSession() as client,
        client.post(server.url + "/login", data={"key": KEY}, allow_redirects=False) as response,
    ):
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith(f"__Host-tunnel-tui-{port}=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie


async def test_a_thousand_wrong_keys_cost_nothing_noticeable(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    lab.home.write_config(as_yaml())
    server = make_server()
    wrong = {"Authorization": "Bearer gue55"}
    slowest = 0.0
    before = server.cpu_seconds
    # Below the 96 that the server lets in without a key at one time: each guess is answered.
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def guess() -> int:
            async with client.get(server.url + "/list", headers=wrong) as response:
                return response.status

        guesses = asyncio.gather(*(guess() for _ in range(1000)))
        while not guesses.done():
            began = time.monotonic()
            assert (await ask(server, "GET", "/list", headers=BEARER))[0] == 200
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.05)
        assert set(await guesses) <= {401, 429}
    assert slowest < 2.0
    assert server.cpu_seconds - before < 5.0
    assert len(server.lines("refused")) == 1
    assert "gue55" not in server.text


async def test_a_wrong_key_waits_and_the_right_one_does_not(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    lab.home.write_config(as_yaml())
    server = make_server()
    wrong = {"Authorization": "Bearer gue55"}
    for _ in range(4):
        await ask(server, "GET", "/list", headers=wrong)
    began = time.monotonic()
    await ask(server, "GET", "/list", headers=wrong)
    assert time.monotonic() - began > 0.5


async def test_without_a_given_key_the_kept_one_opens_and_nothing_else(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    lab.home.write_config(as_yaml())
    server = make_server(variables={"API_KEY": ""})
    assert (await ask(server, "GET", "/list"))[0] == 401
    key = Path(server.key_file).read_text().strip()
    kept = {"Authorization": f"Bearer {key}"}
    assert (await ask(server, "GET", "/list", headers=kept))[0] == 200
    evil = kept | {"Origin": "https://evil.example"}
    assert (await ask(server, "POST", "/stop", headers=evil))[0] == 403
    assert (await ask(server, "GET", "/", headers=kept | {"Host": "rebound.example"}))[0] == 403
    assert key not in server.text
    assert "token" not in server.text


async def test_keys_are_inherited_by_nobody(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    server = make_server()
    assert (await ask(server, "POST", f"/start/{spec.hash}", headers=BEARER))[0] == 200
    async with aiohttp.ClientSession(headers=BEARER) as client:
        async with client.ws_connect(server.url + "/ws") as socket:
            await socket.receive_bytes()
            pids = [pid for pid in lab.home.processes() if pid != server.process.pid]
            assert len(pids) >= 2
            for pid in pids:
                for name in ("environ", "cmdline"):
                    with open(f"/proc/{pid}/{name}", "rb") as file:
                        assert KEY.encode() not in file.read()
