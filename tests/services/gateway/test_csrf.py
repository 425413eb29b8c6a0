"""No other site can change anything with a browser's cookie, nor sign a browser in."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from gateway.csrf import Guard
from tests.services.gateway.conftest import SECRET
from tests.services.gateway.services import Auth, Service

OWN = "http://localhost:3000"
EVIL = "https://evil.example"


@pytest.fixture
def signed_in(client: httpx.Client, auth: Auth) -> httpx.Client:
    auth.admit("browser")
    client.headers["Cookie"] = "clipstead=browser"
    return client


def token(client: httpx.Client) -> str:
    value: str = client.get("/api/v1/session").json()["csrf_token"]
    return value


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": OWN}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": OWN}, 200),
        ({}, 200),  # no browser
        ({"Sec-Fetch-Site": "cross-site", "Origin": EVIL}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost:3000"}, 403),
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3001"}, 403),
        ({"Origin": "http://localhost:3000.evil.example"}, 403),
    ],
)
def test_where_a_change_may_come_from(signed_in: httpx.Client, headers: dict[str, str], status: int) -> None:
    reply = signed_in.post("/api/v1/clips", json={}, headers={"X-CSRF-Token": token(signed_in), **headers})

    assert reply.status_code == status
    if status == 403:
        assert reply.json()["code"] == "cross_site"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_changes_need_the_token_of_their_own_session(
    signed_in: httpx.Client, auth: Auth, method: str, services: dict[str, Service]
) -> None:
    path = "/api/v1/clips" if method == "POST" else "/api/v1/library/1"
    auth.admit("other")
    others = signed_in.get("/api/v1/session", headers={"Cookie": "clipstead=other"}).json()["csrf_token"]

    for given in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 64}, {"X-CSRF-Token": others}):
        reply = signed_in.request(method, path, headers=given)
        assert (reply.status_code, reply.json()["code"]) == (403, "csrf_token")
    assert not services["render"].seen
    assert not services["catalog"].seen

    assert signed_in.request(method, path, headers={"X-CSRF-Token": token(signed_in)}).status_code == 200


def test_a_planted_pair_of_cookie_and_header_is_worth_nothing(signed_in: httpx.Client) -> None:
    """T17."""
    planted = {"Cookie": "clipstead=browser; csrf_token=abc", "X-CSRF-Token": "abc"}

    assert signed_in.post("/api/v1/clips", json={}, headers=planted).status_code == 403


def test_reading_needs_no_token(signed_in: httpx.Client) -> None:
    assert signed_in.get("/api/v1/clips", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_api_keys_need_no_token(client: httpx.Client, auth: Auth) -> None:
    auth.admit("csk_writer")

    reply = client.post(
        "/api/v1/clips", json={}, headers={"Authorization": "Bearer csk_writer", "Cookie": "clipstead=x"}
    )

    assert reply.status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/auth/sign-in", "/api/v1/auth/sign-up"])
def test_no_site_can_sign_a_browser_in_as_somebody_else(client: httpx.Client, path: str, auth: Auth) -> None:
    """T17."""
    person = {"email": "eve@evil.example", "password": "right"}

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": EVIL}, {"Sec-Fetch-Site": "same-site"}):
        reply = client.post(path, json=person, headers=headers)
        assert reply.status_code == 403
        assert "set-cookie" not in reply.headers
    assert not auth.seen
    assert client.post(path, json=person, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_json_is_not_taken_from_forms(client: httpx.Client, content_type: str, auth: Auth) -> None:
    """T17."""
    reply = client.post(
        "/api/v1/auth/sign-in", content=b'{"email": "a", "password": "right"}', headers={"Content-Type": content_type}
    )

    assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")
    assert not auth.seen


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status"),
    [
        ("POST", "/api/v1/media", "multipart/form-data; boundary=x", 200),
        ("POST", "/api/v1/media", "application/json", 415),
        ("POST", "/api/v1/clips", "multipart/form-data; boundary=x", 415),
        ("POST", "/api/v1/clips", "application/json; charset=utf-8", 200),
        ("PATCH", "/api/v1/uploads/u1", "application/offset+octet-stream", 200),
        ("PATCH", "/api/v1/uploads/u1", "application/octet-stream", 415),
        ("PATCH", "/api/v1/library/1", "application/offset+octet-stream", 415),
    ],
)
def test_each_path_takes_its_own_kind_of_body(
    signed_in: httpx.Client, method: str, path: str, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type, "X-CSRF-Token": token(signed_in)}

    assert signed_in.request(method, path, content=b"{}", headers=headers).status_code == status


def test_compressed_bodies_are_refused(signed_in: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "X-CSRF-Token": token(signed_in)}

    assert signed_in.post("/api/v1/clips", content=b"\x1f\x8b", headers=headers).status_code == 415


def test_reading_takes_no_body(client: httpx.Client) -> None:
    assert client.request("GET", "/api/v1/library", content=b"{}").status_code == 400


def test_a_page_reached_by_another_name_of_this_host_is_not_foreign() -> None:
    guard = Guard(SECRET, "https://clips.example.org", ["http://localhost:5173"])

    assert not guard.foreign(None, "http://192.168.1.5:3000", "192.168.1.5:3000")
    assert not guard.foreign("cross-site", "http://localhost:5173", "clips.example.org")  # a named, trusted origin
    assert guard.foreign(None, "http://192.168.1.6:3000", "192.168.1.5:3000")


def test_tokens_depend_on_session_and_secret() -> None:
    one, other = uuid4(), uuid4()
    guard = Guard(SECRET, OWN)

    assert guard.matches(one, Guard(SECRET, OWN).token(one))
    assert not guard.matches(other, guard.token(one))
    assert not guard.matches(one, Guard(SECRET[::-1], OWN).token(one))
    assert not guard.matches(one, "é")
