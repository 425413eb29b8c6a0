"""API keys: shown once, never worth more than their maker, gone when revoked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from libs.web import idempotency
from tests.factories.services import UnderTest


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth", CLIPSTEAD_API_KEYS_EACH="3")


def a_person(auth: UnderTest, name: str = "anna") -> UUID:
    body = {"email": f"{name}@example.org", "password": "correct horse battery"}
    return UUID(auth.call("POST", "/v1/auth/sign-up", json=body).json()["user"]["id"])


def make(auth: UnderTest, by: UUID, *scopes: str, **more: Any) -> httpx.Response:
    body = {"name": "ShareX", "scopes": list(scopes or ["upload"])}
    return auth.call("POST", "/v1/auth/api-keys", by=by, json=body, **more)


def resolve(auth: UnderTest, key: str) -> httpx.Response:
    return auth.call("POST", "/internal/resolve", json={"api_key": key})


def test_the_story_of_a_key(auth: UnderTest) -> None:
    anna = a_person(auth)
    made = make(auth, anna, "upload", "read")
    assert made.status_code == 201
    key = made.json()["key"]
    assert re.fullmatch(rf"csk_{made.json()['prefix']}_[A-Za-z0-9_-]{{43}}", key)

    identity = resolve(auth, key).json()
    assert identity["user_id"] == str(anna)
    assert identity["session_id"] is None
    assert identity["scopes"] == ["read", "upload"]

    [listed] = auth.call("GET", "/v1/auth/api-keys", by=anna).json()["items"]
    assert "key" not in listed
    assert listed["last_used_at"] is not None
    assert listed["prefix"] == made.json()["prefix"]

    for _ in range(2):  # doing it again changes nothing
        assert auth.call("DELETE", f"/v1/auth/api-keys/{listed['id']}", by=anna).status_code == 204
    assert resolve(auth, key).status_code == 404
    assert auth.call("GET", "/v1/auth/api-keys", by=anna).json() == {"items": []}


def test_the_database_holds_its_hash_and_its_prefix(auth: UnderTest) -> None:
    made = make(auth, a_person(auth)).json()
    [(stored, prefix)] = auth.rows("SELECT key_hash, prefix FROM api_keys")
    assert bytes(stored) == hashlib.sha256(made["key"].encode()).digest()
    assert prefix == made["prefix"]
    assert made["key"].rpartition("_")[2] not in str(auth.rows("SELECT api_keys::text FROM api_keys"))


def test_a_key_never_makes_a_stronger_one(auth: UnderTest) -> None:
    anna = a_person(auth)
    refused = make(auth, anna, "upload", "write", scopes={"write"})
    assert refused.status_code == 403
    assert "upload" in refused.json()["detail"]
    assert make(auth, anna, "admin").status_code == 403
    assert make(auth, anna, "write", scopes={"write"}).status_code == 201


def test_keys_that_may_not_write_manage_no_keys(auth: UnderTest) -> None:
    anna = a_person(auth)
    made = make(auth, anna).json()
    weak = {"upload", "read"}
    assert make(auth, anna, "read", scopes=weak).status_code == 403
    assert auth.call("GET", "/v1/auth/api-keys", by=anna, scopes=weak).status_code == 403
    assert auth.call("DELETE", f"/v1/auth/api-keys/{made['id']}", by=anna, scopes=weak).status_code == 403
    assert resolve(auth, made["key"]).status_code == 200


def test_somebody_elses_key_does_not_exist(auth: UnderTest) -> None:
    anna, ben = a_person(auth), a_person(auth, "ben")
    made = make(auth, anna).json()
    foreign = auth.call("DELETE", f"/v1/auth/api-keys/{made['id']}", by=ben)
    missing = auth.call("DELETE", f"/v1/auth/api-keys/{uuid4()}", by=ben)
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["detail"] == missing.json()["detail"]
    assert auth.call("GET", "/v1/auth/api-keys", by=ben).json() == {"items": []}
    assert resolve(auth, made["key"]).status_code == 200


def test_there_is_an_end_to_how_many(auth: UnderTest) -> None:
    anna = a_person(auth)
    made = [make(auth, anna) for _ in range(4)]
    assert [answer.status_code for answer in made] == [201, 201, 201, 409]
    auth.call("DELETE", f"/v1/auth/api-keys/{made[0].json()['id']}", by=anna)
    assert make(auth, anna).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "", "scopes": ["read"]},
        {"name": "a\nb", "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "user_id": "0199f000-0000-7000-8000-000000000000"},
        {"name": "x"},
    ],
    ids=str,
)
def test_what_is_refused(auth: UnderTest, body: dict[str, Any]) -> None:
    assert auth.call("POST", "/v1/auth/api-keys", by=a_person(auth), json=body).status_code == 422


def test_a_key_has_no_session_to_sign_out_of(auth: UnderTest) -> None:
    assert auth.call("POST", "/v1/auth/sign-out", by=a_person(auth)).json()["code"] == "no_session"


def test_a_key_whose_answer_got_lost_is_shown_again_though_the_database_cannot_tell_it(auth: UnderTest) -> None:
    anna, once = a_person(auth), {"Idempotency-Key": "a tab of Anna's"}
    made = make(auth, anna, headers=once)
    again = make(auth, anna, headers=once)
    assert (again.status_code, again.json()) == (201, made.json())
    assert resolve(auth, again.json()["key"]).status_code == 200
    [(answer, key_hash)] = auth.rows("SELECT answer, key_hash FROM idempotency_keys")
    assert made.json()["key"].encode() not in answer
    assert b"Anna" not in key_hash


def test_one_who_may_not_make_the_key_is_not_shown_it_either(auth: UnderTest) -> None:
    anna, once = a_person(auth), {"Idempotency-Key": "k"}
    assert make(auth, anna, "upload", "read", headers=once).status_code == 201
    lesser = make(auth, anna, "upload", "read", headers=once, scopes={"write", "read"})
    assert (lesser.status_code, lesser.json()["code"]) == (403, "missing_scope")


def test_a_refusal_is_not_remembered(auth: UnderTest) -> None:
    anna, once = a_person(auth), {"Idempotency-Key": "fourth"}
    first, *_ = [make(auth, anna).json()["id"] for _ in range(3)]
    assert make(auth, anna, headers=once).json()["code"] == "too_many_api_keys"
    auth.call("DELETE", f"/v1/auth/api-keys/{first}", by=anna)
    assert make(auth, anna, headers=once).status_code == 201


def test_making_a_key_sweeps_away_what_is_over(auth: UnderTest) -> None:
    anna = a_person(auth)
    make(auth, anna, headers={"Idempotency-Key": "old"})
    auth.execute("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    make(auth, anna, headers={"Idempotency-Key": "new"})
    assert auth.rows("SELECT count(*) FROM idempotency_keys") == [(1,)]


def test_after_the_services_key_was_changed_the_answer_is_lost_and_the_effect_still_had_once(auth: UnderTest) -> None:
    anna, once = a_person(auth), {"Idempotency-Key": "k"}
    make(auth, anna, headers=once)
    idempotency.configure("another secret")
    lost = make(auth, anna, headers=once)
    assert (lost.status_code, lost.json()["code"]) == (409, "idempotency_answer_lost")
    assert len(auth.call("GET", "/v1/auth/api-keys", by=anna).json()["items"]) == 1


def test_a_duplicate_waits_a_moment_and_is_then_told_to_come_back(auth: UnderTest) -> None:
    anna, once = a_person(auth), {"Idempotency-Key": "k"}
    with ThreadPoolExecutor(2) as both, psycopg.connect(auth.database_url) as other:
        other.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", (anna,))  # holds up the first, amid its work
        pending = {both.submit(make, auth, anna, headers=once) for _ in range(2)}
        done, pending = wait(pending, 20, FIRST_COMPLETED)
        [told] = [future.result() for future in done]
        assert (told.status_code, told.json()["code"]) == (409, "idempotency_in_progress")
        assert told.headers["Retry-After"] == "1"
        other.rollback()
        [first] = [future.result() for future in pending]
    assert first.status_code == 201
    assert make(auth, anna, headers=once).json() == first.json()
