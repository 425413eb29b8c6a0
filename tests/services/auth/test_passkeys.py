"""Passkeys, made and used by a security key in software."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.factories.authenticator import PRESENT, Authenticator, decoded
from tests.factories.services import UnderTest
from tests.services.auth.people import Person, resolve, sign_in, sign_up


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth")


def register(person: Person, key: Authenticator, name: str = "Laptop") -> httpx.Response:
    question = person.call("POST", "/v1/auth/passkeys/options").json()
    body = {"challenge": question["challenge"], "credential": key.create(question["options"]), "name": name}
    return person.call("POST", "/v1/auth/passkeys", json=body)


def use(auth: UnderTest, key: Authenticator) -> httpx.Response:
    question = auth.call("POST", "/v1/auth/sign-in/passkey/options").json()
    body = {"challenge": question["challenge"], "credential": key.get(question["options"])}
    return auth.call("POST", "/v1/auth/sign-in/passkey", json=body)


def test_the_story_of_a_passkey(auth: UnderTest) -> None:
    anna, key = sign_up(auth), Authenticator()
    before = anna.token
    made = register(anna, key)
    assert (made.status_code, made.json()["passkey"]["name"]) == (201, "Laptop")
    assert anna.token != before
    signed = use(auth, key)
    assert signed.status_code == 200
    assert resolve(auth, signed.headers["X-Session-Token"]).json()["user_id"] == str(anna.id)
    assert auth.rows("SELECT strong FROM sessions ORDER BY created_at DESC LIMIT 1") == [(True,)]

    path = f"/v1/auth/passkeys/{made.json()['passkey']['id']}"
    assert anna.call("PATCH", path, json={"name": "Old laptop"}).json()["name"] == "Old laptop"
    assert sign_up(auth, "bert").call("DELETE", path).status_code == 404
    assert anna.call("DELETE", path).status_code == 204
    assert use(auth, key).status_code == 401


def test_a_passkey_is_the_second_step_after_the_password(auth: UnderTest) -> None:
    anna, key, other = sign_up(auth), Authenticator(), Authenticator()
    register(anna, key)
    register(sign_up(auth, "bert"), other)
    question = sign_in(auth, anna.email).json()["second_factor"]
    assert question["methods"] == ["passkey", "recovery"]
    allowed = [one["id"] for one in question["passkey_options"]["allowCredentials"]]
    assert [decoded(one) for one in allowed] == [key.id]

    def second(with_key: Authenticator) -> httpx.Response:
        body = {"challenge": question["challenge"], "passkey": with_key.get(question["passkey_options"])}
        return auth.call("POST", "/v1/auth/sign-in/second", json=body)

    assert second(other).status_code == 401
    assert second(key).status_code == 200


@pytest.mark.parametrize(
    "odd",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:3001"},
        {"host": "evil.example"},
        {"flags": PRESENT},
    ],
    ids=["another site", "another port", "another party", "nobody verified"],
)
def test_what_was_made_or_used_elsewhere_is_refused(auth: UnderTest, odd: dict[str, Any]) -> None:
    anna = sign_up(auth)
    refused = register(anna, Authenticator(**odd))
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_passkey")
    key = Authenticator()
    register(anna, key)
    for name, value in odd.items():
        setattr(key, name, value)
    assert use(auth, key).status_code == 401


def test_a_question_is_answered_once_and_by_whom_it_was_put_to(auth: UnderTest) -> None:
    anna, bert, key = sign_up(auth), sign_up(auth, "bert"), Authenticator()
    question = anna.call("POST", "/v1/auth/passkeys/options").json()
    body = {"challenge": question["challenge"], "credential": key.create(question["options"]), "name": "x"}
    assert bert.call("POST", "/v1/auth/passkeys", json=body).status_code == 422
    assert anna.call("POST", "/v1/auth/passkeys", json=body).json()["code"] == "challenge_over"

    register(anna, key)
    asked = auth.call("POST", "/v1/auth/sign-in/passkey/options").json()
    answer = {"challenge": asked["challenge"], "credential": key.get(asked["options"])}
    assert auth.call("POST", "/v1/auth/sign-in/passkey", json=answer).status_code == 200
    assert auth.call("POST", "/v1/auth/sign-in/passkey", json=answer).json()["code"] == "challenge_over"


def test_another_questions_signature_and_a_copied_key_are_refused(auth: UnderTest) -> None:
    anna, key = sign_up(auth), Authenticator()
    register(anna, key)
    first, second = (auth.call("POST", "/v1/auth/sign-in/passkey/options").json() for _ in range(2))
    body = {"challenge": first["challenge"], "credential": key.get(second["options"])}
    assert auth.call("POST", "/v1/auth/sign-in/passkey", json=body).status_code == 401
    assert use(auth, key).status_code == 200
    key.count = 0  # a copy that was made before
    assert use(auth, key).status_code == 401


@pytest.mark.parametrize(
    "odd", [{}, {"id": "!"}, {"id": "AAAA", "response": []}, {"id": "AAAA", "response": {"userHandle": 7}}]
)
def test_odd_answers_are_no_errors_of_ours(auth: UnderTest, odd: dict[str, Any]) -> None:
    question = auth.call("POST", "/v1/auth/sign-in/passkey/options").json()
    answer = auth.call("POST", "/v1/auth/sign-in/passkey", json={"challenge": question["challenge"], "credential": odd})
    assert answer.status_code == 401


def test_the_last_way_in_stays(auth: UnderTest) -> None:
    anna = sign_up(auth)
    made = register(anna, Authenticator()).json()["passkey"]
    auth.execute("UPDATE users SET password_hash = NULL")
    refused = anna.call("DELETE", f"/v1/auth/passkeys/{made['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_way_in")
