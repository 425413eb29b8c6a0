"""The way out: what may be reached, and when a transfer is cut off."""

import asyncio
import socket
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from services.ingest.engines import addresses
from services.ingest.engines.egress import Egress, Policy, Refused, check_url
from tests.services.ingest.origin import Origin, origin

POLICY = Policy(cap=1 << 20, deadline=30, rate=0, window=5)

FORBIDDEN_HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "１２７.0.0.1",
    "127.0.0.1.",
    "localhost",
    "LOCALHOST",
    "foo.localhost",
    "localhost.",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "169.254.43518",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.8",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[2001:db8::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[ff02::1]",
    "[100::1]",
    "[3fff::1]",
]


@pytest.mark.parametrize("host", FORBIDDEN_HOSTS)
def test_an_address_that_is_not_public_is_refused_when_posted(host: str) -> None:
    with pytest.raises(Refused) as caught:
        check_url(f"http://{host}/video.mp4", frozenset())
    assert caught.value.code == "import_forbidden_address"


@pytest.mark.parametrize(
    "host", ["93.184.215.14", "8.8.8.8", "[2606:4700::1111]", "example.com", "0xample.com", "1e100.net"]
)
def test_public_hosts_pass(host: str) -> None:
    check_url(f"https://{host}/video.mp4", frozenset())


@pytest.mark.parametrize("port", [22, 25, 3306, 5432, 6379, 9000, 11211])
def test_other_ports_are_other_services(port: int) -> None:
    with pytest.raises(Refused):
        check_url(f"http://example.com:{port}/", frozenset())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "example.com/a.mp4",
        "http://",
        "http://user:secret@example.com/",
        "http://[::1",
        "http://example.com:99999/",
    ],
)
def test_only_plain_web_addresses(url: str) -> None:
    with pytest.raises(Refused) as caught:
        check_url(url, frozenset())
    assert caught.value.code == "import_unsupported"


def test_is_global_is_not_the_question() -> None:
    for text in ("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fec0::1", "224.0.0.1", "100.64.0.1"):
        assert not addresses.is_public(addresses.canonical(text))


@pytest.fixture
def server() -> Iterator[Origin]:
    with origin() as running:
        running.files["/hello"] = (b"hello", "text/plain")
        yield running


def through(egress: Egress) -> httpx.Client:
    return httpx.Client(proxy=egress.url, trust_env=False, timeout=10)


def allowing(server: Origin, **changes: float) -> Policy:
    values = {"cap": POLICY.cap, "deadline": POLICY.deadline, "rate": POLICY.rate, "window": POLICY.window} | changes
    return Policy(**values, allow=frozenset({server.authority}))  # type: ignore[arg-type]


def test_a_named_host_is_let_through_and_counted(server: Origin) -> None:
    with Egress(allowing(server)) as egress, through(egress) as client:
        assert [client.get(server.url("/hello")).text for _ in range(3)] == ["hello"] * 3
    assert egress.received == 15
    assert egress.problem is None


def test_a_stranger_without_the_password_gets_nothing(server: Origin) -> None:
    with Egress(allowing(server)) as egress:
        bare = f"http://127.0.0.1:{urlsplit(egress.url).port}"
        with httpx.Client(proxy=bare, trust_env=False) as client:
            assert client.get(server.url("/hello")).status_code == 407
    assert server.paths == []


def test_every_hop_is_judged(server: Origin) -> None:
    server.redirects["/away"] = "http://169.254.169.254/latest/meta-data/"
    with Egress(allowing(server)) as egress, through(egress) as client:
        reply = client.get(server.url("/away"), follow_redirects=True)
    assert reply.status_code == 403
    assert egress.refusal is not None
    assert egress.refusal.code == "import_forbidden_address"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "169.254.169.254"])
def test_loopback_is_closed_also_to_tunnels(server: Origin, host: str) -> None:
    with Egress(POLICY) as egress, socket.create_connection(("127.0.0.1", urlsplit(egress.url).port or 0)) as line:
        import base64

        account = base64.b64encode(f"import:{urlsplit(egress.url).password}".encode()).decode()
        head = f"CONNECT {host}:8080 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {account}\r\n\r\n"
        line.sendall(head.encode())
        assert line.recv(100).startswith(b"HTTP/1.1 403")
    assert server.paths == []


class Fickle:
    """A name server that answers differently each time, and notes how often it was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> Iterable[str]:
        self.asked += 1
        await asyncio.sleep(0)
        return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.mark.parametrize(
    "answer",
    [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], ["64:ff9b::7f00:1"], ["fe80::1"]],
)
def test_a_name_that_leads_inside_is_refused(answer: list[str]) -> None:
    resolver = Fickle(answer)
    with Egress(POLICY, resolver) as egress, through(egress) as client:
        assert client.get("http://innocent.example/").status_code == 403
    assert egress.refusal is not None
    assert egress.refusal.code == "import_forbidden_address"


def test_a_name_is_asked_once_and_its_second_answer_is_never_used(
    server: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: public when judged, loopback when connected. The connection goes to what was judged."""
    resolver = Fickle(["93.184.215.14"], ["127.0.0.1"])
    wanted: list[str] = []

    async def connect(host: str, port: int) -> None:
        wanted.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", connect)
    with Egress(POLICY, resolver) as egress, through(egress) as client:
        assert client.get("http://rebinding.example/").status_code == 502
    assert resolver.asked == 1
    assert wanted == ["93.184.215.14"]
    assert server.paths == []


def test_the_byte_cap_does_not_believe_headers(server: Origin) -> None:
    with Egress(allowing(server, cap=300_000)) as egress, through(egress) as client:
        with pytest.raises(httpx.HTTPError):
            client.get(server.url("/bad/endless.mp4"))
        assert client.get(server.url("/hello")).status_code == 403  # and nothing more goes through
    assert egress.verdict is not None
    assert egress.verdict.code == "import_too_large"


@pytest.mark.parametrize("path", ["/bad/slow.mp4", "/bad/hang.mp4"])
@pytest.mark.parametrize("limits", [{"deadline": 1.5}, {"rate": 4096, "window": 1.0}])
def test_a_slow_server_is_given_up(server: Origin, path: str, limits: dict[str, float]) -> None:
    with Egress(allowing(server, **limits)) as egress, through(egress) as client, pytest.raises(httpx.HTTPError):
        client.get(server.url(path))
    assert egress.verdict is not None
    assert egress.verdict.code == "import_timeout"


@pytest.mark.parametrize(
    "head",
    [
        "GET http://127.0.0.1/ HTTP/1.1\r\n folded: x\r\n\r\n",
        "GET ftp://example.com/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "nonsense\r\n\r\n",
    ],
)
def test_malformed_requests_end_the_connection(head: str) -> None:
    with Egress(POLICY) as egress, socket.create_connection(("127.0.0.1", urlsplit(egress.url).port or 0)) as line:
        line.sendall(head.encode())
        assert line.recv(100)[9:12] in {b"502", b"407", b"400"}
