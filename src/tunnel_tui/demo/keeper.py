"""The process that holds the demo: servers, tunnels, visitor; it clears up when its parent is gone.

Run as `python -m tunnel_tui.demo.keeper`. It says where everything is in one JSON line on
stdout, then lives until its stdin is closed, which also happens when the app is killed.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

import asyncssh

from tunnel_tui.demo.cast import HOSTS, Behaviour, DemoHost
from tunnel_tui.demo.departure import clear_up
from tunnel_tui.demo.pages import answer, friendly_page
from tunnel_tui.demo.servers import ADDRESS, Flap, open_server
from tunnel_tui.demo.visitor import visit_all
from tunnel_tui.demo.world import (
    Place,
    choose_places,
    config_text,
    demo_settings,
    free_port,
    make_root,
    remove_root,
    ssh_config_text,
    write_private,
)
from tunnel_tui.settings import Settings

LOCAL_PAGE_PORT = 14000
REAP_SECONDS = 1.0


class Keeper:
    """The demo while it lasts."""

    def __init__(self, root: str, options: Namespace) -> None:
        self.settings: Settings = demo_settings(root)
        self.root = root
        self.options = options
        self.places: list[Place] = []
        self.secret = _new_secret()
        self._servers: list[Any] = []
        self._leaving = threading.Event()

    async def open(self) -> None:
        """Open the servers and write the directory's files."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        public = key.export_public_key().decode()
        ports: dict[str, int] = {}
        known: dict[DemoHost, str] = {}
        flap = Flap(self.options.drop_after, self.options.absence)
        for host in HOSTS:
            if host.behaviour is not Behaviour.NOWHERE:
                host_key = asyncssh.generate_private_key("ssh-ed25519")
                known[host] = host_key.export_public_key().decode()
                server = await open_server(host, host_key, public, self._page_of, flap, self.secret)
                ports[host.alias] = server.get_port()
                self._servers.append(server)
        self.places = choose_places(await self._open_local_page())
        identity = os.path.join(self.settings.ssh_config_dir, "id_demo")
        write_private(identity, key.export_private_key().decode())
        write_private(self.settings.ssh_config_file, ssh_config_text(ports, identity))
        write_private(self.settings.known_hosts_file, _known_hosts(known))
        write_private(self.settings.config_file, config_text(self.places))

    def report(self) -> str:
        """Say where everything is, as JSON."""
        started = [p.tunnel.name for p in self.places if p.tunnel.starts]
        return json.dumps({"root": self.root, "secret": self.secret, "starts": started})

    async def live(self, leave: asyncio.Event) -> None:
        """Start the tunnels, send the visitor, and stay until it is time to leave."""
        starting = asyncio.create_task(asyncio.to_thread(self._start_tunnels))
        visits = asyncio.create_task(visit_all(self.places))
        reaping = asyncio.create_task(_reap_children())
        await leave.wait()
        self._leaving.set()
        for task in (visits, reaping):
            task.cancel()
        try:
            await asyncio.to_thread(clear_up, self.settings)
        finally:
            # A start that was under way may have got past the first time.
            await asyncio.gather(starting, return_exceptions=True)
            await asyncio.to_thread(clear_up, self.settings)
        for server in self._servers:
            server.close()

    def _start_tunnels(self) -> None:
        from tunnel_tui.config.load import load_config
        from tunnel_tui.supervise.actions.lifecycle import start_tunnels

        names = {p.tunnel.name for p in self.places if p.tunnel.starts}
        specs = load_config(self.settings.config_file).tunnels
        wanted = [spec for spec in specs if spec.name in names and not spec.interactive]
        if not self._leaving.is_set():
            start_tunnels(self.settings, wanted)

    def _page_of(self, alias: str, host: str, port: int) -> str:
        for place in self.places:
            if place.tunnel.host == alias and place.remote_port in (f"{host}:{port}", str(port)):
                return friendly_page(place.tunnel.name, f"{host}:{port}", alias)
        return friendly_page(alias, f"{host}:{port}", alias)

    async def _open_local_page(self) -> int:
        page = friendly_page("share-blog", "a service on this machine", "cloud.usa2")

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answer(reader, writer, page)

        port = free_port(LOCAL_PAGE_PORT, ())
        self._servers.append(await asyncio.start_server(serve, ADDRESS, port))
        return port


async def _reap_children() -> None:
    from tunnel_tui.system.spawn import reap

    while True:
        await asyncio.sleep(REAP_SECONDS)
        reap()


def _new_secret() -> str:
    import base64

    return base64.b32encode(os.urandom(20)).decode()


def _known_hosts(keys: Mapping[DemoHost, str]) -> str:
    """Know the bastion, know another key of the host whose key has changed, and no other host."""
    lines = []
    for host, public in keys.items():
        key = public
        if host.behaviour is Behaviour.CHANGED_KEY:
            key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        if host.behaviour in (Behaviour.CHANGED_KEY, Behaviour.BASTION):
            lines.append(f"{host.alias} {' '.join(key.split()[:2])}\n")
    return "".join(lines)


def _watch_parent(leave: asyncio.Event) -> None:
    """Leave when stdin is closed, or at SIGTERM; a terminal's signals are the parent's matter."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            leave.set()

    loop.add_reader(0, read)
    loop.add_signal_handler(signal.SIGTERM, leave.set)
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


async def keep(root: str, options: Namespace) -> None:
    """Hold the demo from beginning to end."""
    leave = asyncio.Event()
    _watch_parent(leave)
    keeper = Keeper(root, options)
    await keeper.open()
    os.write(1, keeper.report().encode() + b"\n")
    await keeper.live(leave)


def main() -> int:
    """Make the directory, hold the demo, take the directory away."""
    parser = ArgumentParser(prog="tunnel-tui demo")
    parser.add_argument("--root", help="directory to make instead of one with a random name")
    parser.add_argument("--drop-after", type=float, default=40.0, help="seconds")
    parser.add_argument("--absence", type=float, default=4.0, help="seconds")
    options = parser.parse_args()
    try:
        root = make_root(options.root)
    except OSError as error:
        os.write(1, json.dumps({"error": str(error)}).encode() + b"\n")
        return 1
    os.dup2(os.open(os.path.join(root, "keeper.log"), os.O_WRONLY | os.O_CREAT, 0o600), 2)
    try:
        asyncio.run(keep(root, options))
    except Exception as error:
        os.write(1, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        raise
    finally:
        remove_root(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
