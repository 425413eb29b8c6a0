"""What administrators do with accounts, and that nobody else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from infra.onehost.servers import Valkey
from libs.contracts.events import UserDeleted, UserSuspended
from libs.contracts.identity import FORGET
from libs.database import new_id
from tests.factories.services import UnderTest
from tests.services.auth.people import PASSWORD, Person, audited, mails, resolve, sign_in, sign_up, signed_in
from tests.services.auth.test_groups import token_of

RULER = "ruler@example.org"
ALL = {"upload", "read", "write", "admin"}
OPEN = {"sign_up": "open", "verify_email": False, "admins_need_second_factor": False}


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth", CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL=RULER)


@pytest.fixture
def ruler(auth: UnderTest) -> Person:
    return sign_up(auth, "ruler")


def ask(who: Person, method: str, path: str, **more: Any) -> httpx.Response:
    """Ask as an administrator."""
    return who.call(method, f"/v1/admin{path}", scopes=ALL, **more)


def test_people_are_found_by_page_name_role_and_state(auth: UnderTest, ruler: Person) -> None:
    people = [sign_up(auth, name) for name in ("anna", "bert", "carl_x", "carlyx")]
    first = ask(ruler, "GET", "/users", params={"limit": 3}).json()
    second = ask(ruler, "GET", "/users", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [one["display_name"] for one in first["items"] + second["items"]] == [
        "carlyx",
        "carl_x",
        "bert",
        "anna",
        "ruler",
    ]
    assert (first["total"], second["next_cursor"]) == (5, None)
    found = ask(ruler, "GET", "/users", params={"q": "CARL_"}).json()
    assert [one["email"] for one in found["items"]] == ["carl_x@example.org"]
    assert [one["email"] for one in ask(ruler, "GET", "/users", params={"role": "admin"}).json()["items"]] == [RULER]
    ask(ruler, "PATCH", f"/users/{people[0].id}", json={"disabled": True})
    assert ask(ruler, "GET", "/users", params={"disabled": "true"}).json()["total"] == 1
    shown = ask(ruler, "GET", f"/users/{people[1].id}").json()
    assert (shown["sessions"], shown["groups"], shown["second_factor"]) == (1, 0, False)
    assert ask(ruler, "GET", "/users", params={"cursor": "nonsense"}).status_code == 422
    assert ask(ruler, "GET", f"/users/{new_id()}").status_code == 404


def test_whoever_is_disabled_is_out_at_once_and_may_be_let_in_again(
    auth: UnderTest, ruler: Person, valkey: Valkey
) -> None:
    anna = sign_up(auth)
    key = anna.call("POST", "/v1/auth/api-keys", json={"name": "cli", "scopes": ["read"]}).json()["key"]
    with redis.Redis.from_url(valkey.url).pubsub() as channel:
        channel.subscribe(FORGET)
        assert channel.get_message(timeout=5)["type"] == "subscribe"
        shown = ask(ruler, "PATCH", f"/users/{anna.id}", json={"disabled": True}).json()
        assert shown["disabled_at"] is not None
        message = channel.get_message(timeout=5)
        assert message is not None
        assert message["data"].decode() == str(anna.id)
    assert resolve(auth, anna.token).status_code == 404
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 404
    refused = sign_in(auth, anna.email)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")
    assert sign_in(auth, anna.email, "wrong password").status_code == 401

    assert ask(ruler, "PATCH", f"/users/{anna.id}", json={"disabled": False}).json()["disabled_at"] is None
    assert sign_in(auth, anna.email).status_code == 200
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 200
    assert [event.suspended for event in auth.told(UserSuspended)] == [True, False]
    assert audited(auth, "user.disabled") == [(RULER, "ok")]


def test_rights_change_with_a_new_sign_in(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    assert ask(ruler, "PATCH", f"/users/{anna.id}", json={"role": "admin"}).json()["role"] == "admin"
    assert resolve(auth, anna.token).status_code == 404
    anna = signed_in(auth, anna.email)
    assert "admin" in resolve(auth, anna.token).json()["scopes"]
    for role in ("moderator", "speaker", "user"):
        assert ask(ruler, "PATCH", f"/users/{anna.id}", json={"role": role}).json()["role"] == role
    assert ask(ruler, "PATCH", f"/users/{anna.id}", json={"role": "king"}).status_code == 422


def test_somebody_always_rules(auth: UnderTest, ruler: Person) -> None:
    for body in ({"role": "user"}, {"disabled": True}):
        own = ask(ruler, "PATCH", f"/users/{ruler.id}", json=body)
        assert (own.status_code, own.json()["code"]) == (409, "own_account")
    assert ask(ruler, "DELETE", f"/users/{ruler.id}").status_code == 409
    # Somebody who rules by a key that outlived their own role, say, still can't remove the last one who does.
    anna = sign_up(auth)
    last = ask(anna, "PATCH", f"/users/{ruler.id}", json={"disabled": True})
    assert (last.status_code, last.json()["code"]) == (409, "last_administrator")
    assert ask(anna, "DELETE", f"/users/{ruler.id}").status_code == 409
    assert resolve(auth, ruler.token).status_code == 200


def test_signed_out_and_freed_of_factors_by_an_administrator(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    assert ask(ruler, "POST", f"/users/{anna.id}/sign-out").status_code == 204
    assert resolve(auth, anna.token).status_code == 404
    auth.execute("INSERT INTO totps (user_id, secret, confirmed_at) VALUES (%s, 'x', now())", anna.id)
    assert sign_in(auth, anna.email).json()["second_factor"]["methods"] == ["totp", "recovery"]
    assert ask(ruler, "DELETE", f"/users/{anna.id}/factors").status_code == 204
    assert sign_in(auth, anna.email).json()["user"]["email"] == anna.email
    assert audited(auth, "user.factors_dropped") == [(RULER, "ok")]


def test_an_account_is_removed_at_once(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    assert ask(ruler, "DELETE", f"/users/{anna.id}").status_code == 204
    assert resolve(auth, anna.token).status_code == 404
    assert [event.user_id for event in auth.told(UserDeleted)] == [anna.id]
    assert ask(ruler, "DELETE", f"/users/{anna.id}").status_code == 404
    assert sign_up(auth).id != anna.id


def test_a_server_may_be_closed_or_open_to_the_invited(auth: UnderTest, ruler: Person) -> None:
    assert ask(ruler, "GET", "/accounts").json() == OPEN | {"changed_at": None}
    ruled = ask(ruler, "PUT", "/accounts", json=OPEN | {"sign_up": "closed"})
    assert ruled.json()["changed_at"] is not None
    person = {"email": "anna@example.org", "password": PASSWORD}
    refused = auth.call("POST", "/v1/auth/sign-up", json=person)
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_up_closed")

    ask(ruler, "PUT", "/accounts", json=OPEN | {"sign_up": "invitation"})
    refused = auth.call("POST", "/v1/auth/sign-up", json=person)
    assert (refused.status_code, refused.json()["code"]) == (403, "invitation_needed")
    made = ask(ruler, "POST", "/invitations", json={"most_uses": 1}).json()
    token = token_of(made["url"])
    assert auth.call("POST", "/v1/invitations/look", json={"token": token}).json()["group"] is None
    assert sign_up(auth, invitation=token).email == "anna@example.org"
    again = auth.call(
        "POST", "/v1/auth/sign-up", json={"email": "b@example.org", "password": PASSWORD, "invitation": token}
    )
    assert (again.status_code, again.json()["code"]) == (404, "no_invitation")
    assert auth.rows("SELECT count(*) FROM users WHERE email = 'b@example.org'") == [(0,)]
    other = ask(ruler, "POST", "/invitations", json={}).json()
    assert [one["id"] for one in ask(ruler, "GET", "/invitations").json()["items"]] == [other["id"]]
    assert ask(ruler, "DELETE", f"/invitations/{other['id']}").status_code == 204
    assert ask(ruler, "GET", "/invitations").json()["items"] == []
    assert ask(ruler, "PUT", "/accounts", json={"sign_up": "open"}).status_code == 422


def test_nobody_demands_a_second_factor_of_administrators_without_one(auth: UnderTest, ruler: Person) -> None:
    refused = ask(ruler, "PUT", "/accounts", json=OPEN | {"admins_need_second_factor": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "second_factor_first")
    auth.execute("UPDATE sessions SET strong = true WHERE id = %s", ruler.session)
    anna = sign_up(auth)
    ask(ruler, "PATCH", f"/users/{anna.id}", json={"role": "admin"})
    assert ask(ruler, "PUT", "/accounts", json=OPEN | {"admins_need_second_factor": True}).status_code == 200
    anna = signed_in(auth, anna.email)
    assert "admin" not in resolve(auth, anna.token).json()["scopes"]
    assert "admin" in resolve(auth, ruler.token).json()["scopes"]
    assert anna.call("GET", "/v1/auth/me").json()["second_factor_missing"] is True


def test_mails_without_a_server_are_read_in_the_console(auth: UnderTest, ruler: Person) -> None:
    sign_up(auth)
    auth.do_jobs()
    items = ask(ruler, "GET", "/mails").json()["items"]
    assert [(one["recipient"], one["how"]) for one in items] == [("anna@example.org", "file"), (RULER, "file")]
    text = ask(ruler, "GET", f"/mails/{items[0]['id']}").json()["text"]
    assert text == mails(auth, "anna@example.org")[0].get_body(("plain",)).get_content()
    page = ask(ruler, "GET", "/mails", params={"limit": 1}).json()
    rest = ask(ruler, "GET", "/mails", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert (rest["items"], rest["next_cursor"]) == (items[1:], None)
    assert ask(ruler, "GET", f"/mails/{new_id()}").status_code == 404


def test_the_audit_log_is_searched(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    sign_in(auth, anna.email, "wrong password")
    ask(ruler, "PATCH", f"/users/{anna.id}", json={"role": "speaker"})

    def acts(**wanted: Any) -> list[str]:
        return [one["action"] for one in ask(ruler, "GET", "/audit", params=wanted).json()["items"]]

    assert acts(person=str(anna.id)) == ["user.role", "session.refused", "session.begun", "account.made"]
    assert acts(action="session.", result="wrong_credentials") == ["session.refused"]
    entry = ask(ruler, "GET", "/audit", params={"action": "user.role"}).json()["items"][0]
    assert (entry["actor"], entry["target"], entry["address"]) == (RULER, anna.email, ruler.address)
    assert entry["facts"] == {"before": "user", "role": "speaker"}
    first = ask(ruler, "GET", "/audit", params={"limit": 2}).json()
    rest = acts(limit=100, cursor=first["next_cursor"])
    assert [one["action"] for one in first["items"]] + rest == acts(limit=100)
    assert acts(since="2999-01-01T00:00:00Z") == []


def test_nobody_else_rules(auth: UnderTest, ruler: Person) -> None:
    anna = sign_up(auth)
    places = [
        (method, route.path.replace("{user_id}", str(ruler.id)).replace("{mail_id}", str(new_id())))
        for router in auth.module.service.routers
        for route in router.routes
        for method in route.methods
        if route.path.startswith("/v1/admin")
    ]
    bodies = {
        "PUT": {"json": OPEN},
        "PATCH": {"json": {"role": "user"}},
        "POST": {"json": {}},
    }
    for method, path in places:
        filled = path.replace("{invitation_id}", str(new_id()))
        more = bodies.get(method, {}) if not path.endswith("sign-out") else {}
        refused = anna.call(method, filled, **more)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope"), (method, filled)
    assert len(places) == 14
