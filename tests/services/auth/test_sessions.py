"""Where somebody is signed in: seen, ended, and given new tokens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from infra.onehost.servers import Valkey
from libs.contracts.identity import FORGET
from tests.factories.services import UnderTest
from tests.services.auth.people import PASSWORD, audited, resolve, sign_up, signed_in


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth")


def test_everybody_sees_where_they_are_signed_in(auth: UnderTest) -> None:
    sign_up(auth)
    phone = signed_in(auth, "anna@example.org", address="198.51.100.9")
    desk = signed_in(auth, "anna@example.org", address="203.0.113.7")
    listed = desk.call("GET", "/v1/auth/sessions").json()["items"]
    assert [one["address"] for one in listed][:2] == ["203.0.113.7", "198.51.100.9"]
    assert {one["device"] for one in listed[:2]} == {"Firefox on Linux"}
    assert [one["id"] for one in listed if one["current"]] == [str(desk.session)]

    assert desk.call("DELETE", f"/v1/auth/sessions/{phone.session}").status_code == 204
    assert resolve(auth, phone.token).status_code == 404
    assert resolve(auth, desk.token).status_code == 200
    assert desk.call("DELETE", f"/v1/auth/sessions/{phone.session}").status_code == 404


def test_nobody_ends_or_sees_the_sessions_of_others(auth: UnderTest) -> None:
    anna, bert = sign_up(auth), sign_up(auth, "bert")
    assert bert.call("DELETE", f"/v1/auth/sessions/{anna.session}").status_code == 404
    assert [one["id"] for one in bert.call("GET", "/v1/auth/sessions").json()["items"]] == [str(bert.session)]
    assert resolve(auth, anna.token).status_code == 200


def test_signing_out_everywhere_and_everywhere_else(auth: UnderTest) -> None:
    first = sign_up(auth)
    second, third = signed_in(auth, first.email), signed_in(auth, first.email)
    assert third.call("DELETE", "/v1/auth/sessions").json() == {"ended": 2}
    assert [resolve(auth, one.token).status_code for one in (first, second, third)] == [404, 404, 200]
    assert third.call("POST", "/v1/auth/sign-out/everywhere").status_code == 204
    assert resolve(auth, third.token).status_code == 404


def test_a_token_that_was_renewed_works_for_a_moment_and_then_ends_the_whole_family(auth: UnderTest) -> None:
    anna = sign_up(auth)
    old = anna.token
    assert anna.call("POST", "/v1/auth/refresh").status_code == 200
    assert anna.token != old
    # What was on its way with the old one is still answered …
    assert resolve(auth, old).json()["session_id"] == str(anna.session)
    # … and later it is a thief's, or the new one is.
    auth.execute("UPDATE retired_tokens SET retired_at = retired_at - interval '11 seconds'")
    assert resolve(auth, old).status_code == 404
    assert resolve(auth, anna.token).status_code == 404
    assert audited(auth, "session.reused") == [("anna@example.org", "token_reused")]


def test_two_tabs_that_refresh_at_once_do_not_lock_each_other_out(auth: UnderTest) -> None:
    anna = sign_up(auth)
    assert anna.call("POST", "/v1/auth/refresh").status_code == 200
    again = anna.call("POST", "/v1/auth/refresh")
    assert (again.status_code, again.json()["code"]) == (409, "just_refreshed")
    assert "X-Session-Token" not in again.headers
    auth.execute("UPDATE sessions SET rotated_at = rotated_at - interval '11 seconds'")
    assert anna.call("POST", "/v1/auth/refresh").status_code == 200
    assert resolve(auth, anna.token).status_code == 200


def test_a_program_has_no_session_to_refresh_or_prove(auth: UnderTest) -> None:
    anna = sign_up(auth)
    refused = auth.call("POST", "/v1/auth/refresh", by=anna.id)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_session")
    refused = auth.call(
        "POST", "/v1/auth/password", by=anna.id, json={"current": PASSWORD, "new": "three unrelated words"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "session_needed")


def test_proving_again_rotates_the_token(auth: UnderTest) -> None:
    anna = sign_up(auth)
    old = anna.token
    wrong = anna.call("POST", "/v1/auth/prove", json={"password": "not it at all"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert anna.token == old
    assert anna.call("POST", "/v1/auth/prove", json={"password": PASSWORD}).status_code == 200
    assert anna.token != old
    assert resolve(auth, anna.token).status_code == 200


def test_gateways_learn_at_once_that_a_session_ended(auth: UnderTest, valkey: Valkey) -> None:
    anna = sign_up(auth)
    with redis.Redis.from_url(valkey.url) as server, server.pubsub() as heard:
        heard.subscribe(FORGET)
        assert heard.get_message(timeout=5)["type"] == "subscribe"
        assert anna.call("POST", "/v1/auth/sign-out").status_code == 204
        message = heard.get_message(timeout=5)
    assert message["data"] == str(anna.id).encode()


def test_signing_out_does_not_wait_for_a_redis_that_is_away(start: Callable[..., UnderTest]) -> None:
    auth = start("auth", CLIPSTEAD_REDIS_URL="redis://127.0.0.1:1/0")
    anna = sign_up(auth)
    answer = anna.call("POST", "/v1/auth/sign-out")
    assert answer.status_code == 204
    assert answer.elapsed.total_seconds() < 2
    assert resolve(auth, anna.token).status_code == 404


def test_the_audit_log_is_only_ever_added_to(auth: UnderTest) -> None:
    sign_up(auth)
    for statement in ("UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="only ever added to"):
            auth.execute(statement)
    assert audited(auth, "session.begun") == [("anna@example.org", "ok")]
