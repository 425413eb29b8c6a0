"""Rates are limited by address and by person, in Redis, and without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from infra.onehost.servers import running_valkey
from tests.services.gateway.services import Auth

Connect = Callable[..., httpx.Client]
WRONG = {"email": "ada@example.org", "password": "wrong"}


def attempt(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/api/v1/auth/sign-in", json=WRONG, headers=headers)


def test_guessing_passwords_is_slowed_down(connect: Connect, auth: Auth) -> None:
    client = connect(sign_in_limit="3/minute")
    assert [attempt(client).status_code for _ in range(4)] == [401, 401, 401, 429]

    reply = attempt(client)

    assert reply.status_code == 429
    assert reply.json()["code"] == "too_many_requests"
    assert 0 < int(reply.headers["retry-after"]) <= 60
    assert reply.headers["ratelimit-policy"] == '"sign-in";q=3;w=60'
    assert reply.headers["ratelimit"].startswith('"sign-in";r=0;t=')
    assert len(auth.seen) == 3
    assert client.get("/api/v1/session").status_code == 200  # the rest goes on


def test_a_forged_address_is_no_way_around(connect: Connect) -> None:
    client = connect(sign_in_limit="3/minute")

    codes = [attempt(client, **{"X-Forwarded-For": f"10.0.0.{number}"}).status_code for number in range(5)]

    assert codes == [401, 401, 401, 429, 429]


def test_behind_a_trusted_proxy_each_client_counts(connect: Connect) -> None:
    client = connect(sign_in_limit="1/minute", trusted_proxies="127.0.0.0/8")

    def code(forwarded: str) -> int:
        return attempt(client, **{"X-Forwarded-For": forwarded}).status_code

    assert code("203.0.113.1") == 401
    assert code("203.0.113.1") == 429
    assert code("203.0.113.2") == 401
    assert code("6.6.6.6, 203.0.113.2") == 429  # what the client wrote itself is not believed
    assert code("2001:db8:1:2::1") == 401
    assert code("2001:db8:1:2:ffff::9") == 429  # the same subscriber
    assert code("2001:db8:1:3::1") == 401


def test_people_are_counted_one_by_one(connect: Connect, auth: Auth) -> None:
    auth.admit("csk_one")
    auth.admit("csk_two")
    client = connect(import_limit="2/hour")

    def codes(key: str, times: int) -> list[int]:
        headers = {"Authorization": f"Bearer {key}"}
        return [client.post("/api/v1/imports", json={}, headers=headers).status_code for _ in range(times)]

    assert codes("csk_one", 3) == [200, 200, 429]
    assert codes("csk_two", 1) == [200]


def test_gateways_count_together(connect: Connect) -> None:
    one, other = connect(sign_in_limit="2/minute"), connect(sign_in_limit="2/minute")

    assert [attempt(client).status_code for client in (one, other, one, other)] == [401, 401, 429, 429]


def test_without_redis_a_gateway_counts_for_itself(
    connect: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_valkey(tmp_path) as server:
        client = connect(sign_in_limit="2/minute", redis_url=server.url)
        assert attempt(client).status_code == 401
        assert alone() == 0
    codes = [attempt(client).status_code for _ in range(4)]

    assert codes == [401, 401, 429, 429]
    assert alone() == 1
    assert capsys.readouterr().err.count("Redis is away") == 1


def alone() -> float | None:
    return REGISTRY.get_sample_value("gateway_rate_limits_in_memory")
