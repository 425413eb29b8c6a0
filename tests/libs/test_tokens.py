"""Service tokens: one audience, one minute, one issuer's key, one request, and for changes only once (T27)."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from infra.onehost.secrets import make_key
from infra.onehost.servers import Valkey, running_valkey
from libs.database import new_id
from libs.web import PeerRefused, problems
from libs.web.peers import Peer
from libs.web.replays import Replays
from libs.web.tokens import HEADER, LIFETIME, SKEW, Asked, BadToken, Principal, Signature, Signer, Token, Verifier
from tests.factories.services import Keys, UnderTest

ASKED = Asked.with_body("POST", "/v1/clips?x=1", b"{}")


@pytest.fixture
def verifier(keys: Keys) -> Verifier:
    return Verifier("catalog", keys.folder)


def verified(verifier: Verifier, token: str) -> Token:
    return verifier.verify(token, ASKED.method, ASKED.target)


def test_round_trip(keys: Keys, verifier: Verifier) -> None:
    user, session, group, key = new_id(), new_id(), new_id(), new_id()
    signed = keys.signer("gateway").sign(
        "catalog",
        ASKED,
        acting=user,
        scopes={"read"},
        session_id=session,
        groups=[group],
        role="moderator",
        key_id=key,
        delegate="the archive",
    )
    token = verified(verifier, signed)
    assert token.principal == Principal(
        "gateway", user, frozenset({"read"}), session, frozenset({group}), "moderator", key, "the archive"
    )
    assert token.covers(b"{}")
    assert not token.covers(b"{ }")


def test_who_is_in_no_group_has_no_claims_of_any(keys: Keys, verifier: Verifier) -> None:
    principal = verified(verifier, keys.signer("auth").sign("catalog", ASKED)).principal
    assert (principal.groups, principal.role, principal.key_id, principal.delegate) == (frozenset(), "user", None, None)


def test_wrong_audience_is_refused(keys: Keys, verifier: Verifier) -> None:
    with pytest.raises(BadToken):
        verified(verifier, keys.signer("gateway").sign("render", ASKED))


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/v1/clips?x=1"),
        ("POST", "/v1/clips"),
        ("POST", "/v1/clips?x=2"),
        ("POST", "/v1/clips/?x=1"),
        ("POST", "/v1/library?x=1"),
        ("post", "/v1/clips?x=1"),
    ],
)
def test_another_request_is_refused(keys: Keys, verifier: Verifier, method: str, target: str) -> None:
    signed = keys.signer("gateway").sign("catalog", ASKED)
    with pytest.raises(BadToken):
        verifier.verify(signed, method, target)


def test_a_leaked_key_speaks_for_its_service_only(keys: Keys, verifier: Verifier) -> None:
    forged = jwt.encode(_claims(), keys.signer("stream")._key, algorithm="EdDSA")
    with pytest.raises(BadToken):
        verified(verifier, forged)


@pytest.mark.parametrize(
    "change",
    [
        {"exp": 0},
        {"iat": 9999999999},
        {"exp": 9999999999},
        {"aud": ["render"]},
        {"iss": "../gateway"},
        {"iss": ""},
        {"htm": None},
        {"htu": None},
        {"sha256": None},
        {"jti": None},
    ],
)
def test_claims_that_do_not_fit(keys: Keys, verifier: Verifier, change: dict[str, object]) -> None:
    claims = {name: value for name, value in {**_claims(), **change}.items() if value is not None}
    token = jwt.encode(claims, keys.signer("gateway")._key, algorithm="EdDSA")
    with pytest.raises(BadToken):
        verified(verifier, token)


@pytest.mark.parametrize(("ago", "good"), [(-6, False), (-5, True), (0, True), (5, True), (58, True), (61, False)])
def test_small_clock_skew_is_forgiven_and_a_minute_is_not(keys: Keys, verifier: Verifier, ago: int, good: bool) -> None:
    """The token was signed so many seconds ago by the verifier's clock; before 0, the signer's clock is ahead."""
    made = time.time() - ago
    claims = {**_claims(), "iat": made, "exp": made + LIFETIME}
    token = jwt.encode(claims, keys.signer("gateway")._key, algorithm="EdDSA")
    if good:
        verified(verifier, token)
    else:
        with pytest.raises(BadToken):
            verified(verifier, token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", jwt.encode({"iss": "gateway"}, "k" * 32, algorithm="HS256")])
def test_what_is_no_token(verifier: Verifier, token: str) -> None:
    with pytest.raises(BadToken):
        verified(verifier, token)


def test_no_algorithm_is_no_signature(verifier: Verifier) -> None:
    with pytest.raises(BadToken):
        verified(verifier, jwt.encode(_claims(), None, algorithm="none"))


def test_keys_rotate_by_listing_the_new_one_first(tmp_path: Path) -> None:
    (old, old_public), (new, new_public) = make_key(), make_key()
    (tmp_path / "auth.pub").write_text(new_public + old_public)
    verifier = Verifier("catalog", tmp_path)
    for private in (old, new):
        assert verified(verifier, Signer("auth", private).sign("catalog", ASKED)).principal.service == "auth"


def test_a_client_signs_what_it_sends(keys: Keys, verifier: Verifier) -> None:
    """Each sending has a token of its own, so that asking again is no replay."""
    seen: list[Token] = []

    def service(request: httpx.Request) -> httpx.Response:
        token = verifier.verify(request.headers[HEADER], request.method, request.url.raw_path.decode())
        assert token.streams or token.covers(request.read())
        seen.append(token)
        return httpx.Response(200)

    group = new_id()
    signature = Signature(keys.signer("gateway"), "catalog", acting=new_id(), groups=[group])
    with httpx.Client(transport=httpx.MockTransport(service), base_url="http://x", auth=signature) as client:
        client.get("/v1/library", params={"q": "a b&c", "cursor": "=="})
        for _ in range(2):
            client.post("/v1/library", json={"a": 1})
        client.patch("/v1/uploads/1", content=iter([b"a", b"b"]))
    assert [token.streams for token in seen] == [False, False, False, True]
    assert len({token.id for token in seen}) == len(seen)
    assert {token.principal.groups for token in seen} == {frozenset({group})}


# At the door of a real service


@pytest.fixture
def catalog(start: Callable[..., UnderTest]) -> UnderTest:
    return start("catalog")


def send(service: UnderTest, token: str, method: str, path: str, **request: Any) -> httpx.Response:
    return service.call.http.request(method, path, headers={HEADER: token}, **request)


def signed(service: UnderTest, keys: Keys, method: str, path: str, body: bytes | None = b"", **claims: Any) -> str:
    asked = Asked(method, path) if body is None else Asked.with_body(method, path, body)
    return keys.signer("gateway").sign(service.name, asked, acting=new_id(), scopes={"read", "write"}, **claims)


def test_a_change_is_made_once(catalog: UnderTest, keys: Keys) -> None:
    path = f"/v1/library/{new_id()}"
    token = signed(catalog, keys, "DELETE", path)
    assert send(catalog, token, "DELETE", path).status_code == 404, "let in: there is no such thing"
    again = send(catalog, token, "DELETE", path)
    assert (again.status_code, again.json()["code"]) == (401, "bad_service_token")


def test_looking_twice_is_no_change(catalog: UnderTest, keys: Keys) -> None:
    token = signed(catalog, keys, "GET", "/v1/library")
    assert [send(catalog, token, "GET", "/v1/library").status_code for _ in range(2)] == [200, 200]


def test_a_token_is_for_its_own_path_and_body(catalog: UnderTest, keys: Keys) -> None:
    path, other = f"/v1/library/{new_id()}", f"/v1/library/{new_id()}"
    body = b'{"title": "a"}'
    kind = {"Content-Type": "application/json", "If-Match": '"1"'}

    def code(to: str, content: bytes, method: str = "PATCH") -> int:
        token = signed(catalog, keys, "PATCH", path, body)
        headers = {HEADER: token} | kind
        return catalog.call.http.request(method, to, content=content, headers=headers).status_code

    assert code(path, body) == 404
    assert code(other, body) == 401
    assert code(path + "?x=1", body) == 401
    assert code(path, b'{"title": "b"}') == 401
    assert code(path, body, "PUT") in (401, 405)


def test_a_token_for_another_service_is_refused(catalog: UnderTest, keys: Keys) -> None:
    token = keys.signer("gateway").sign("render", Asked.with_body("GET", "/v1/library", b""))
    assert send(catalog, token, "GET", "/v1/library").status_code == 401


def test_no_token_is_refused(catalog: UnderTest) -> None:
    assert catalog.call.http.get("/v1/library").status_code == 401
    assert catalog.call.http.get("/v1/library", headers={"X-User-Id": str(new_id())}).status_code == 401


def test_peers_may_name_the_groups_of_whom_they_act_for(catalog: UnderTest, keys: Keys) -> None:
    """Peers sign what they send, each try anew; people's doors stay shut to them."""
    peer = Peer("catalog", catalog.url, keys.signer("render"))
    with pytest.raises(PeerRefused) as refused:
        peer.get("/v1/library", acting=new_id(), groups=[new_id()], q="a b")
    assert refused.value.status == 403, "understood, and none of its business"


# Once among processes


def ticket(number: int = 1) -> Token:
    return Token(Principal("gateway"), f"{number:032x}", hashlib.sha256().hexdigest(), time.time() + 60)


def test_processes_know_together_what_was_used(valkey: Valkey) -> None:
    async def both() -> list[bool]:
        one, other = Replays(valkey.url), Replays(valkey.url)
        token = Token(Principal("gateway"), new_id().hex, "", time.time() + 60)
        try:
            return [await one.first(token), await other.first(token), await one.first(token)]
        finally:
            await one.close()
            await other.close()

    assert asyncio.run(both()) == [True, False, False]


def test_of_many_at_once_one_is_the_first(valkey: Valkey) -> None:
    token = Token(Principal("gateway"), new_id().hex, "", time.time() + 60)
    ready = threading.Barrier(4)

    def process() -> int:
        async def several() -> int:
            replays = Replays(valkey.url)
            ready.wait(10)
            try:
                return sum(await asyncio.gather(*(replays.first(token) for _ in range(8))))
            finally:
                await replays.close()

        return asyncio.run(several())

    with ThreadPoolExecutor(4) as pool:
        assert sum(future.result() for future in [pool.submit(process) for _ in range(4)]) == 1


def test_without_redis_a_process_knows_for_itself(tmp_path: Path) -> None:
    async def story() -> list[bool]:
        with running_valkey(tmp_path) as server:
            replays = Replays(server.url)
            answers = [await replays.first(ticket(1))]
        answers += [await replays.first(ticket(1)), await replays.first(ticket(2)), await replays.first(ticket(2))]
        await replays.close()
        return answers

    assert asyncio.run(story()) == [True, False, True, False]


def test_what_nobody_would_believe_any_longer_is_forgotten(valkey: Valkey) -> None:
    async def story() -> tuple[int, float]:
        replays = Replays(valkey.url)
        for number in range(100):
            await replays.first(Token(Principal("gateway"), f"old-{number}-{new_id().hex}", "", time.time() - 1))
        last = Token(Principal("gateway"), new_id().hex, "", time.time() + LIFETIME + SKEW)
        await replays.first(last)
        left = await replays._together._redis.ttl("clipstead:token:" + last.id)
        await replays.close()
        return len(replays._used), left

    kept, left = asyncio.run(story())
    assert kept == 1
    assert LIFETIME < left <= LIFETIME + SKEW + 1


def test_scopes_and_people() -> None:
    with pytest.raises(problems.Unauthenticated):
        Principal("gateway").require("read")
    with pytest.raises(problems.Forbidden):
        Principal("gateway", new_id(), frozenset({"upload"})).require("read")


def _claims() -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": "gateway",
        "aud": "catalog",
        "iat": now,
        "exp": now + LIFETIME,
        "jti": "x",
        "htm": ASKED.method,
        "htu": ASKED.target,
        "sha256": ASKED.digest,
        "scopes": [],
    }
