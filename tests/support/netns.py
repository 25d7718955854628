"""Two machines and a wire between them: network namespaces that only this test knows.

They have no names and hold on to nothing: when the test is over, however it ends, the kernel takes
them away with everything in them. The machine's own interfaces and rules are never touched.

The thread that makes a `Network` is `here` until `close`: what it starts and whatever socket it
opens belongs there. `with network.there():` it is at the server's machine for a moment.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import need_program
from tests.support.faults import Fault, Site
from tests.support.home import Home
from tests.support.network import EchoService, free_port, passes
from tests.support.sshd import Keys, Sshd
from tunnel_tui.model import Direction, TunnelSpec

SERVER = "192.0.2.9"
"""Where the server is; behind the default route, as most servers are."""
_HERE, _THERE = "198.51.100.1", "198.51.100.2"
_WIRE = "wire"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, unshare(2)
_libc = ctypes.CDLL(None, use_errno=True)
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Network:
    """The wire between `here` and `there`, and what can go wrong with it."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can make networks")
        need_program("ip", "nft", "ss")
        self._descriptors: list[int] = []
        self._outside = self._current()
        try:
            self._here, self._there = self._make(), self._make()
            _run(f"ip link add {_WIRE} type veth peer name {_WIRE} netns {self._path(self._here)}")
            _run(f"ip addr add {_THERE}/24 dev {_WIRE}")
            _run(f"ip addr add {SERVER}/32 dev lo")
            _run("ip link set lo up", f"ip link set {_WIRE} up")
            _enter(self._here)
            _run(f"ip addr add {_HERE}/24 dev {_WIRE}", "ip link set lo up")
            self.up()
        except BaseException:
            self.close()
            raise

    def _current(self) -> int:
        descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._descriptors.append(descriptor)
        return descriptor

    def _make(self) -> int:
        if _libc.unshare(_NEW_NETWORK):
            pytest.skip(f"no network namespaces here: {os.strerror(ctypes.get_errno())}")
        return self._current()

    def _path(self, descriptor: int) -> str:
        return f"/proc/{os.getpid()}/fd/{descriptor}"

    def close(self) -> None:
        """Go back to the machine's own network, for good."""
        _enter(self._outside)
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    @contextmanager
    def there(self) -> Iterator[None]:
        """Be at the server's machine."""
        _enter(self._there)
        try:
            yield
        finally:
            _enter(self._here)

    # -- harm, and its undoing

    def cut(self) -> None:
        """Let nothing through, silently."""
        self._rule("", "drop")

    def lose(self, percent: int) -> None:
        """Drop this share of all packets, either way, at random."""
        self._rule(f"numgen random mod 100 < {percent}", "drop")

    def reset(self) -> None:
        """Answer every packet of an established connection with a reset, as a firewall does."""
        self._rule("tcp flags & syn == 0", "reject with tcp reset", hooks=("input",))

    def heal(self) -> None:
        """Take back `cut`, `lose` and `reset`."""
        with self.there():
            _run("nft delete table inet harm")

    def kill_connections(self) -> None:
        """Abort the connections to the server; both ends hear of it."""
        _run(f"ss -K dst {SERVER}")

    def forget_closed(self) -> None:
        """Let the kernel send no more of connections that a program has closed."""
        _run(f"ss -K state fin-wait-1 dst {SERVER}")

    def down(self) -> None:
        """Take the interface down; its addresses and routes go with it, as with a pulled plug."""
        _run(f"ip link set {_WIRE} down")

    def up(self) -> None:
        """Bring the interface up with its default route."""
        _run(f"ip link set {_WIRE} up")
        self.route()

    def unroute(self) -> None:
        """Take the default route away."""
        _run("ip route del default")

    def route(self) -> None:
        """Set the default route."""
        _run(f"ip route add default via {_THERE}")

    def _rule(self, match: str, action: str, hooks: tuple[str, ...] = ("input", "output")) -> None:
        names = {"input": "iifname", "output": "oifname"}
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; "
            f"{names[hook]} {_WIRE} {match} {action}\n}}\n"
            for hook in hooks
        )
        with self.there():
            _run("nft -f -", text=f"table inet harm {{\n{chains}}}\n")


class FarSite(Site):
    """A `Site` whose servers are at another machine, over a `Network`."""

    def __init__(self, home: Home, network: Network, server: Sshd, fault: Fault) -> None:
        self.network = network
        port = free_port()
        self._near_echo = EchoService(port)
        with network.there():
            self._far_echo = EchoService(port)
        super().__init__(home, server, self._far_echo, fault)

    def carries(self, spec: TunnelSpec) -> bool:
        """Say whether traffic passes, asked at the machine where the tunnel listens."""
        if spec.direction is Direction.REMOTE_TO_LOCAL:
            return super().carries(spec)
        with self.network.there():
            return passes(self.listener(spec))

    def close(self) -> None:
        super().close()
        self._near_echo.close()
        self._far_echo.close()


def make_far_server(network: Network, directory: Path, keys: Keys, **options: str) -> Sshd:
    """Start a server that listens at `SERVER`."""
    # sshd_config(5) takes several addresses; the first is the one that `Sshd` waits for.
    addresses = f"127.0.0.1\nListenAddress {SERVER}"
    with network.there():
        return Sshd(directory, keys, ListenAddress=addresses, **options).start()


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def _run(*commands: str, text: str | None = None) -> None:
    for command in commands:
        done = subprocess.run(
            command.split(),
            input=text,
            capture_output=True,
            text=True,
            env={"PATH": _PATH},
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
