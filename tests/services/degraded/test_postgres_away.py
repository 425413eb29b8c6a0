"""PostgreSQL is away: every service says so in time, keeps living, lets nobody in, and is back soon after it."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from PIL import Image
from prometheus_client import REGISTRY

from gateway.app import create
from gateway.settings import GatewaySettings
from infra.onehost.servers import Valkey
from libs.contracts.subscriptions import SERVICES
from libs.database import new_id
from tests.factories.faultproxy import Blackhole, Clear, Fault, FaultProxy, Reset
from tests.factories.platform import wait_until
from tests.factories.recordings import tone
from tests.factories.services import Databases, Keys, UnderTest, served

ME, ID, SESSION = new_id(), new_id(), new_id()
LIMIT = 2.0  # seconds
RECOVERY = 10.0  # seconds
TUS = {"Tus-Resumable": "1.0.0"}
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n'
PERSON = {"email": "ada@example.org", "password": "correct horse battery staple"}

# What answers without its database, because it is the same for everybody and always.
CONSTANT = {
    "/v1/uploads OPTIONS",
    "/v1/uploads/{upload_id} OPTIONS",
    "/v1/presets GET",
    "/v1/auth/oidc GET",
    "/v1/auth/oidc/{provider}/begin GET",  # of one that is not set up
    "/s/static/{name} GET",
    "/s/static/{name} HEAD",
}
SCOPES = {"upload", "read", "write", "admin"}
SECRET = "c" * 24


def picture() -> bytes:
    """A small PNG."""
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "PNG")
    return written.getvalue()


SPECIAL: dict[str, dict[str, Any]] = {
    "/v1/admin/retention PUT": {"json": {"originals": None, "renditions": None, "imports": None}},
    "/v1/auth/sign-up POST": {"json": PERSON},
    "/v1/auth/sign-in POST": {"json": PERSON},
    "/v1/auth/api-keys POST": {"json": {"name": "cli", "scopes": ["read"]}},
    "/internal/acts POST": {
        "json": {
            "user_id": str(ME),
            "key_id": str(ID),
            "delegate": "archive",
            "method": "GET",
            "path": "/api/v1/clips",
            "correlation_id": "c1",
        }
    },
    "/v1/groups POST": {"json": {"name": "Climbers"}},
    "/v1/groups/{group_id} PATCH": {"json": {"name": "Climbers"}},
    "/v1/groups/{group_id}/members/{user_id} PATCH": {"json": {"role": "member"}},
    "/v1/groups/{group_id}/invitations POST": {"json": {}},
    "/v1/invitations/look POST": {"json": {"token": SECRET}},
    "/v1/invitations/accept POST": {"json": {"token": SECRET}},
    "/v1/admin/users/{user_id} PATCH": {"json": {"role": "speaker"}},
    "/v1/admin/accounts PUT": {"json": {"sign_up": "open", "verify_email": False, "admins_need_second_factor": False}},
    "/v1/admin/invitations POST": {"json": {}},
    "/v1/auth/prove POST": {"json": {"password": PERSON["password"]}},
    "/v1/auth/password POST": {"json": {"new": PERSON["password"]}},
    "/v1/auth/password/forgotten POST": {"json": {"email": PERSON["email"]}},
    "/v1/auth/password/reset POST": {"json": {"code": SECRET, "password": PERSON["password"]}},
    "/v1/auth/verify POST": {"json": {"code": SECRET}},
    "/v1/auth/address POST": {"json": {"email": "ada@example.net"}},
    "/v1/auth/address/confirm POST": {"json": {"code": SECRET}},
    "/v1/auth/sign-in/second POST": {"json": {"challenge": SECRET, "totp": "123456"}},
    "/v1/auth/sign-in/passkey POST": {"json": {"challenge": SECRET, "credential": {"rawId": "AA"}}},
    "/v1/auth/totp/confirm POST": {"json": {"code": "123456"}},
    "/v1/auth/totp DELETE": {"json": {"code": "123456"}},
    "/v1/auth/passkeys POST": {"json": {"challenge": SECRET, "credential": {"rawId": "AA"}, "name": "phone"}},
    "/v1/auth/passkeys/{passkey_id} PATCH": {"json": {"name": "phone"}},
    "/v1/auth/me PATCH": {"json": {"display_name": "Ada"}},
    "/v1/auth/me DELETE": {"json": {}},
    "/v1/auth/me/avatar PUT": {"headers": {"Content-Type": "image/png"}, "content": picture()},
    "/internal/resolve POST": {"json": {"session_token": "x" * 40}},
    "/v1/uploads POST": {"headers": TUS | {"Upload-Length": "10"}},
    "/v1/uploads/{upload_id} HEAD": {"headers": TUS},
    "/v1/uploads/{upload_id} DELETE": {"headers": TUS},
    "/v1/uploads/{upload_id} PATCH": {
        "headers": TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
        "content": b"x",
    },
    "/v1/media POST": {"headers": {"Content-Type": "multipart/form-data; boundary=b"}, "content": FORM},
    "/v1/imports POST": {"json": {"url": "https://example.org/a.mp4"}},
    "/internal/originals/{media_id} GET": {"issuer": "render"},
    "/internal/transcripts/{media_id} GET": {"issuer": "render"},
    "/internal/moments/{media_id} GET": {"issuer": "render"},
    "/v1/media/{media_id}/moments POST": {"json": {}},
    "/v1/transcripts/search GET": {"params": {"q": "bees"}},
    "/v1/media/{media_id}/transcript/edits POST": {
        "json": {"kind": "review", "reviewed": True},
        "headers": {"If-Match": "*"},
    },
    "/v1/media/{media_id}/transcript/undo POST": {"headers": {"If-Match": "*"}},
    "/v1/media/{media_id}/transcript/redo POST": {"headers": {"If-Match": "*"}},
    "/v1/clips POST": {"json": {"media_id": str(ID), "start": 0, "end": 10}},
    "/v1/library/{media_id} PATCH": {"json": {"title": "x"}, "headers": {"If-Match": "*"}},
    "/v1/playback POST": {"json": {"media_id": str(ID)}},
    "/v1/shares POST": {"json": {"media_id": str(ID)}},
    "/v1/shares GET": {"params": {"media_id": str(ID)}},
}


@pytest.fixture
def proxy(databases: Databases) -> Iterator[FaultProxy]:
    """The way to PostgreSQL."""
    with FaultProxy("127.0.0.1", databases.server.port) as made:
        yield made
        made.fault = Reset()


@pytest.fixture
def behind(start: Callable[..., UnderTest], databases: Databases, proxy: FaultProxy) -> Callable[[str], UnderTest]:
    """Start a service whose way to PostgreSQL is the proxy."""

    def begin(name: str) -> UnderTest:
        url = urlsplit(databases.url(name))
        return start(
            name,
            CLIPSTEAD_DATABASE_URL=url._replace(netloc=url.netloc.replace(str(url.port), str(proxy.port))).geturl(),
            CLIPSTEAD_DISK_RESERVE="0",
            CLIPSTEAD_LINK_SECRET="l" * 32,
        )

    return begin


def offered(service: UnderTest) -> list[tuple[str, str]]:
    """Every path of a service with each of its methods."""
    return [
        (route.path, method)
        for router in service.module.service.routers
        for route in router.routes
        for method in sorted(route.methods)
    ]


def token_for(path: str) -> str:
    from services.stream import links
    from services.stream.settings import settings

    kind = links.Kind.GRANT if path.startswith("/p/") else links.Kind.SHARE
    link = links.Link(kind, ID, new_id(), datetime.now(UTC) + timedelta(hours=1))
    return links.sign(link, settings().link_secrets()[0])


def call(service: UnderTest, path: str, method: str) -> tuple[httpx.Response, float]:
    """Send a request that would be well-formed; its reply, and how long that took."""
    special = {"by": ME, "session_id": SESSION, **SPECIAL.get(f"{path} {method}", {})}
    filled = path.replace("{name}", "share.css")
    if "{token}" in filled:
        filled = filled.replace("{token}", token_for(path))
    filled = re.sub(r"\{\w+\}", str(ID), filled)
    started = time.monotonic()
    reply = service.call(method, filled, scopes=SCOPES, **special)
    return reply, time.monotonic() - started


@pytest.mark.parametrize("name", SERVICES)
def test_every_route_says_so_in_time_and_is_back_soon(
    behind: Callable[[str], UnderTest], proxy: FaultProxy, name: str
) -> None:
    service = behind(name)
    if name == "render":
        service.peers["ingest"].answers[f"/internal/originals/{ID}"] = (503, {"code": "unavailable"})
    asked = [place for place in offered(service) if " ".join(place) not in CONSTANT]
    assert asked
    assert service.call("GET", "/health/ready").status_code == 200
    proxy.fault = Blackhole()

    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda place: (place, *call(service, *place)), asked * (50 // len(asked) + 1)))

    for place, reply, seconds in answers:
        assert reply.status_code == 503, (place, reply.text)
        assert int(reply.headers["retry-after"]) > 0, place
        assert seconds < LIMIT, place
        if place[1] != "HEAD":
            assert reply.headers["content-type"] == "application/problem+json", place
            assert reply.json()["code"] == "unavailable", place
    before = REGISTRY.get_sample_value("probe_failures_total", {"service": name, "probe": "ready"})
    assert service.call("GET", "/health/ready").status_code == 503
    assert service.call("GET", "/health/live").status_code == 200
    assert before is not None  # Prometheus has seen it at 0
    assert REGISTRY.get_sample_value("probe_failures_total", {"service": name, "probe": "ready"}) == before + 1

    proxy.fault = Clear()
    until = time.monotonic() + RECOVERY
    while service.call("GET", "/health/ready").status_code != 200:
        assert time.monotonic() < until
        threading.Event().wait(0.05)
    for place in asked:
        if name != "render" and place[0] != "/v1/events":  # whose peer is still away; which has no end
            assert call(service, *place)[0].status_code < 500, place


def test_what_is_constant_goes_on(behind: Callable[[str], UnderTest], proxy: FaultProxy) -> None:
    render = behind("render")
    proxy.fault = Blackhole()
    assert call(render, "/v1/presets", "GET")[0].status_code == 200


@pytest.mark.parametrize("fault", [Blackhole(), Reset()], ids=["hangs", "resets"])
def test_worker_and_relay_outlive_it(
    behind: Callable[[str], UnderTest], databases: Databases, valkey: Valkey, proxy: FaultProxy, fault: Fault
) -> None:
    from libs.bus.relay import Relay
    from libs.bus.worker import Worker

    for service in SERVICES:
        databases.ready(service)  # the relay looks at all of them
    ingest = behind("ingest")
    relay = Relay(databases.relay_url.replace(str(databases.server.port), str(proxy.port)), valkey.url)
    relaying = threading.Thread(target=relay.run)
    worker = Worker(ingest.module.service.actors, valkey.url)
    worker.start()
    relaying.start()
    try:
        first = checked(ingest)
        wait_until(lambda: ("received",) in ingest.rows("SELECT state FROM recordings WHERE id = %s", first), 30)
        proxy.fault = fault
        threading.Event().wait(4)  # both have met it
        proxy.fault = Clear()
        wait_until(lambda: ingest.call("GET", "/health/ready").status_code == 200, RECOVERY)
        second = checked(ingest)
        wait_until(lambda: ("received",) in ingest.rows("SELECT state FROM recordings WHERE id = %s", second), 30)
        sent = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
        wait_until(lambda: ingest.rows(sent) == [(0,)], 30)
    finally:
        worker.stop(timeout=5)
        relay.stop()
        relaying.join(30)
    assert not relaying.is_alive()


def checked(ingest: UnderTest) -> UUID:
    """Upload a recording, which is then to be checked by the worker."""
    data = tone(0.5)
    created = ingest.call("POST", "/v1/uploads", by=ME, headers=TUS | {"Upload-Length": str(len(data))})
    path = created.headers["Location"].removeprefix("/api")
    headers = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert ingest.call("PATCH", path, by=ME, headers=headers, content=data).status_code == 204
    return UUID(path.rpartition("/")[2])


class TestTheGateway:
    """The gateway before the real auth service, whose PostgreSQL goes away."""

    @pytest.fixture
    def client(
        self, behind: Callable[[str], UnderTest], valkey: Valkey, keys: Keys, tmp_path: Path
    ) -> Iterator[Callable[..., httpx.Client]]:
        auth = behind("auth")
        with ExitStack() as stack:

            def make(**changed: Any) -> httpx.Client:
                settings = GatewaySettings(
                    redis_url=valkey.url,
                    service_key=keys.private["gateway"],
                    csrf_secret="0123456789abcdef" * 2,
                    service_urls={**{name: stub.url for name, stub in auth.peers.items()}, "auth": auth.url},
                    web_dist=tmp_path / "dist",
                    **changed,
                )
                address = stack.enter_context(served(create(settings)))
                return stack.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=20))

            yield make

    def test_nobody_is_let_in_and_nobody_is_shut_out(
        self, client: Callable[..., httpx.Client], proxy: FaultProxy
    ) -> None:
        person, stranger = client(identity_ttl=0), client(identity_ttl=0)
        person.post("/api/v1/auth/sign-up", json=PERSON).raise_for_status()
        proxy.fault = Blackhole()

        stranger.cookies.set("clipstead", "forged")
        for visitor in (person, stranger):
            for path in ("/api/v1/session", "/api/v1/library", "/api/v1/auth/me", "/api/v1/clips"):
                started = time.monotonic()
                reply = visitor.get(path)
                assert reply.status_code == 503, path  # neither signed in, nor anonymous, nor refused
                assert int(reply.headers["retry-after"]) > 0
                assert time.monotonic() - started < LIMIT
                assert "set-cookie" not in reply.headers
        refused = stranger.post("/api/v1/auth/sign-in", json=PERSON, headers={"Cookie": ""})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")  # as auth said it
        assert refused.json()["code"] == "unavailable"

        proxy.fault = Clear()
        until = time.monotonic() + RECOVERY
        while person.get("/api/v1/auth/me").status_code != 200:
            assert time.monotonic() < until
            threading.Event().wait(0.05)
        assert stranger.get("/api/v1/auth/me").status_code == 401

    def test_an_identity_is_believed_for_its_time_and_no_longer(
        self, client: Callable[..., httpx.Client], proxy: FaultProxy
    ) -> None:
        person = client(identity_ttl=2)
        person.post("/api/v1/auth/sign-up", json=PERSON).raise_for_status()
        assert person.get("/api/v1/session").json()["user"] is not None
        known = time.monotonic()
        proxy.fault = Blackhole()

        codes = []
        while time.monotonic() < known + 4:
            asked = time.monotonic()
            codes.append((asked - known, person.get("/api/v1/session").status_code))
            threading.Event().wait(0.05)  # no faster than the rate limit
        assert {code for _, code in codes} == {200, 503}
        assert all(code == 503 for asked, code in codes if asked > 2)
