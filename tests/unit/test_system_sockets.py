import os
import socket
import struct
import threading

import pytest

from tunnel_tui.system import netlink, sockets
from tunnel_tui.system.netlink import TcpSocket


def listener(host: str = "127.0.0.1", port: int = 0, dual: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, port))
    server.listen()
    return server


def has_ipv6() -> bool:
    try:
        listener("::1").close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.fixture(params=["netlink", "proc"])
def source(request, monkeypatch):
    if request.param == "proc":

        def refused(*args):
            raise PermissionError("netlink is closed")

        monkeypatch.setattr(netlink, "dump", refused)
    return request.param


@pytest.fixture
def connection():
    with listener() as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            yield client, accepted


def inode_of(item: socket.socket) -> int:
    return os.fstat(item.fileno()).st_ino


def test_listening_socket_is_found(source):
    with listener() as server:
        found = sockets.tcp_sockets(True)[inode_of(server)]
        assert found.listening
        assert found.local == server.getsockname()
        assert found.uid == os.geteuid()
        assert inode_of(server) not in sockets.tcp_sockets(False)
        assert inode_of(server) in sockets.socket_inodes(os.getpid())
    assert found.inode not in sockets.tcp_sockets(True)


@needs_ipv6
def test_ipv6_listener_is_found(source):
    with listener("::1") as server:
        assert sockets.tcp_sockets(True)[inode_of(server)].local == server.getsockname()[:2]


def test_connection_with_figures(connection):
    client, accepted = connection
    client.sendall(b"x" * 1000)
    assert len(accepted.recv(1000, socket.MSG_WAITALL)) == 1000
    wanted = {inode_of(client), inode_of(accepted)}
    found = sockets.tcp_sockets(False, wanted)
    assert found.keys() == wanted
    ours, theirs = found[inode_of(client)], found[inode_of(accepted)]
    assert not ours.listening
    assert (ours.local, ours.remote) == (client.getsockname(), client.getpeername())
    assert (ours.local, ours.remote) == (theirs.remote, theirs.local)
    assert ours.acked >= 1000
    assert theirs.received == 1000
    assert 0 < ours.rtt < 5


def test_connection_without_figures(connection, source):
    client, _ = connection
    found = sockets.tcp_sockets(False)[inode_of(client)]
    assert (found.local, found.remote) == (client.getsockname(), client.getpeername())
    if source == "proc":
        assert (found.rtt, found.acked, found.received) == (0.0, 0, 0)


def test_nothing_readable_is_no_socket(monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError("closed")

    monkeypatch.setattr(netlink, "dump", refused)
    monkeypatch.setattr(sockets, "open", refused, raising=False)
    assert sockets.tcp_sockets(True) == {}
    assert sockets.port_holder("localhost", 22) is None


def message(family=socket.AF_INET, state=10, inode=77, attributes=b"", length=None):
    body = struct.pack(">BBxxHH", family, state, 8000, 0)
    body += socket.inet_aton("127.0.0.1").ljust(16, b"\0") + bytes(16) + bytes(12)
    body += bytes(12) + struct.pack("=II", 1000, inode) + attributes
    size = len(body) + 16 if length is None else length
    return struct.pack("=IHHII", size, 20, 2, 1, 0) + body


def parse(data, inodes=None):
    found: list[TcpSocket] = []
    more = netlink._parse(data, netlink._Names(socket.AF_INET), inodes, found)
    return more, found


def test_dump_message_is_read():
    more, found = parse(message() + message(inode=0) + message(state=1, inode=78))
    assert more
    assert [(item.inode, item.listening, item.local, item.uid) for item in found] == [
        (77, True, ("127.0.0.1", 8000), 1000),
        (78, False, ("127.0.0.1", 8000), 1000),
    ]
    assert parse(message() + message(inode=78), {78})[1][0].inode == 78
    done = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)
    assert parse(done) == (False, [])


def test_old_kernels_shorter_figures_are_read():
    info = bytes(68) + struct.pack("=I", 2500)
    attribute = struct.pack("=HH", 4 + len(info), 2) + info
    found = parse(message(attributes=attribute))[1][0]
    assert (found.rtt, found.acked, found.received) == (0.0025, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -13),
        struct.pack("=IHHII", 0, 99, 0, 1, 0),
        message(length=3),
        message(length=200),
        message()[:60],
        struct.pack("=IHHII", 16, 2, 0, 1, 0),
    ],
)
def test_broken_dump_is_an_error_and_never_hangs(data):
    with pytest.raises(OSError, match=r".+"):
        parse(data)


@pytest.mark.parametrize("attributes", [b"\0\0\0\0", b"\x03\0\x02\0", b"\xff\xff\x63\0abcd"])
def test_broken_attributes_are_left_alone(attributes):
    assert len(parse(message(attributes=attributes))[1]) == 1


A, B, ANY4, ANY6, ONE6 = "10.0.0.1", "10.0.0.2", "0.0.0.0", "::", "::1"


@pytest.mark.parametrize(
    ("taken", "v6only", "wanted", "conflict"),
    [
        (A, None, {A}, True),
        (A, None, {B}, False),
        (A, None, {ANY4}, True),
        (ANY4, None, {A}, True),
        (ANY4, None, {ANY4}, True),
        (ANY4, None, {ONE6}, False),
        (ANY4, None, {ANY6}, False),
        (ANY6, False, {A}, True),
        (ANY6, False, {ANY4}, True),
        (ANY6, True, {ANY4}, False),
        (ANY6, True, {ONE6}, True),
        (ANY6, None, {A}, True),
        (ONE6, True, {ANY6}, True),
        (ONE6, True, {A}, False),
        (ONE6, True, {"fe80::1"}, False),
        (A, None, set(), False),
    ],
)
def test_what_stands_in_the_way(taken, v6only, wanted, conflict):
    item = TcpSocket(1, True, (taken, 80), ("", 0), 0, v6only=v6only)
    assert sockets._conflicts(item, wanted) is conflict


@pytest.mark.parametrize("held", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "", "*", "0.0.0.0"])
def test_holder_is_named_where_bind_fails(source, held, host):
    with listener(held) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listener("0.0.0.0" if host in ("", "*", "localhost") else host, port)
        holder = sockets.port_holder(host, port)
        assert holder is not None
        assert holder.pid == os.getpid()
        assert holder.address == f"{held}:{port}"
        assert holder.user
        assert holder.command
    assert sockets.port_holder(host, port) is None


@needs_ipv6
@pytest.mark.parametrize(("dual", "blocks"), [(True, True), (False, False)])
def test_ipv6_wildcard_blocks_ipv4_only_when_dual(dual, blocks):
    with listener("::", dual=dual) as server:
        port = server.getsockname()[1]
        assert (sockets.port_holder("127.0.0.1", port) is not None) is blocks
        assert sockets.port_holder("::1", port) is not None
        assert sockets.port_holder("[::1]", port) is not None


@pytest.mark.parametrize("port", [-1, 0, 65536, 2**70])
def test_impossible_ports_have_no_holder(port):
    assert sockets.port_holder("localhost", port) is None


def test_the_kernel_chooses_by_port():
    with listener() as server, listener() as other:
        found = netlink.dump(socket.AF_INET, 1 << 10, port=server.getsockname()[1])
        assert [item.inode for item in found] == [inode_of(server)]
        assert inode_of(other) in [item.inode for item in netlink.dump(socket.AF_INET, 1 << 10)]


def test_another_address_is_free():
    with listener("127.0.0.1") as server:
        port = server.getsockname()[1]
        assert sockets.port_holder("127.0.0.2", port) is None
        listener("127.0.0.2", port).close()


def test_a_connection_is_not_in_the_way(connection):
    client, _ = connection
    assert sockets.port_holder("127.0.0.1", client.getsockname()[1]) is None


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 300, "\0", "-", "a..b"])
def test_a_host_that_does_not_resolve_is_nobodys(host):
    assert sockets.port_holder(host, 80) is None
    assert not sockets.answers(host, 80, 0.1)


def test_command_of_a_holder_is_harmless_and_short(monkeypatch):
    words = ("evil\x1b[2J\n", "x" * 200)
    monkeypatch.setattr(sockets.proc, "command_line", lambda pid: words)
    command = sockets._command(os.getpid())
    assert command.startswith("evil?[2J? xxx")
    assert len(command) == 60


def test_answers():
    with listener() as server:
        port = server.getsockname()[1]
        assert sockets.answers("127.0.0.1", port, 5)
        assert sockets.answers("localhost", port, 5)
    assert not sockets.answers("127.0.0.1", port, 5)
    assert not sockets.answers("127.0.0.1", 99999, 5)


def test_answers_gives_up_in_time():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        queue = [socket.socket() for _ in range(3)]
        for client in queue:  # fill the backlog: the next call is never answered
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        result: list[bool] = []
        thread = threading.Thread(
            target=lambda: result.append(sockets.answers("127.0.0.1", port, 0.2))
        )
        thread.start()
        thread.join(5)
        for client in queue:
            client.close()
        assert result == [False]


def test_inodes_of_nobody():
    assert sockets.socket_inodes(2**22 - 1) == frozenset()
    assert sockets.socket_inodes(-1) == frozenset()
