"""Browser sessions without a browser: limits, garbage, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import aiohttp
import pytest

from tests.conftest import Lab
from tests.support.network import free_port, passes
from tests.support.processes import alive
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tests.support.webserver import BEARER, WebServer

pytestmark = pytest.mark.process

CLIENT = """
import asyncio, sys, aiohttp
async def one(client, url):
    socket = await client.ws_connect(url + "/ws?width=80&height=24")
    while len(await socket.receive_bytes()) < 500:
        pass
    print("open", flush=True)
    while True:
        await socket.receive()
async def main(url, key, count):
    headers = {"Authorization": "Bearer " + key}
    async with aiohttp.ClientSession(headers=headers) as client:
        await asyncio.gather(*(one(client, url) for _ in range(count)))
asyncio.run(main(sys.argv[1], sys.stdin.readline().strip(), int(sys.argv[2])))
"""


def nothing_left(server: WebServer, descriptors: int, deadline: float = 40) -> None:
    wait_until(lambda: not server.children, deadline, "no process left")
    wait_until(lambda: server.descriptors <= descriptors, 10, "no socket and no pipe left")


@pytest.mark.slow
def test_twenty_sessions_whose_client_is_killed_leave_nothing(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    assert lab.home.cli("start-tunnel", spec.name).returncode == 0
    server = make_server(variables={"WS_MAX_CONNECTIONS": "20"})
    before = server.descriptors
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, server.url, "20"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    with client:
        client.stdin.write(BEARER["Authorization"].split()[1] + "\n")
        client.stdin.flush()
        for _ in range(20):
            assert client.stdout.readline() == "open\n"
        assert len(server.children) == 20
        client.kill()
    nothing_left(server, before + 2)
    # The line is written a moment after the child has gone.
    wait_until(lambda: len(server.lines("session-ended")) >= 20, what="a line of each")
    assert len(server.lines("session-ended")) == 20
    assert not server.lines("app-killed")
    assert passes(spec.forward().listener.port)


async def test_limits(lab: Lab, make_server: Callable[..., WebServer]) -> None:
    lab.home.write_config(as_yaml())
    limits = {"WS_MAX_CONNECTIONS": "1", "WS_IDLE_TIMEOUT": "3s", "WS_MAX_DURATION": "6s"}
    server = make_server(variables=limits)
    async with aiohttp.ClientSession(headers=BEARER) as client:
        async with client.ws_connect(server.url + "/ws") as socket:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.ws_connect(server.url + "/ws")
            assert caught.value.status == 503
            async with asyncio.timeout(20):
                async for _ in socket:
                    pass
        await asyncio.to_thread(wait_until, lambda: len(server.lines("session-ended")) == 1)
        async with client.ws_connect(server.url + "/ws") as socket:
            async with asyncio.timeout(20):
                while not socket.closed:
                    await socket.send_json(["stdin", "j"])
                    try:
                        await socket.receive(timeout=0.5)
                    except TimeoutError:
                        continue
        await asyncio.to_thread(wait_until, lambda: len(server.lines("session-ended")) == 2)
    assert [line["detail"] for line in server.lines("session-ended")] == [
        "WS_IDLE_TIMEOUT",
        "WS_MAX_DURATION",
    ]
    assert server.children == []


GARBAGE = ["garbage", "{}", "[]", "[1, 2]", "[" * 5000, b"bytes"]


async def test_garbage_ends_the_session(lab: Lab, make_server: Callable[..., WebServer]) -> None:
    lab.home.write_config(as_yaml())
    server = make_server()

    async def talk(client: aiohttp.ClientSession, message: str | bytes) -> None:
        async with client.ws_connect(server.url + "/ws?width=x&height=-5") as socket:
            await socket.receive_bytes()
            await socket.send_json(["resize", {"width": "many"}])
            await socket.send_json(["resize", 7])
            await socket.send_json(["stdin", {"a": 1}])
            await socket.send_json(["unknown"])
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)
            async with asyncio.timeout(40):
                async for _ in socket:
                    pass
            assert socket.close_code == aiohttp.WSCloseCode.UNSUPPORTED_DATA, message

    async with aiohttp.ClientSession(headers=BEARER) as client:
        await asyncio.gather(*(talk(client, message) for message in GARBAGE))
    await asyncio.to_thread(wait_until, lambda: not server.children, 15)
    assert len(server.lines("session-ended")) == len(GARBAGE)
    assert "Traceback" not in server.text
    assert "level=error" not in server.text


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
async def test_the_end_of_the_server_ends_the_apps_and_no_tunnel(
    lab: Lab, make_server: Callable[..., WebServer], signum: int
) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    server = make_server()
    async with aiohttp.ClientSession(headers=BEARER) as client:
        async with client.post(f"{server.url}/start/{spec.hash}") as response:
            assert response.status == 200
        async with client.ws_connect(server.url + "/ws") as socket:
            while len(await socket.receive_bytes()) < 500:
                pass
            apps = server.children
            apps = [pid for pid in apps if b"web-app" in _command(pid)]
            assert len(apps) == 1
            os.kill(server.process.pid, signum)
            await asyncio.to_thread(server.process.wait, 30)
            await asyncio.to_thread(wait_until, lambda: not alive(apps[0]), 20, "the app's end")
    assert passes(spec.forward().listener.port)


def _command(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


async def test_leaving_the_app_ends_the_session(
    lab: Lab, make_server: Callable[..., WebServer]
) -> None:
    lab.home.write_config(as_yaml())
    server = make_server()
    async with aiohttp.ClientSession(headers=BEARER) as client:
        async with client.ws_connect(server.url + "/ws") as socket:
            while len(await socket.receive_bytes()) < 500:
                pass
            await socket.send_json(["stdin", "q"])
            async with asyncio.timeout(20):
                async for _ in socket:
                    pass
    await asyncio.to_thread(wait_until, lambda: not server.children, 15)
    await asyncio.to_thread(wait_until, lambda: len(server.lines("session-ended")) == 1, 15)
