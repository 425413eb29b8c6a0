"""Trusted systems that act for the people they name, and developers who are signed in unasked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.factories.services import UnderTest
from tests.services.auth.people import Person, audited, sign_up

RULER = "ruler@example.org"
ALL = {"upload", "read", "write", "admin"}


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth", CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL=RULER)


@pytest.fixture
def ruler(auth: UnderTest) -> Person:
    return sign_up(auth, "ruler")


def key_of(who: Person, *scopes: str, **more: Any) -> str:
    made = who.call("POST", "/v1/auth/api-keys", json={"name": "Recital", "scopes": [*scopes], **more}, scopes=ALL)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


def acting(auth: UnderTest, key: str, email: str) -> httpx.Response:
    return auth.call("POST", "/internal/resolve", json={"api_key": key, "delegated_email": email})


def test_a_key_acts_for_the_person_it_names_within_its_scopes(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    identity = acting(auth, key_of(ruler, "delegate", "read", "upload"), "ANNA@example.org").json()
    assert (identity["user_id"], identity["email"], identity["delegate"]) == (str(anna.id), anna.email, "Recital")
    assert sorted(identity["scopes"]) == ["read", "upload"]
    assert identity["session_id"] is None


def test_it_is_an_administrator_only_if_the_key_and_the_person_are(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    plain, ruling = key_of(ruler, "delegate", "read"), key_of(ruler, "delegate", "read", "admin")
    assert "admin" not in acting(auth, plain, RULER).json()["scopes"]
    assert "admin" in acting(auth, ruling, RULER).json()["scopes"]
    assert "admin" not in acting(auth, ruling, anna.email).json()["scopes"]


def test_what_is_refused(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    key = key_of(ruler, "delegate", "read")
    assert acting(auth, "csk_wrong_key", anna.email).json()["code"] == "not_found"
    for nobody in ("nobody@example.org", "no address", "x" * 300):
        refused = acting(auth, key, nobody)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_delegated_user")
    refused = acting(auth, key_of(ruler, "read", "write"), anna.email)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert [result for _, result in audited(auth, "delegated.refused")] == ["unknown_delegated_user"] * 3 + [
        "missing_scope"
    ]
    auth.execute("UPDATE users SET disabled_at = now() WHERE id = %s", anna.id)
    assert acting(auth, key, anna.email).status_code == 404


def test_only_administrators_make_such_keys_and_only_while_they_are(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    refused = anna.call("POST", "/v1/auth/api-keys", json={"name": "x", "scopes": ["delegate", "read"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    key = key_of(ruler, "delegate", "read")
    auth.execute("UPDATE users SET role = 'user' WHERE id = %s", ruler.id)
    assert acting(auth, key, anna.email).status_code == 403


def test_without_a_name_it_is_a_key_like_any_other(auth: UnderTest, ruler: Person) -> None:
    identity = auth.call("POST", "/internal/resolve", json={"api_key": key_of(ruler, "delegate", "read")}).json()
    assert (identity["user_id"], identity["scopes"], identity["delegate"]) == (str(ruler.id), ["read"], None)


def test_acts_are_written_down_with_both_names(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    identity = acting(auth, key_of(ruler, "delegate", "read"), anna.email).json()
    act = {
        "user_id": identity["user_id"],
        "key_id": identity["key_id"],
        "delegate": identity["delegate"],
        "method": "DELETE",
        "path": "/api/v1/library/1",
        "correlation_id": "c1",
    }
    assert auth.call("POST", "/internal/acts", json=act).status_code == 204
    assert auth.call("POST", "/internal/acts", json=act, issuer="catalog").status_code == 403
    rows = auth.rows("SELECT actor, delegate, target, facts->>'key' FROM audit WHERE action = 'delegated.act'")
    assert rows == [(anna.email, "Recital", "DELETE /api/v1/library/1", identity["key_id"])]


def test_keys_end_by_themselves(auth: UnderTest, ruler: Person) -> None:
    key = key_of(ruler, "read", days=30)
    listed = ruler.call("GET", "/v1/auth/api-keys").json()["items"]
    assert listed[0]["expires_at"] is not None
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 200
    auth.execute("UPDATE api_keys SET expires_at = now() - interval '1 second'")
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 404


def test_a_developers_machine_knows_its_developer(auth: UnderTest) -> None:
    anna = sign_up(auth)
    answer = auth.call("POST", "/internal/resolve", json={"dev_email": "Anna@example.org"})
    assert (answer.status_code, answer.json()["user_id"]) == (200, str(anna.id))
    assert auth.call("POST", "/internal/resolve", json={"dev_email": "nobody@example.org"}).status_code == 404


def test_in_production_nobody_is_signed_in_unasked(start: Callable[..., UnderTest]) -> None:
    auth = start("auth", CLIPSTEAD_ENVIRONMENT="production", CLIPSTEAD_SEALING_SECRET="s" * 40)
    sign_up(auth)
    assert auth.call("POST", "/internal/resolve", json={"dev_email": "anna@example.org"}).status_code == 404
