"""Threats T25, T26 and T33 with the inputs and outcomes that the threat model gives, through the whole gateway."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from tests.factories.services import UnderTest
from tests.services.gateway import raw
from tests.services.gateway.services import Auth, Service

Connect = Callable[..., httpx.Client]
KEY = {"Authorization": "Bearer csk_all"}
BRIEF = 0.1  # seconds in which a refusal has to come
TRIES = 3  # of which one has to be brief: other processes share these cores


@pytest.mark.parametrize("path", ["/api/..%2finternal", "//internal", "/a/../internal"])
def test_path_confusion(address: str, services: dict[str, Service], path: str) -> None:
    """T25."""
    reply = raw.get(address, path)

    assert (reply.status, reply.json()["code"]) == (400, "bad_request")
    assert not any(service.seen for service in services.values())


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", ["X-User-Id", "X_User_Id", "x-user-id", "X-USER-ID", "X-User_Id"])
def test_nobody_says_who_they_are(
    address: str, auth: Auth, services: dict[str, Service], name: str, times: int
) -> None:
    """T26: both spellings, alone and twice."""
    somebody = auth.admit("csk_all")
    claims = [f"{name}: {uuid4()}"] * times + ["X-User-Role: admin", "X_User_Email: root@example.org"]

    assert raw.get(address, "/api/v1/library", *claims).status == 200
    anonymous = services["catalog"].seen[-1]
    assert raw.get(address, "/api/v1/clips", "Authorization: Bearer csk_all", *claims).status == 200
    known = services["render"].seen[-1]

    assert anonymous.principal.acting is None
    assert (known.principal.acting, known.principal.role) == (somebody, "user")
    names = {header.replace("_", "-") for seen in (anonymous, known) for header, _ in seen.headers}
    assert not [header for header in names if header.startswith("x-user-")]


@pytest.mark.parametrize("token", ["", "forged", "e30.e30.e30"])
def test_a_service_asked_past_the_gateway_knows_nobody(services: dict[str, Service], token: str) -> None:
    """T26: what the real services answer is in tests/libs/test_tokens.py; these verify as they do."""
    headers = {"X-User-Id": str(uuid4())} | ({"X-Service-Token": token} if token else {})

    assert httpx.get(services["render"].url + "/v1/clips", headers=headers, trust_env=False).status_code == 401


def test_a_forged_token_is_replaced(client: httpx.Client, services: dict[str, Service]) -> None:
    for headers in ([("X-Service-Token", "forged")], [("X-Service-Token", "a"), ("x_service_token", "b")]):
        assert client.get("/api/v1/library", headers=headers).status_code == 200
        assert services["catalog"].seen[-1].principal.service == "gateway"


def seconds(ask: Callable[[], int]) -> float:
    """How long the briefest of some tries takes, each of which has to be refused."""
    spent = []
    for _ in range(TRIES):
        began = time.monotonic()
        status = ask()
        spent.append(time.monotonic() - began)
        assert 400 <= status < 500
    return min(spent)


def test_ten_thousand_ranges(address: str, services: dict[str, Service]) -> None:
    """T33."""
    ranges = "Range: bytes=" + ",".join(f"{number}-{number}" for number in range(10_000))

    assert seconds(lambda: raw.get(address, "/p/film?chunks=1", ranges).status) < BRIEF
    assert not services["stream"].seen


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


@pytest.mark.parametrize(
    "body",
    [
        form(*[b'Content-Disposition: form-data; name="x"\r\n\r\n1'] * 10_000),
        form(b'Content-Disposition: form-data; name="file"; filename="' + b"a" * 1_000_000 + b'"\r\n\r\n1'),
        form(
            b'Content-Disposition: form-data; name="file"; filename="a"\r\nX-Long: ' + b"a" * 1_000_000 + b"\r\n\r\n1"
        ),
    ],
    ids=["10k parts", "1 MB of a part's name", "1 MB of a part's header"],
)
def test_floods_of_parts_and_headers(
    start: Callable[..., UnderTest], connect: Connect, services: dict[str, Service], auth: Auth, body: bytes
) -> None:
    """T33, with the real service that takes forms behind."""
    auth.admit("csk_all")
    ingest = start("ingest", CLIPSTEAD_DISK_RESERVE="0")
    client = connect(service_urls={name: service.url for name, service in services.items()} | {"ingest": ingest.url})
    headers = KEY | {"Content-Type": "multipart/form-data; boundary=b"}
    client.get("/api/v1/imports/x", headers=KEY)  # connections stand

    assert seconds(lambda: client.post("/api/v1/media", content=body, headers=headers).status_code) < BRIEF
    assert not list((ingest.home / "work").rglob("*.part"))
