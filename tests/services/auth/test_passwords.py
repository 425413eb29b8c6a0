"""Passwords and addresses: changed, forgotten, guessed at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import argon2
import httpx
import pytest

from tests.factories.services import UnderTest
from tests.services.auth.people import (
    PASSWORD,
    audited,
    code_of,
    mails,
    resolve,
    sign_in,
    sign_up,
    signed_in,
)

NEW = "three unrelated words"


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth")


def forgotten(auth: UnderTest, email: str) -> httpx.Response:
    answer = auth.call("POST", "/v1/auth/password/forgotten", json={"email": email})
    auth.do_jobs()
    return answer


def reset(auth: UnderTest, code: str, password: str = NEW) -> httpx.Response:
    return auth.call("POST", "/v1/auth/password/reset", json={"code": code, "password": password})


def test_changing_ends_all_other_sessions_and_rotates_this_one(auth: UnderTest) -> None:
    other = sign_up(auth)
    anna = signed_in(auth, other.email)
    old = anna.token
    wrong = anna.call("POST", "/v1/auth/password", json={"current": "not it at all", "new": NEW})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert anna.call("POST", "/v1/auth/password", json={"current": PASSWORD, "new": NEW}).status_code == 200
    assert anna.token != old
    assert [resolve(auth, one.token).status_code for one in (other, anna)] == [404, 200]
    assert sign_in(auth, anna.email).status_code == 401
    assert sign_in(auth, anna.email, NEW).status_code == 200
    assert [mail["Subject"] for mail in mails(auth, anna.email)][-1] == "Your password was changed"


@pytest.mark.parametrize("common", ["password123", "QWERTYUIOP", "iloveyou"])
def test_what_everybody_tries_first_is_no_password(auth: UnderTest, common: str) -> None:
    refused = auth.call("POST", "/v1/auth/sign-up", json={"email": "a@example.org", "password": common})
    assert (refused.status_code, refused.json()["code"]) == (422, "common_password")
    anna = sign_up(auth)
    refused = anna.call("POST", "/v1/auth/password", json={"current": PASSWORD, "new": common})
    assert (refused.status_code, refused.json()["code"]) == (422, "common_password")


def test_no_rule_says_what_a_password_is_made_of(auth: UnderTest) -> None:
    for number, password in enumerate(("        ", "ÆØÅæøåßẞ", "x" * 256, "🐎🔋📎🐎🔋📎🐎🔋")):
        body = {"email": f"p{number}@example.org", "password": password}
        assert auth.call("POST", "/v1/auth/sign-up", json=body).status_code == 201
        assert sign_in(auth, body["email"], password).status_code == 200


def test_a_forgotten_password_is_reset_once_with_a_mailed_code(auth: UnderTest) -> None:
    anna = sign_up(auth)
    assert forgotten(auth, anna.email).status_code == 202
    code = code_of(mails(auth, anna.email)[-1])
    assert reset(auth, code).status_code == 204
    assert resolve(auth, anna.token).status_code == 404
    assert sign_in(auth, anna.email).status_code == 401
    assert sign_in(auth, anna.email, NEW).status_code == 200
    again = reset(auth, code, "another three words")
    assert (again.status_code, again.json()["code"]) == (422, "bad_code")
    assert audited(auth, "password.reset") == [("anna@example.org", "ok")]


def test_a_code_is_good_for_ten_minutes_and_the_newest_alone(auth: UnderTest) -> None:
    anna = sign_up(auth)
    forgotten(auth, anna.email)
    forgotten(auth, anna.email)
    first, second = (code_of(mail) for mail in mails(auth, anna.email)[-2:])
    assert reset(auth, first).status_code == 422
    [(seconds,)] = auth.rows("SELECT extract(epoch FROM expires_at - created_at) FROM codes WHERE purpose = 'reset'")
    assert 590 < seconds <= 600
    auth.execute("UPDATE codes SET expires_at = clock_timestamp()")
    assert reset(auth, second).status_code == 422
    assert resolve(auth, anna.token).status_code == 200


def test_nobody_learns_from_a_reset_who_has_an_account(auth: UnderTest) -> None:
    anna = sign_up(auth)
    known, unknown = forgotten(auth, anna.email), forgotten(auth, "nobody@example.org")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert mails(auth, "nobody@example.org") == []


def test_the_database_alone_opens_nothing(auth: UnderTest) -> None:
    anna = sign_up(auth)
    forgotten(auth, anna.email)
    code = code_of(mails(auth, anna.email)[-1])
    everything = str(auth.rows("SELECT codes::text FROM codes")) + str(auth.rows("SELECT mails::text FROM mails"))
    assert code not in everything


def test_whoever_proves_the_address_takes_it_from_whoever_prepared_it(auth: UnderTest) -> None:
    """Pre-hijacking: an account is made for somebody else's address, with a key left in it for later."""
    thief = sign_up(auth, "victim")
    key = thief.call("POST", "/v1/auth/api-keys", json={"name": "later", "scopes": ["read"]}).json()["key"]
    forgotten(auth, thief.email)
    assert reset(auth, code_of(mails(auth, thief.email)[-1])).status_code == 204
    assert resolve(auth, thief.token).status_code == 404
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 404
    assert sign_in(auth, thief.email).status_code == 401
    victim = signed_in(auth, thief.email, NEW)
    assert victim.call("GET", "/v1/auth/me").json()["user"]["email_verified"] is True


def test_an_address_is_proved_by_its_code_together_with_the_account(auth: UnderTest) -> None:
    anna = sign_up(auth)
    code = code_of(mails(auth, anna.email)[0])
    alone = auth.call("POST", "/v1/auth/verify", json={"code": code})
    assert (alone.status_code, alone.json()["code"]) == (403, "password_needed")
    wrong = auth.call("POST", "/v1/auth/verify", json={"code": code, "password": "not it at all"})
    assert wrong.status_code == 401
    assert anna.call("POST", "/v1/auth/verify", json={"code": code}).status_code == 200
    assert anna.call("GET", "/v1/auth/me").json()["user"]["email_verified"] is True
    assert anna.call("POST", "/v1/auth/verify", json={"code": code}).status_code == 422


def test_where_addresses_are_proved_first_nobody_learns_who_has_an_account(auth: UnderTest) -> None:
    auth.execute("INSERT INTO platform (id, verify_email) VALUES (1, true)")
    body = {"email": "anna@example.org", "password": PASSWORD}
    first, second = (auth.call("POST", "/v1/auth/sign-up", json=body) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (202, {"user": None})
    assert "X-Session-Token" not in first.headers
    assert [mail["Subject"] for mail in mails(auth, body["email"])] == [
        "Confirm your e-mail address",
        "You have an account already",
    ]
    refused = sign_in(auth, body["email"])
    assert (refused.status_code, refused.json()["code"]) == (403, "email_unverified")
    code = code_of(mails(auth, body["email"])[0])
    done = auth.call("POST", "/v1/auth/verify", json={"code": code, "password": PASSWORD})
    assert done.status_code == 200
    assert resolve(auth, done.headers["X-Session-Token"]).status_code == 200
    assert sign_in(auth, body["email"]).status_code == 200


def test_another_address_counts_once_its_mail_was_answered(auth: UnderTest) -> None:
    anna, other = sign_up(auth), sign_up(auth, "bert")
    wanted = {"email": "anna.new@example.org", "password": PASSWORD}
    assert anna.call("POST", "/v1/auth/address", json={**wanted, "password": "not it at all"}).status_code == 401
    assert anna.call("POST", "/v1/auth/address", json=wanted).status_code == 202
    assert anna.call("GET", "/v1/auth/me").json()["user"]["email"] == "anna@example.org"
    code = code_of(mails(auth, wanted["email"])[0])
    assert other.call("POST", "/v1/auth/address/confirm", json={"code": code}).status_code == 422
    assert anna.call("POST", "/v1/auth/address/confirm", json={"code": code}).status_code == 200
    assert anna.call("GET", "/v1/auth/me").json()["user"]["email"] == wanted["email"]
    assert [mail["Subject"] for mail in mails(auth, "anna@example.org")][-1] == "Your e-mail address was changed"
    # Whether somebody has an address shows in the mail that goes there, and in no answer.
    asked = anna.call("POST", "/v1/auth/address", json={"email": other.email, "password": PASSWORD})
    assert asked.status_code == 202
    assert [mail["Subject"] for mail in mails(auth, other.email)][-1] == "You have an account already"


def test_a_closed_server_takes_nobody_new(auth: UnderTest) -> None:
    auth.execute("INSERT INTO platform (id, sign_up) VALUES (1, 'closed')")
    refused = auth.call("POST", "/v1/auth/sign-up", json={"email": "a@example.org", "password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_up_closed")
    assert auth.rows("SELECT 1 FROM users") == []


def test_guessing_is_slowed_down_and_its_owner_still_gets_in(auth: UnderTest) -> None:
    sign_up(auth)
    home = signed_in(auth, "anna@example.org", address="203.0.113.7")
    thief = "198.51.100.66"
    answers = [sign_in(auth, home.email, f"guess number {n}", thief) for n in range(8)]
    assert [answer.status_code for answer in answers[:6]] == [401] * 6
    assert answers[-1].status_code == 429
    assert answers[-1].json()["code"] == "slow_down"
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert sign_in(auth, home.email, address=thief).status_code == 429  # the right one, too: it tells nothing
    assert sign_in(auth, home.email, address="203.0.113.99").status_code == 200


def test_many_networks_taking_turns_are_slowed_down_and_the_owners_is_not(auth: UnderTest) -> None:
    sign_up(auth)
    home = signed_in(auth, "anna@example.org", address="203.0.113.7")
    for number in range(52):
        sign_in(auth, home.email, "a long guess", f"198.51.{number}.1")
    auth.execute("UPDATE throttles SET blocked_until = clock_timestamp() + interval '1 minute' WHERE failures > 50")
    assert sign_in(auth, home.email, address="192.0.2.1").status_code == 429
    assert sign_in(auth, home.email, address="203.0.113.8").status_code == 200


def test_an_unknown_account_is_slowed_down_alike(auth: UnderTest) -> None:
    codes = [sign_in(auth, "nobody@example.org", f"guess number {n}").status_code for n in range(8)]
    assert codes[:6] == [401] * 6
    assert codes[-1] == 429


def test_waiting_grows_and_ends(auth: UnderTest) -> None:
    anna = sign_up(auth)
    waits = []
    for _ in range(9):
        auth.execute("UPDATE throttles SET blocked_until = NULL")
        sign_in(auth, anna.email, "a long guess")
        waits.append(auth.rows("SELECT max(extract(epoch FROM blocked_until - last_at)) FROM throttles")[0][0])
    assert [wait is None for wait in waits[:5]] == [True] * 5
    grown = [round(float(wait)) for wait in waits[5:]]
    assert grown == [2, 4, 8, 16]
    auth.execute("UPDATE throttles SET failures = 1000, blocked_until = NULL")
    sign_in(auth, anna.email, "a long guess")
    [(longest,)] = auth.rows("SELECT max(extract(epoch FROM blocked_until - last_at)) FROM throttles")
    assert float(longest) <= 900.5
    auth.execute("UPDATE throttles SET blocked_until = clock_timestamp()")
    assert sign_in(auth, anna.email).status_code == 200


def test_a_disabled_account_is_told_so_by_its_password_alone(auth: UnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = sign_up(auth)
    auth.execute("UPDATE users SET disabled_at = clock_timestamp()")
    assert resolve(auth, anna.token).status_code == 404
    hashed: list[Any] = []
    real = argon2.PasswordHasher.verify
    monkeypatch.setattr(
        argon2.PasswordHasher, "verify", lambda self, *given: hashed.append(given) or real(self, *given)
    )
    wrong, right = sign_in(auth, anna.email, "not it at all"), sign_in(auth, anna.email)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert (right.status_code, right.json()["code"]) == (403, "account_disabled")
    assert len(hashed) == 2
