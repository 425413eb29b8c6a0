"""Who is an administrator, how they became one, and what their keys may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import ValidationError

from services.auth.settings import AuthSettings
from tests.factories.services import UnderTest
from tests.services.auth.people import code_of, mails

PASSWORD = "correct horse battery"
ADMIN = {"upload", "read", "write", "admin"}
Start = Callable[..., UnderTest]


@pytest.fixture
def auth(start: Start) -> UnderTest:
    return start("auth", CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL="Root@Example.ORG")


def enter(auth: UnderTest, how: str, email: str, **more: Any) -> httpx.Response:
    return auth.call("POST", f"/v1/auth/{how}", json={"email": email, "password": PASSWORD, **more})


def scopes(auth: UnderTest, **credential: str) -> set[str]:
    return set(auth.call("POST", "/internal/resolve", json=credential).json()["scopes"])


def of_session(auth: UnderTest, entered: httpx.Response) -> set[str]:
    return scopes(auth, session_token=entered.headers["X-Session-Token"])


def test_who_has_the_address_is_an_administrator_from_sign_up_on(auth: UnderTest) -> None:
    assert of_session(auth, enter(auth, "sign-up", "root@example.org")) == ADMIN
    assert of_session(auth, enter(auth, "sign-up", "anna@example.org")) == ADMIN - {"admin"}
    assert sorted(auth.rows("SELECT email, role FROM users")) == [
        ("anna@example.org", "user"),
        ("root@example.org", "admin"),
    ]


def test_an_account_that_was_there_before_the_setting_becomes_one_at_its_next_sign_in(auth: UnderTest) -> None:
    enter(auth, "sign-up", "root@example.org")
    auth.execute("UPDATE users SET role = 'user'")
    refused = auth.call("POST", "/v1/auth/sign-in", json={"email": "root@example.org", "password": "a wrong password"})
    assert refused.status_code == 401
    assert auth.rows("SELECT role FROM users") == [("user",)]
    assert of_session(auth, enter(auth, "sign-in", "root@example.org")) == ADMIN


def test_in_production_the_address_is_proved_first(start: Start) -> None:
    production = {"CLIPSTEAD_ENVIRONMENT": "production", "CLIPSTEAD_SEALING_SECRET": "s" * 40}
    auth = start("auth", CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL="root@example.org", **production)
    thief = enter(auth, "sign-up", "root@example.org")
    assert of_session(auth, thief) == ADMIN - {"admin"}
    assert of_session(auth, enter(auth, "sign-in", "root@example.org")) == ADMIN - {"admin"}
    code = code_of(mails(auth, "root@example.org")[0])
    proved = enter(auth, "verify", "root@example.org", code=code)
    assert proved.status_code == 422, "an address goes not with a code"
    proved = auth.call("POST", "/v1/auth/verify", json={"code": code, "password": PASSWORD})
    assert of_session(auth, proved) == ADMIN


def test_without_the_setting_nobody_is_made_one(start: Start) -> None:
    auth = start("auth")
    enter(auth, "sign-up", "root@example.org")
    assert of_session(auth, enter(auth, "sign-in", "root@example.org")) == ADMIN - {"admin"}


def test_nobody_signs_up_with_a_role_of_their_own(auth: UnderTest) -> None:
    assert enter(auth, "sign-up", "eve@example.org", role="admin").status_code == 422


def test_a_key_is_an_administrators_only_where_it_says_so_and_as_long_as_its_maker_is(auth: UnderTest) -> None:
    user = enter(auth, "sign-up", "root@example.org").json()["user"]["id"]

    def key(*wanted: str) -> str:
        body = {"name": "k", "scopes": list(wanted)}
        made = auth.call("POST", "/v1/auth/api-keys", by=UUID(user), scopes=ADMIN, json=body)
        assert made.status_code == 201
        return str(made.json()["key"])

    plain, full = key("read", "write"), key("read", "admin")
    assert scopes(auth, api_key=plain) == {"read", "write"}
    assert scopes(auth, api_key=full) == {"read", "admin"}
    auth.execute("UPDATE users SET role = 'user'")
    assert scopes(auth, api_key=full) == {"read"}


def test_who_is_none_makes_no_such_key(auth: UnderTest) -> None:
    user = enter(auth, "sign-up", "anna@example.org").json()["user"]["id"]
    refused = auth.call("POST", "/v1/auth/api-keys", by=UUID(user), json={"name": "k", "scopes": ["admin"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError):
        AuthSettings(admin_bootstrap_email="root")
