"""Requests and replies stream through, neither held nor changed more than they must be."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.services.gateway import raw
from tests.services.gateway.services import CHUNK, Auth, Service
from tests.services.gateway.waiting import wait_until

Connect = Callable[..., httpx.Client]
KEY = {"Authorization": "Bearer csk_all"}


@pytest.fixture(autouse=True)
def _somebody(auth: Auth) -> None:
    auth.admit("csk_all")


def test_an_uploads_bytes_arrive_as_they_were_sent(client: httpx.Client, services: dict[str, Service]) -> None:
    chunks = 100

    def body() -> Iterator[bytes]:
        for _ in range(chunks):
            yield CHUNK

    headers = KEY | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "7", "Tus-Resumable": "1.0.0"}
    reply = client.patch("/api/v1/uploads/u1", content=body(), headers=headers)

    assert reply.json()["size"] == chunks * len(CHUNK)
    assert reply.json()["sha256"] == hashlib.sha256(CHUNK * chunks).hexdigest()
    seen = services["ingest"].seen[-1]
    assert seen.header("upload-offset") == "7"
    assert seen.header("tus-resumable") == "1.0.0"
    assert seen.header("transfer-encoding") == "chunked"


def test_a_body_of_known_length_keeps_it(client: httpx.Client, services: dict[str, Service]) -> None:
    headers = KEY | {"Content-Type": "application/offset+octet-stream"}
    client.patch("/api/v1/uploads/u1", content=CHUNK, headers=headers)

    seen = services["ingest"].seen[-1]
    assert seen.header("content-length") == str(len(CHUNK))
    assert seen.header("transfer-encoding") is None


def test_the_beginning_of_a_body_arrives_before_its_end_is_sent(address: str, services: dict[str, Service]) -> None:
    ingest = services["ingest"]
    with raw.opened(address) as connection:
        begin_upload(connection, announced=2_000_000, sent=500_000)
        wait_until(lambda: ingest.received == 500_000)
        connection.sendall(b"x" * 1_500_000)
        assert b" 200 OK" in connection.recv(4096)


def test_a_client_that_leaves_in_the_middle_takes_the_upload_with_it(
    address: str, services: dict[str, Service]
) -> None:
    ingest = services["ingest"]
    connection = raw.opened(address)
    begin_upload(connection, announced=2_000_000, sent=500_000)
    wait_until(lambda: ingest.received == 500_000)
    connection.close()

    assert ingest.left.wait(10)  # the service was told that the rest won't come
    assert ingest.received == 500_000


def test_creating_an_upload_tells_where_it_is(client: httpx.Client) -> None:
    reply = client.post("/api/v1/uploads", headers=KEY | {"Upload-Length": "10", "Tus-Resumable": "1.0.0"})

    assert reply.status_code == 201
    assert reply.headers["location"] == "/api/v1/uploads/u1"
    assert reply.headers["tus-resumable"] == "1.0.0"


def test_events_arrive_while_the_feed_is_open(client: httpx.Client, services: dict[str, Service]) -> None:
    with client.stream("GET", "/api/v1/events", headers=KEY | {"Last-Event-ID": "41"}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert next(reply.iter_raw()) == b"event: media\ndata: 1\n\n"
        assert not services["catalog"].go_on.is_set()  # the service has not gone on to its end
    assert services["catalog"].seen[-1].header("last-event-id") == "41"


def test_a_client_that_closes_a_feed_closes_it_at_the_service(
    client: httpx.Client, services: dict[str, Service]
) -> None:
    with client.stream("GET", "/api/v1/events", headers=KEY) as reply:
        next(reply.iter_raw())
    services["catalog"].go_on.set()

    assert services["catalog"].left.wait(10)


def test_a_client_that_does_not_wait_for_the_reply_ends_the_work(address: str, services: dict[str, Service]) -> None:
    connection = raw.opened(address)
    connection.sendall(b"GET /api/v1/library/slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_until(lambda: bool(services["catalog"].seen))
    connection.close()

    assert services["catalog"].left.wait(10)


def test_a_feed_ends_with_the_session_that_opened_it(connect: Connect, auth: Auth) -> None:
    client = connect(feed_check=0.1, identity_ttl=0.1)
    with client.stream("GET", "/api/v1/events", headers=KEY) as reply:
        parts = reply.iter_raw()
        next(parts)
        auth.identities.clear()

        assert list(parts) == []  # a proper end, not a broken connection


def test_a_service_sees_only_what_it_may(client: httpx.Client, services: dict[str, Service]) -> None:
    forged = {
        "X-Service-Token": "forged",
        "X-User-Id": "1",
        "X_User_Id": "1",
        "X-Session-Token": "1",
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "Cookie": "clipstead=x; other=y",
        "X-CSRF-Token": "secret",
        "X-HTTP-Method-Override": "DELETE",
        "Connection": "keep-alive, X-Gone",
        "Keep-Alive": "timeout=5",
        "X-Gone": "1",
        "TE": "trailers",
        "Proxy-Authorization": "Basic YTpi",
    }
    kept = {
        "Range": "bytes=0-9",
        "If-Match": '"3"',
        "Idempotency-Key": "k",
        "Accept-Language": "de",
        "User-Agent": "me",
    }
    client.get("/api/v1/clips?media_id=7&x=%2F", headers=KEY | forged | kept)

    seen = services["render"].seen[-1]
    names = {name for name, _ in seen.headers}
    assert not names & (
        {name.lower() for name in forged} - {"x-service-token", "x-forwarded-for", "x-forwarded-host", "connection"}
    )
    assert "authorization" not in names
    assert [value for name, value in seen.headers if name == "x-service-token"] != ["forged"]
    assert sum(name == "x-service-token" for name, _ in seen.headers) == 1
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("x-forwarded-proto") == "http"
    assert "evil" not in (seen.header("x-forwarded-host") or "")
    assert {name: seen.header(name) for name in kept} == kept
    assert seen.target == "/v1/clips?media_id=7&x=%2F"


def test_a_client_sees_only_what_it_may(client: httpx.Client) -> None:
    reply = client.get("/api/v1/clips", headers=KEY)

    assert "set-cookie" not in reply.headers
    assert "x-session-token" not in reply.headers
    assert reply.headers["x-own"] == "kept"


def test_the_correlation_id_goes_along(client: httpx.Client, services: dict[str, Service]) -> None:
    reply = client.get("/api/v1/clips", headers=KEY | {"X-Correlation-ID": "mine-1"})
    assert reply.headers["x-correlation-id"] == "mine-1"
    assert services["render"].seen[-1].header("x-correlation-id") == "mine-1"

    reply = client.get("/api/v1/clips", headers=KEY | {"X-Correlation-ID": "not a <plain> one"})
    assert len(reply.headers["x-correlation-id"]) == 32


def test_ranges_of_shared_media_need_no_sign_in(client: httpx.Client, services: dict[str, Service]) -> None:
    reply = client.get("/p/some-token_1", headers={"Range": "bytes=0-9", "Cookie": "clipstead=x"})

    assert reply.status_code == 206
    assert reply.headers["content-range"] == "bytes 0-9/65536"
    assert reply.content == CHUNK[:10]
    seen = services["stream"].seen[-1]
    assert seen.target == "/p/some-token_1"
    assert seen.principal.acting is None
    assert seen.header("cookie") is None


def test_a_large_delivery_arrives_whole(client: httpx.Client) -> None:
    digest = hashlib.sha256()
    with client.stream("GET", "/p/film?chunks=200") as reply:
        assert reply.headers["content-length"] == str(200 * len(CHUNK))
        for chunk in reply.iter_raw():
            digest.update(chunk)

    assert digest.digest() == hashlib.sha256(CHUNK * 200).digest()


def test_head_tells_the_length_without_the_bytes(client: httpx.Client) -> None:
    reply = client.head("/p/film?chunks=3")

    assert reply.headers["content-length"] == str(3 * len(CHUNK))
    assert reply.content == b""


def test_redirects_are_passed_on_never_followed(client: httpx.Client) -> None:
    reply = client.get("/api/v1/library/away")

    assert reply.status_code == 307
    assert reply.headers["location"] == "http://127.0.0.1:1/elsewhere"


def test_a_reply_that_breaks_off_is_not_passed_off_as_whole(client: httpx.Client) -> None:
    with client.stream("GET", "/api/v1/library/torn") as reply:
        assert reply.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            reply.read()


def test_a_service_that_takes_too_long_is_a_504(connect: Connect, services: dict[str, Service]) -> None:
    reply = connect(read_timeout=0.2).get("/api/v1/library/slow")

    assert (reply.status_code, reply.json()["code"]) == (504, "upstream_timeout")
    assert reply.json()["service"] == "catalog"
    assert services["catalog"].left.wait(10)


def test_a_service_that_is_down_is_named(connect: Connect, services: dict[str, Service]) -> None:
    urls = {name: service.url for name, service in services.items()} | {"catalog": "http://127.0.0.1:1"}
    client = connect(service_urls=urls)

    for _ in range(8):  # the breaker opens in the middle; nobody outside can tell
        reply = client.get("/api/v1/library")
        assert reply.status_code == 503
        assert reply.headers["content-type"] == "application/problem+json"
        assert int(reply.headers["retry-after"]) > 0
        assert reply.json()["service"] == "catalog"
    assert client.get("/api/v1/clips", headers=KEY).status_code == 200  # the others are served as ever


def test_a_json_body_may_not_be_endless(connect: Connect, services: dict[str, Service]) -> None:
    client = connect(json_limit=1024)
    headers = KEY | {"Content-Type": "application/json"}

    assert client.post("/api/v1/clips", content=b" " * 2000, headers=headers).status_code == 413
    assert not services["render"].seen
    assert client.post("/api/v1/clips", content=iter([b" " * 600] * 3), headers=headers).status_code == 413


def test_a_client_that_stops_sending_is_told(connect: Connect) -> None:
    with raw.opened(str(connect(body_timeout=0.2).base_url)) as connection:
        begin_upload(connection, announced=1000, sent=10)
        assert b" 408 " in connection.recv(4096)


def begin_upload(connection: socket.socket, *, announced: int, sent: int) -> None:
    connection.sendall(
        b"PATCH /api/v1/uploads/u1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer csk_all\r\n"
        b"Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n" % announced
    )
    connection.sendall(b"x" * sent)
