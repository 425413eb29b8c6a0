"""The fault proxy does what it says, or no test behind it means anything."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.factories.faultproxy import Blackhole, Clear, Cut, FaultProxy, Garble, Latency, Reset


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, until the other side ends."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with FaultProxy("127.0.0.1", server.server_address[1]) as made:
            yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with connected(proxy) as made:
        yield made


def connected(proxy: FaultProxy) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    made.settimeout(5)
    return made


def echoed(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    came = b""
    while len(came) < len(data) and (more := client.recv(65536)):
        came += more
    return came


def test_without_a_fault_everything_passes_and_ends(proxy: FaultProxy, client: socket.socket) -> None:
    data = bytes(range(256)) * 4000
    sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    sender.start()
    came = b""
    while more := client.recv(65536):
        came += more
    sender.join()
    assert came == data
    assert proxy.connections == 1


def test_latency_delays_each_direction(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.fault = Latency(0.2)
    started = time.monotonic()
    assert echoed(client, b"x") == b"x"
    assert 0.4 <= time.monotonic() - started < 2


def test_a_cut_comes_after_just_so_many_bytes(proxy: FaultProxy, client: socket.socket) -> None:
    assert echoed(client, b"before") == b"before"  # not counted
    proxy.fault = Cut(after=10)
    assert echoed(client, b"0123456789abcdef") == b"0123456789"
    assert client.recv(1) == b""


def test_a_reset_ends_what_is_open_and_what_comes(proxy: FaultProxy, client: socket.socket) -> None:
    assert echoed(client, b"x") == b"x"
    proxy.fault = Reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with connected(proxy) as other, pytest.raises(ConnectionError):
        echoed(other, b"x")


def test_a_blackhole_swallows_nothing_it_only_holds(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.fault = Blackhole()
    client.sendall(b"held")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(5)
    with connected(proxy) as other:  # is taken, as by a frozen server's kernel
        proxy.fault = Clear()
        assert client.recv(10) == b"held"
        assert echoed(other, b"y") == b"y"


def test_one_byte_is_changed_and_no_other(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.fault = Garble(after=3)
    came = echoed(client, b"abcdef")
    assert came[:3] + came[4:] == b"abcef"
    assert came[3:4] != b"d"


def test_a_server_that_is_not_there_ends_the_connection_at_once() -> None:
    with FaultProxy("127.0.0.1", 1) as proxy, connected(proxy) as client, pytest.raises(ConnectionResetError):
        client.recv(1)
