"""What services and auth learn about a caller: groups, role, key, and whom a trusted system acts for."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest

from libs.web.tokens import UNSIGNED
from tests.services.gateway import raw
from tests.services.gateway.services import Auth, Service

Connect = Callable[..., httpx.Client]
ARCHIVE = {"Authorization": "Bearer csk_archive"}
BEA = "bea@example.org"


@pytest.fixture
def bea(auth: Auth) -> UUID:
    """Somebody for whom the archive's key acts."""
    auth.admit("csk_archive", ("read", "write", "delegate"))
    return auth.admit("csk_archive", ("read", "write"), BEA, key_id=str(uuid4()), delegate="the archive")


def test_services_learn_groups_role_and_key(client: httpx.Client, auth: Auth, services: dict[str, Service]) -> None:
    groups, key = [uuid4(), uuid4()], uuid4()
    auth.admit("csk_mod", groups=[str(group) for group in groups], role="moderator", key_id=str(key))

    assert client.get("/api/v1/clips", headers={"Authorization": "Bearer csk_mod"}).status_code == 200

    principal = services["render"].seen[-1].principal
    assert principal.groups == set(groups)
    assert (principal.role, principal.key_id, principal.delegate) == ("moderator", key, None)


def test_auth_learns_where_a_credential_is_used(client: httpx.Client, auth: Auth) -> None:
    auth.admit("browser")
    client.get(
        "/api/v1/clips", headers={"Cookie": "clipstead=browser", "User-Agent": "Firefox", "X-Forwarded-For": "6.6.6.6"}
    )

    assert auth.questions[-1] == {"session_token": "browser", "address": "127.0.0.1", "device": "Firefox"}


def test_a_trusted_system_acts_for_the_person_it_names(
    client: httpx.Client, auth: Auth, bea: UUID, services: dict[str, Service]
) -> None:
    reply = client.post("/api/v1/clips", json={}, headers=ARCHIVE | {"X-Delegated-User-Email": BEA})

    assert reply.status_code == 200
    seen = services["render"].seen[-1]
    assert (seen.principal.user_id, seen.principal.delegate) == (bea, "the archive")
    assert auth.questions[-1]["delegated_email"] == BEA
    assert not [name for name, _ in seen.headers if "delegated" in name], "the header never goes inward"


def test_each_act_is_written_down_before_it_is_done(
    connect: Connect, auth: Auth, bea: UUID, services: dict[str, Service]
) -> None:
    auth.acts.clear()
    client = connect(identity_ttl=5)
    headers = ARCHIVE | {"X-Delegated-User-Email": BEA}
    for _ in range(2):  # each of them, though the person is known after the first
        assert client.post("/api/v1/clips?x=1", json={}, headers=headers).status_code == 200
    assert [(act["user_id"], act["delegate"]) for act in auth.acts] == [(str(bea), "the archive")] * 2
    assert (auth.acts[0]["method"], auth.acts[0]["path"]) == ("POST", "/api/v1/clips")
    client.post("/api/v1/clips", json={}, headers=ARCHIVE)
    assert len(auth.acts) == 2, "its own doing is nobody else's"

    before = len(services["render"].seen)
    auth.broken = True
    refused = client.post("/api/v1/clips", json={}, headers=headers)
    auth.broken = False
    assert (refused.status_code, len(services["render"].seen)) == (503, before), (
        "what can't be written down is not done"
    )


def test_whom_a_key_acts_for_is_part_of_what_is_remembered(connect: Connect, auth: Auth, bea: UUID) -> None:
    client = connect(identity_ttl=5)
    own = auth.identities["csk_archive"]["user_id"]

    def acting(**headers: str) -> str:
        return str(client.get("/api/v1/session", headers=ARCHIVE | headers).json()["user"]["id"])

    for _ in range(2):
        assert acting(**{"X-Delegated-User-Email": BEA}) == str(bea)
        assert acting() == own


def test_nobody_by_that_address(client: httpx.Client, bea: UUID) -> None:
    reply = client.get("/api/v1/clips", headers=ARCHIVE | {"X-Delegated-User-Email": "nobody@example.org"})

    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_delegated_user")


def test_a_key_that_is_nobodys_delegate(client: httpx.Client, auth: Auth) -> None:
    auth.admit("csk_plain")
    headers = {"Authorization": "Bearer csk_plain", "X-Delegated-User-Email": BEA}

    reply = client.get("/api/v1/clips", headers=headers)

    assert (reply.status_code, reply.json()["code"]) == (403, "missing_scope")


def test_a_wrong_key_acts_for_nobody(client: httpx.Client, bea: UUID) -> None:
    headers = {"Authorization": "Bearer csk_wrong", "X-Delegated-User-Email": BEA}

    assert client.get("/api/v1/clips", headers=headers).status_code == 401


def test_sessions_act_for_their_own_person_alone(
    client: httpx.Client, auth: Auth, services: dict[str, Service]
) -> None:
    auth.admit("browser")
    headers = {"Cookie": "clipstead=browser", "X-Delegated-User-Email": BEA}

    for path in ("/api/v1/clips", "/api/v1/library"):
        assert client.get(path, headers=headers).status_code == 400
    assert client.get("/api/v1/library", headers={"X-Delegated-User-Email": BEA}).status_code == 401
    assert not services["catalog"].seen


@pytest.mark.parametrize("lines", [("X-Delegated-User-Email: ",), ("X-Delegated-User-Email: a@b.c",) * 2])
def test_one_address_is_one_address(address: str, lines: tuple[str, ...], bea: UUID) -> None:
    reply = raw.get(address, "/api/v1/clips", "Authorization: Bearer csk_archive", *lines)

    assert reply.status == 400


def test_a_name_with_underscores_is_another_name(client: httpx.Client, auth: Auth, bea: UUID) -> None:
    client.get("/api/v1/clips", headers=ARCHIVE | {"X_Delegated_User_Email": BEA})

    assert "delegated_email" not in auth.questions[-1]


# What a token is made for (T27)


def test_small_bodies_are_signed_and_streams_are_not(
    client: httpx.Client, auth: Auth, services: dict[str, Service]
) -> None:
    auth.admit("csk_all")
    key = {"Authorization": "Bearer csk_all"}
    body = b'{"media_id": "x"}'
    client.post("/api/v1/clips", content=iter([body[:5], body[5:]]), headers=key | {"Content-Type": "application/json"})
    token = services["render"].tokens[-1]
    assert token.covers(body)
    assert services["render"].seen[-1].header("content-length") == str(len(body))
    assert services["render"].seen[-1].header("transfer-encoding") is None

    client.patch("/api/v1/uploads/u1", content=body, headers=key | {"Content-Type": "application/offset+octet-stream"})
    assert services["ingest"].tokens[-1].digest == UNSIGNED
    client.delete("/api/v1/uploads/u1", headers=key)
    assert services["ingest"].tokens[-1].covers(b"")


@pytest.mark.parametrize("query", ["a=%7B%22%3E", "q={x}|'\"", "?", "a=b?c=/d&e=;", "x=%2F..%2f"])
def test_a_query_arrives_as_it_was_signed(address: str, services: dict[str, Service], query: str) -> None:
    """The service would refuse a target that differs by a single character."""
    assert raw.get(address, f"/api/v1/library?{query}").status == 200
    assert services["catalog"].seen[-1].target == f"/v1/library?{query}"
