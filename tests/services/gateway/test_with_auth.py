"""The gateway in front of the real auth service: signing up, in and out, and API keys."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.factories.services import UnderTest
from tests.services.gateway.services import Service

Connect = Callable[..., httpx.Client]
PERSON = {"email": "ada@example.org", "password": "correct horse battery staple", "display_name": "Ada"}


@pytest.fixture
def client(start: Callable[..., UnderTest], services: dict[str, Service], connect: Connect) -> httpx.Client:
    auth = start("auth")
    return connect(service_urls={name: service.url for name, service in services.items()} | {"auth": auth.url})


def test_a_person_signs_up_uses_the_platform_and_signs_out(client: httpx.Client) -> None:
    user = client.post("/api/v1/auth/sign-up", json=PERSON).raise_for_status().json()["user"]
    session = client.get("/api/v1/session").json()
    assert session["user"]["id"] == user["id"]
    assert client.get("/api/v1/auth/me").json()["user"]["email"] == PERSON["email"]
    stolen = client.cookies["clipstead"]

    reply = client.post("/api/v1/auth/sign-out", headers={"X-CSRF-Token": session["csrf_token"]})

    assert reply.status_code == 204
    assert client.get("/api/v1/auth/me").status_code == 401
    assert client.get("/api/v1/auth/me", headers={"Cookie": f"clipstead={stolen}"}).status_code == 401

    back = client.post("/api/v1/auth/sign-in", json={key: PERSON[key] for key in ("email", "password")})
    assert back.status_code == 200
    assert client.cookies["clipstead"] != stolen


def test_a_planted_session_does_not_survive_signing_in(client: httpx.Client) -> None:
    client.cookies.set("clipstead", "planted", domain="127.0.0.1", path="/")

    client.post("/api/v1/auth/sign-up", json=PERSON).raise_for_status()

    assert "planted" not in {cookie.value for cookie in client.cookies.jar}


def test_an_api_key_opens_what_its_scopes_say(client: httpx.Client, services: dict[str, Service]) -> None:
    client.post("/api/v1/auth/sign-up", json=PERSON).raise_for_status()
    csrf = {"X-CSRF-Token": client.get("/api/v1/session").json()["csrf_token"]}
    made = client.post("/api/v1/auth/api-keys", json={"name": "cli", "scopes": ["read"]}, headers=csrf).json()
    client_key = {"Authorization": f"Bearer {made['key']}", "Cookie": ""}

    assert client.get("/api/v1/clips", headers=client_key).status_code == 200
    assert services["render"].seen[-1].principal.scopes == {"read"}
    assert client.post("/api/v1/clips", json={}, headers=client_key).json()["code"] == "missing_scope"


def test_only_an_administrator_reaches_the_rules_of_the_platform(
    start: Callable[..., UnderTest], services: dict[str, Service], connect: Connect
) -> None:
    auth = start("auth", CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL=PERSON["email"])
    urls = {name: service.url for name, service in services.items()} | {"auth": auth.url}
    admin, user = connect(service_urls=urls), connect(service_urls=urls)
    rules = {"originals": 30, "renditions": None, "imports": None}

    assert user.get("/api/v1/admin/retention").status_code == 401
    user.post("/api/v1/auth/sign-up", json=PERSON | {"email": "eve@example.org"}).raise_for_status()
    csrf = {"X-CSRF-Token": user.get("/api/v1/session").json()["csrf_token"]}
    for refused in (
        user.get("/api/v1/admin/retention"),
        user.put("/api/v1/admin/retention", json=rules, headers=csrf),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert not services["catalog"].seen

    admin.post("/api/v1/auth/sign-up", json=PERSON).raise_for_status()
    session = admin.get("/api/v1/session").json()
    assert "admin" in session["user"]["scopes"]
    assert admin.put("/api/v1/admin/retention", json=rules).status_code == 403, "no other site sets them"
    csrf = {"X-CSRF-Token": session["csrf_token"]}
    assert admin.put("/api/v1/admin/retention", json=rules, headers=csrf).status_code == 200
    assert "admin" in services["catalog"].seen[-1].principal.scopes
