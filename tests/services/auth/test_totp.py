"""Authenticator apps and recovery codes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pyotp
import pytest

from tests.factories.services import UnderTest
from tests.services.auth.people import PASSWORD, Person, audited, resolve, sign_in, sign_up


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth")


def clock(auth: UnderTest) -> int:
    [(seconds,)] = auth.rows("SELECT extract(epoch FROM clock_timestamp())")
    return int(seconds)


def enrol(person: Person) -> tuple[pyotp.TOTP, list[str]]:
    """Set an app up. Its first code is of the step before, so that the present one can still be used."""
    begun = person.call("POST", "/v1/auth/totp")
    assert begun.status_code == 200, begun.text
    app = pyotp.TOTP(begun.json()["secret"])
    done = person.call("POST", "/v1/auth/totp/confirm", json={"code": app.at(clock(person.auth) - 30)})
    assert done.status_code == 200, done.text
    return app, done.json()["recovery_codes"]


def asked(auth: UnderTest, person: Person) -> dict[str, object]:
    answer = sign_in(auth, person.email)
    assert answer.status_code == 200
    assert answer.json()["user"] is None
    assert "X-Session-Token" not in answer.headers
    return dict(answer.json()["second_factor"])


def second(auth: UnderTest, challenge: object, **answer: object) -> httpx.Response:
    return auth.call("POST", "/v1/auth/sign-in/second", json={"challenge": challenge, **answer})


def test_the_story_of_an_app(auth: UnderTest) -> None:
    anna = sign_up(auth)
    before = anna.token
    app, codes = enrol(anna)
    assert anna.token != before  # rights changed, so the token did
    assert len(codes) == 10
    question = asked(auth, anna)
    assert question["methods"] == ["totp", "recovery"]
    wrong = second(auth, question["challenge"], totp="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_second_factor")
    right = second(auth, question["challenge"], totp=app.at(clock(auth)))
    assert right.status_code == 200
    assert resolve(auth, right.headers["X-Session-Token"]).status_code == 200
    again = second(auth, question["challenge"], totp=app.at(clock(auth) + 30))
    assert (again.status_code, again.json()["code"]) == (422, "challenge_over")
    assert auth.rows(
        "SELECT facts->>'by' FROM audit WHERE action = 'session.begun' ORDER BY position DESC LIMIT 1"
    ) == [("password+totp",)]


def test_no_code_is_good_twice(auth: UnderTest) -> None:
    anna = sign_up(auth)
    app, _ = enrol(anna)
    code = app.at(clock(auth))
    assert second(auth, asked(auth, anna)["challenge"], totp=code).status_code == 200
    assert second(auth, asked(auth, anna)["challenge"], totp=code).status_code == 401


def test_clocks_may_differ_by_one_step_and_no_more(auth: UnderTest) -> None:
    anna = sign_up(auth)
    app, _ = enrol(anna)
    now = clock(auth)
    for far in (now - 90, now + 90):
        assert second(auth, asked(auth, anna)["challenge"], totp=app.at(far)).status_code == 401
    assert second(auth, asked(auth, anna)["challenge"], totp=app.at(clock(auth) + 30)).status_code == 200


def test_a_recovery_code_stands_in_once_however_it_is_typed(auth: UnderTest) -> None:
    anna = sign_up(auth)
    _, codes = enrol(anna)
    typed = codes[0].upper().replace("-", " ")
    assert second(auth, asked(auth, anna)["challenge"], recovery=typed).status_code == 200
    assert second(auth, asked(auth, anna)["challenge"], recovery=typed).status_code == 401
    assert anna.call("GET", "/v1/auth/factors").json()["recovery_codes_left"] == 9
    fresh = anna.call("POST", "/v1/auth/recovery-codes").json()["recovery_codes"]
    assert second(auth, asked(auth, anna)["challenge"], recovery=codes[1]).status_code == 401
    assert second(auth, asked(auth, anna)["challenge"], recovery=fresh[0]).status_code == 200


def test_guessing_a_code_is_slowed_down(auth: UnderTest) -> None:
    anna = sign_up(auth)
    enrol(anna)
    question = asked(auth, anna)
    answers = [second(auth, question["challenge"], totp=f"{number:06}").status_code for number in range(7)]
    assert answers[:6] == [401] * 6
    assert answers[6] == 429


def test_a_question_is_over_after_five_minutes(auth: UnderTest) -> None:
    anna = sign_up(auth)
    app, _ = enrol(anna)
    question = asked(auth, anna)
    auth.execute("UPDATE challenges SET expires_at = expires_at - interval '5 minutes'")
    assert second(auth, question["challenge"], totp=app.at(clock(auth))).status_code == 422


def test_an_app_counts_once_it_was_confirmed(auth: UnderTest) -> None:
    anna = sign_up(auth)
    anna.call("POST", "/v1/auth/totp")
    wrong = anna.call("POST", "/v1/auth/totp/confirm", json={"code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_code")
    assert sign_in(auth, anna.email).json()["user"] is not None


def test_changing_factors_takes_a_fresh_proof_and_a_browser(auth: UnderTest) -> None:
    anna = sign_up(auth)
    assert auth.call("POST", "/v1/auth/totp", by=anna.id).json()["code"] == "session_needed"
    auth.execute("UPDATE sessions SET proved_at = proved_at - interval '11 minutes'")
    refused = anna.call("POST", "/v1/auth/totp")
    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_needed")
    anna.call("POST", "/v1/auth/prove", json={"password": PASSWORD})
    app, _ = enrol(anna)
    assert anna.call("DELETE", "/v1/auth/totp", json={"code": "000000"}).status_code == 422
    assert anna.call("DELETE", "/v1/auth/totp", json={"code": app.at(clock(auth))}).status_code == 204
    assert sign_in(auth, anna.email).json()["user"] is not None
    assert [result for _, result in audited(auth, "factor.removed")] == ["ok"]


def test_the_database_alone_gives_no_codes(auth: UnderTest) -> None:
    anna = sign_up(auth)
    secret = anna.call("POST", "/v1/auth/totp").json()["secret"]
    assert secret not in str(auth.rows("SELECT totps::text, encode(secret, 'escape') FROM totps"))


def test_administrators_have_no_rights_without_a_second_factor_where_that_is_asked(
    start: Callable[..., UnderTest],
) -> None:
    auth = start("auth", CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL="anna@example.org")
    auth.execute("INSERT INTO platform (id, admins_need_second_factor) VALUES (1, true)")
    anna = sign_up(auth)
    assert "admin" not in resolve(auth, anna.token).json()["scopes"]
    assert anna.call("GET", "/v1/auth/me").json()["second_factor_missing"] is True
    enrol(anna)
    assert "admin" in resolve(auth, anna.token).json()["scopes"]
    assert anna.call("GET", "/v1/auth/me").json()["second_factor_missing"] is False
