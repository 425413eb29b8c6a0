"""The client of the benches: it counts whole answers, and its time is the other side's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import psutil
import pytest

from infra.onehost import load
from infra.onehost.bench_signin import peak
from tests.factories.loopback import LoopbackServer
from tests.factories.platform import wait_until


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(float(self.headers.get("X-Wait", 0)))
        self.send_response(201 if body == b"make" else 400)
        if "X-Chunked" in self.headers:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"abcde")

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = LoopbackServer(Answering)
    yield f"{server.url}/things"
    server.close()


@pytest.mark.parametrize("headers", [{}, {"X-Chunked": "1"}], ids=["length", "chunked"])
def test_every_connection_is_used_again_and_again(url: str, headers: dict[str, str]) -> None:
    asking = load.request(url, "POST", headers, b"make", 201)
    took = load.run(load.together(lambda: asking, 3, 0.3))
    assert len(took) > 6
    assert 0 < load.percentile(took, 50) <= load.percentile(took, 99) < 300


def test_a_rate_is_kept_and_waiting_for_a_connection_counts(url: str) -> None:
    asking = load.request(url, "POST", {"X-Wait": "0.1"}, b"make", 201)
    took = sorted(load.run(load.at_a_rate(asking, rate=20, seconds=0.5, lines=1)))
    assert len(took) == 10
    assert took[0] >= 0.1
    assert took[-1] > 0.4, "the last one waited for those before it"


def test_another_status_than_the_expected_one_ends_it(url: str) -> None:
    asking = load.request(url, "POST", {}, b"break", 201)
    with pytest.raises(RuntimeError, match="400 in place of 201: b'abcde'"):
        load.run(load.together(lambda: asking, 1, 1.0))


def test_the_highest_memory_is_seen() -> None:
    me = psutil.Process()
    with peak([me]) as highest:
        before = me.memory_info().rss
        held = bytearray(b"x" * (64 << 20))
        wait_until(lambda: highest.bytes >= before + (48 << 20), 10)
        del held
