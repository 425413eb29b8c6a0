"""Rates are limited by address, account, key and e-mail address, in Redis, and without it (T23)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from gateway.limits import _SCRIPT, Memory, Rate, Standing, parse
from gateway.settings import GatewaySettings
from infra.onehost.servers import Valkey, running_valkey
from tests.services.gateway.services import Auth

Connect = Callable[..., httpx.Client]
WRONG = {"email": "ada@example.org", "password": "wrong"}


def attempt(client: httpx.Client, email: str = "ada@example.org", **headers: str) -> httpx.Response:
    return client.post("/api/v1/auth/sign-in", json=WRONG | {"email": email}, headers=headers)


def test_guessing_passwords_is_slowed_down(connect: Connect, auth: Auth) -> None:
    client = connect(sign_in_limit="3/minute")
    assert [attempt(client).status_code for _ in range(4)] == [401, 401, 401, 429]

    reply = attempt(client)

    assert reply.status_code == 429
    assert reply.json()["code"] == "too_many_requests"
    assert 0 < int(reply.headers["retry-after"]) <= 20, "one more each third of a minute"
    assert reply.headers["ratelimit-policy"] == '"sign-in";q=3;w=60'
    assert reply.headers["ratelimit"] == f'"sign-in";r=0;t={reply.headers["retry-after"]}'
    assert len(auth.seen) == 3
    assert client.get("/api/v1/session").status_code == 200  # the rest goes on


def test_after_the_time_it_named_one_more_may_pass(connect: Connect) -> None:
    client = connect(sign_in_limit="2/second")
    codes = [attempt(client).status_code for _ in range(2)]
    refused = attempt(client)
    time.sleep(int(refused.headers["retry-after"]))  # what is tested is the promise of just that time

    assert [*codes, refused.status_code, attempt(client).status_code] == [401, 401, 429, 401]


def test_answers_that_pass_tell_how_many_are_left(connect: Connect, auth: Auth) -> None:
    auth.admit("csk_one")
    client = connect(address_limit="10/minute", user_limit="5/minute", key_limit="7/minute")

    def told(path: str, **headers: str) -> tuple[str, str]:
        reply = client.get(path, headers=headers)
        return reply.headers["ratelimit-policy"], reply.headers["ratelimit"]

    assert told("/api/v1/library") == ('"address";q=10;w=60', '"address";r=9;t=6')
    policy, left = told("/api/v1/library", Authorization="Bearer csk_one")
    assert policy == '"address";q=10;w=60, "user";q=5;w=60, "key";q=7;w=60'
    assert '"address";r=8;' in left
    assert '"user";r=4;' in left
    assert '"key";r=6;' in left
    assert "ratelimit" in client.get("/api/v1/clips").headers, "a refusal for another reason was counted too"


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


def test_each_key_counts(connect: Connect, auth: Auth) -> None:
    first, second = auth.admit("csk_one"), auth.admit("csk_two")
    auth.identities["csk_two"]["user_id"] = str(first)  # two keys of one person
    del second
    client = connect(key_limit="2/hour")

    def codes(key: str, times: int) -> list[int]:
        headers = {"Authorization": f"Bearer {key}"}
        return [client.get("/api/v1/clips", headers=headers).status_code for _ in range(times)]

    assert codes("csk_one", 3) == [200, 200, 429]
    assert codes("csk_two", 1) == [200]


def test_one_account_is_guessed_at_slowly_from_wherever(connect: Connect, auth: Auth, valkey: Valkey) -> None:
    client = connect(trusted_proxies="127.0.0.0/8")  # with the limits as they come

    def codes(email: str, times: int, net: int) -> list[int]:
        return [
            attempt(client, email, **{"X-Forwarded-For": f"203.0.{net}.{number}"}).status_code
            for number in range(times)
        ]

    assert codes("ada@example.org", 12, 1) == [401] * 10 + [429] * 2
    assert codes(" Ada@EXAMPLE.org ", 1, 2) == [429], "the same account"
    assert codes("\uff41da@example.org", 1, 3) == [429], "and in full-width letters"
    assert codes("bea@example.org", 1, 1) == [401]
    assert len(auth.seen) == 11
    with redis.Redis.from_url(valkey.url) as connection:
        keys = b" ".join(connection.keys())
    assert b"example" not in keys
    assert hashlib.sha256(b"ada@example.org").hexdigest().encode() in keys


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"email": 1}', b'{"email": null}', b"\xff", b"9" * 5000])
def test_what_names_nobody_is_the_services_to_refuse(connect: Connect, auth: Auth, body: bytes) -> None:
    client = connect(email_limit="1/hour")

    reply = client.post("/api/v1/auth/sign-in", content=body, headers={"Content-Type": "application/json"})

    assert reply.status_code == 500, "this auth fails on it; what counts is that the gateway did not"


def test_searching_has_a_rate_of_its_own(connect: Connect, auth: Auth) -> None:
    auth.admit("csk_one")
    client = connect(search_limit="2/minute")

    def code(query: str, **headers: str) -> int:
        return client.get(f"/api/v1/library{query}", headers=headers).status_code

    assert [code("?q=%C3%B6l"), code("?limit=5&%71=%FF"), code("?q=c")] == [200, 200, 429]
    assert [code(""), code("?q="), code("?limit=5")] == [200] * 3, "browsing is not searching"
    assert code("?q=a", Authorization="Bearer csk_one") == 200, "a person is counted as a person"


def test_rates_by_default_are_those_that_were_decided() -> None:
    rates = GatewaySettings().rates()

    assert {name: rates[name] for name in ("sign_in", "email", "sign_up", "search", "import")} == {
        "sign_in": "20/minute",
        "email": "10/minute",
        "sign_up": "30/hour",
        "search": "120/minute",
        "import": "120/hour",
    }


def test_a_hundred_forged_addresses_are_one_address(connect: Connect, auth: Auth) -> None:
    """T23, with the limits as they come: 429 on schedule."""
    client = connect(email_limit="1000/minute")
    forged = [
        {"X-Forwarded-For": f"10.0.0.{number}", "X-Real-IP": f"10.0.1.{number}", "Forwarded": f"for=10.0.2.{number}"}
        for number in range(100)
    ]
    began = time.monotonic()
    codes = [attempt(client, **headers).status_code for headers in forged]
    allowed = 20 + int((time.monotonic() - began) / 3) + 1  # one more each three seconds

    assert codes[:20] == [401] * 20
    assert 20 <= codes.count(401) <= allowed
    assert set(codes) == {401, 429}
    assert len(auth.seen) == codes.count(401)


def test_addresses_of_one_subscriber_are_one_address(connect: Connect) -> None:
    """T23: rotating within a /64."""
    client = connect(email_limit="1000/minute", trusted_proxies="127.0.0.0/8")

    def codes(prefix: str) -> list[int]:
        addresses = [f"{prefix}:{number:x}:{number:x}::{number:x}" for number in range(25)]
        return [attempt(client, **{"X-Forwarded-For": address}).status_code for address in addresses]

    found = codes("2001:db8:1:2")
    assert found[:20] == [401] * 20
    assert found.count(429) >= 4
    assert codes("2001:db8:1:3")[:20] == [401] * 20


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


def test_redis_being_back_is_noticed(connect: Connect, tmp_path: Path) -> None:
    with running_valkey(tmp_path) as server:
        client = connect(sign_in_limit="2/minute", redis_url=server.url)
        assert attempt(client).status_code == 401
    assert [attempt(client).status_code for _ in range(4)] == [401, 401, 429, 429]
    with running_valkey(tmp_path, server):
        deadline = time.monotonic() + 15
        while alone() != 0:
            client.get("/api/v1/session")
            assert time.monotonic() < deadline


# The algorithm


def test_rates_are_read_or_refused() -> None:
    assert parse("sign_in", "20/minute; 100/hour") == (Rate("sign-in", 20, 60), Rate("sign-in", 100, 3600))
    for wrong in ("", "20", "20/fortnight", "0/minute", "-1/minute", "many/minute", "20/minute;"):
        with pytest.raises(ValueError, match="is no rate"):
            parse("sign_in", wrong)
    with pytest.raises(ValueError, match="is no rate"):
        GatewaySettings(sign_in_limit="often")


@given(st.integers(1, 100_000), st.sampled_from([1, 60, 3600, 86400]))
def test_a_burst_is_as_large_as_the_rate_says(amount: int, window: int) -> None:
    rate = Rate("x", amount, window)
    memory, burst = Memory(), min(amount, 50)
    for number in range(1, burst + 1):
        refusals, [owed] = memory.count(["k"], [rate.cost, rate.most], 0)
        assert refusals == 0
        assert Standing(rate, owed).left == amount - number
    if burst == amount:
        assert memory.count(["k"], [rate.cost, rate.most], 0)[0] == 1


@given(
    amount=st.integers(1, 30),
    window=st.sampled_from([1, 60]),
    gaps=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=120),
)
def test_nobody_gets_more_than_a_burst_and_what_time_gives_back(amount: int, window: int, gaps: list[int]) -> None:
    rate, memory, now, passed = Rate("x", amount, window), Memory(), 0, 0
    for gap in gaps:
        now += gap
        passed += memory.count(["k"], [rate.cost, rate.most], now)[0] == 0
        assert passed <= amount + now // rate.cost


def test_one_refusal_costs_nothing_elsewhere() -> None:
    memory, tight, loose = Memory(), Rate("tight", 1, 60), Rate("loose", 5, 60)
    costs = [tight.cost, tight.most, loose.cost, loose.most]
    for _ in range(9):
        refusals, [_, owed] = memory.count(["tight", "loose"], costs, 0)
    assert refusals == 1
    assert Standing(loose, owed).left == 4


def test_redis_and_memory_count_alike(valkey: Valkey) -> None:
    """The same rates, asked in one go: both let the same number through, and are owed the same."""
    rates = [Rate("a", 7, 3600), Rate("b", 11, 86400)]
    costs = [number for rate in rates for number in (rate.cost, rate.most)]
    keys = ["test:alike:a", "test:alike:b"]
    memory = Memory()
    with redis.Redis.from_url(valkey.url) as connection:
        connection.delete(*keys)
        script = connection.register_script(_SCRIPT)
        for _ in range(9):
            refusals, *shared = script(keys, costs)
            alone_refusals, own = memory.count(keys, costs, time.monotonic_ns() // 1000)
            assert refusals == alone_refusals
            for theirs, ours in zip(shared, own, strict=True):
                assert abs(theirs - ours) < 1_000_000, "but for the time between the two"
        assert 3600 - 10 < connection.ttl(keys[0]) <= 3600, "what is paid off goes by itself"


def alone() -> float | None:
    return REGISTRY.get_sample_value("gateway_rate_limits_in_memory")
