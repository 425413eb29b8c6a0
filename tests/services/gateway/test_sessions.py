"""Signing in, staying signed in, and signing out for good."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from tests.services.gateway.services import Auth, Service
from tests.services.gateway.waiting import wait_until

Connect = Callable[..., httpx.Client]


def sign_in(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/api/v1/auth/sign-in", json={"email": "ada@example.org", "password": "right"}, headers=headers)


def token_of(client: httpx.Client) -> str:
    token: str = client.get("/api/v1/session").json()["csrf_token"]
    return token


def cookie_of(reply: httpx.Response) -> Any:
    [(name, morsel)] = SimpleCookie(reply.headers["set-cookie"]).items()
    return name, morsel


def test_the_session_token_travels_in_the_cookie_alone(client: httpx.Client) -> None:
    reply = sign_in(client)

    assert reply.status_code == 200
    name, cookie = cookie_of(reply)
    assert name == "clipstead"
    assert cookie.value.startswith("session-")
    assert cookie["httponly"]
    assert not cookie["secure"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")
    assert 29 * 86400 < int(cookie["max-age"]) <= 30 * 86400
    assert "x-session-token" not in reply.headers
    assert "x-session-expires" not in reply.headers
    assert cookie.value not in reply.text


def test_over_tls_no_other_host_or_path_can_plant_the_cookie(connect: Connect) -> None:
    name, cookie = cookie_of(sign_in(connect(public_url="https://clips.example.org")))

    assert name == "__Host-clipstead"
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["path"], cookie["domain"]) == ("/", "")


def test_a_wrong_password_sets_no_cookie(client: httpx.Client) -> None:
    reply = client.post("/api/v1/auth/sign-in", json={"email": "ada@example.org", "password": "wrong"})

    assert reply.status_code == 401
    assert "set-cookie" not in reply.headers


def test_a_redirection_may_begin_a_session_too(client: httpx.Client) -> None:
    reply = client.post("/api/v1/auth/verify", json={"code": "right"})

    assert (reply.status_code, reply.headers["location"]) == (303, "/welcome")
    assert cookie_of(reply)[1].value.startswith("session-")
    assert "x-session-token" not in reply.headers
    assert client.get("/api/v1/session").json()["user"] is not None


def test_a_reply_that_begins_no_session_leaves_the_cookie_alone(client: httpx.Client) -> None:
    sign_in(client)
    csrf = {"X-CSRF-Token": token_of(client)}

    reply = client.post("/api/v1/auth/verify", json={"code": "wrong"}, headers=csrf)

    assert reply.status_code == 303
    assert "set-cookie" not in reply.headers
    assert client.get("/api/v1/session").json()["user"] is not None


def test_the_session_says_who_is_signed_in(client: httpx.Client) -> None:
    assert client.get("/api/v1/session").json() == {"user": None, "csrf_token": None}

    user = sign_in(client).json()["user"]["id"]

    session = client.get("/api/v1/session").json()
    assert session["user"]["id"] == user
    assert session["user"]["display_name"] == "Ada"
    assert len(session["csrf_token"]) == 64


def test_services_learn_who_acts_from_a_token_meant_for_them(
    client: httpx.Client, services: dict[str, Service], auth: Auth
) -> None:
    user = sign_in(client).json()["user"]["id"]

    assert client.get("/api/v1/clips").status_code == 200

    principal = services["render"].seen[-1].principal  # verified with audience "render"
    assert str(principal.user_id) == user
    assert principal.service == "gateway"
    assert principal.scopes == {"upload", "read", "write"}
    assert str(principal.session_id) in {identity["session_id"] for identity in auth.identities.values()}


def test_signing_out_ends_the_session_at_once(connect: Connect) -> None:
    """T18."""
    client = connect(identity_ttl=5)
    stolen = sign_in(client).cookies["clipstead"]
    csrf = token_of(client)  # the identity is cached now
    assert client.get("/api/v1/clips").status_code == 200

    reply = client.post("/api/v1/auth/sign-out", headers={"X-CSRF-Token": csrf})

    assert reply.status_code == 204
    _, cookie = cookie_of(reply)
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert not client.cookies
    assert client.get("/api/v1/clips", headers={"Cookie": f"clipstead={stolen}"}).status_code == 401


def test_signing_out_twice_is_no_error(client: httpx.Client) -> None:
    reply = client.post("/api/v1/auth/sign-out", headers={"Cookie": "clipstead=long-gone"})

    assert reply.status_code == 204
    assert cookie_of(reply)[1]["max-age"] == "0"


def test_an_identity_is_believed_for_a_short_while_only(connect: Connect, auth: Auth) -> None:
    auth.admit("somebody")
    client = connect(identity_ttl=0.3)
    cookie = {"Cookie": "clipstead=somebody"}
    asked = auth.asked
    for _ in range(5):
        assert client.get("/api/v1/clips", headers=cookie).status_code == 200
    assert auth.asked == asked + 1

    auth.identities.clear()  # ended elsewhere: in another gateway, or by an administrator

    wait_until(lambda: client.get("/api/v1/clips", headers=cookie).status_code == 401)


def test_auth_being_down_lets_nobody_in(connect: Connect, auth: Auth) -> None:
    auth.admit("somebody")
    client = connect(identity_ttl=0)
    cookie = {"Cookie": "clipstead=somebody"}
    assert client.get("/api/v1/clips", headers=cookie).status_code == 200
    auth.broken = True
    try:
        reply = client.get("/api/v1/library", headers=cookie)  # even where nobody needs to be signed in
    finally:
        auth.broken = False

    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) > 0
    assert "auth" in reply.json()["detail"]
    assert client.get("/api/v1/clips", headers=cookie).status_code == 200  # the failure was not remembered


def test_an_api_key_does_what_its_scopes_allow(client: httpx.Client, auth: Auth, services: dict[str, Service]) -> None:
    user = auth.admit("csk_reader", ("read",))
    key = {"Authorization": "Bearer csk_reader"}

    assert client.get("/api/v1/clips", headers=key).status_code == 200
    assert services["render"].seen[-1].principal.user_id == user
    refused = client.post("/api/v1/clips", headers=key, json={})

    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert len(services["render"].seen) == 1


@pytest.mark.parametrize(
    "value", ["Bearer csk_unknown", "Bearer eyJhbGciOi.e30.x", "Basic YTpi", "csk_reader", "Bearer"]
)
def test_what_is_no_api_key_is_refused_even_on_open_paths(client: httpx.Client, value: str) -> None:
    reply = client.get("/api/v1/library", headers={"Authorization": value})

    assert (reply.status_code, reply.json()["code"]) == (401, "bad_credential")


def test_nobody_signed_in_gets_a_problem_document(client: httpx.Client) -> None:
    reply = client.get("/api/v1/clips")

    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["correlation_id"] == reply.headers["x-correlation-id"]


def test_open_paths_serve_people_who_are_not_signed_in(client: httpx.Client, services: dict[str, Service]) -> None:
    assert client.get("/api/v1/library?scope=public").status_code == 200
    assert services["catalog"].seen[-1].principal.acting is None
