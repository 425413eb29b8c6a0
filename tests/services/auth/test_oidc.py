"""Sign-in through identity providers, with a real one: what is believed (T21), and that no account is taken (T22)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.auth import providers
from tests.factories.identityprovider import IdentityProvider, identity_provider
from tests.factories.services import UnderTest
from tests.services.auth.people import PASSWORD, Person, audited, code_of, mails, resolve, sign_in, sign_up, signed_in
from tests.services.auth.test_groups import invited, made

ANNA = {"email": "anna@example.org", "email_verified": True, "name": "Anna A.", "sub": "subject-1"}


@pytest.fixture(scope="module")
def running() -> Iterator[IdentityProvider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: IdentityProvider) -> IdentityProvider:
    running.bend(claims=ANNA)
    return running


@pytest.fixture
def auth(start: Callable[..., UnderTest], provider: IdentityProvider) -> UnderTest:
    others = [
        {
            "id": name,
            "name": name.title(),
            "discovery_url": f"{provider.url}/.well-known/openid-configuration",
            "client_id": f"clipstead-{name}",
            "client_secret": "s3cret",
        }
        for name in ("club", "other")
    ]
    return start(
        "auth",
        CLIPSTEAD_OIDC_PROVIDERS=json.dumps(others),
        CLIPSTEAD_PUBLIC_URL="https://clips.example.org",
        CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL="ruler@example.org",
    )


class Browser:
    """Somebody's browser: it keeps the cookie that it was given, and follows where it is sent."""

    def __init__(self, auth: UnderTest, person: Person | None = None) -> None:
        self.auth, self.person = auth, person
        self.cookie = ""

    def set_out(self, name: str = "club", **query: str) -> str:
        """The address at the provider that it is sent to."""
        answer = self.auth.call("GET", f"/v1/auth/oidc/{name}/begin", params=query)
        assert answer.status_code == 303, answer.text
        return self._sent(answer, answer.headers["location"])

    def set_out_to_link(self, name: str = "club") -> str:
        assert self.person is not None
        answer = self.person.call("POST", f"/v1/auth/oidc/{name}/link")
        assert answer.status_code == 200, answer.text
        return self._sent(answer, answer.json()["url"])

    def _sent(self, answer: httpx.Response, address: str) -> str:
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        self.cookie = cookie.partition(";")[0]
        return address

    def come_back(self, answer: dict[str, str], name: str = "club", accept: str = "*/*") -> httpx.Response:
        headers = {"Cookie": self.cookie, "Accept": accept, "X-Forwarded-For": "203.0.113.9"}
        who = {"by": self.person.id, "session_id": self.person.session} if self.person else {}
        return self.auth.call("GET", f"/v1/auth/oidc/{name}/callback", params=answer, headers=headers, **who)


def proved(auth: UnderTest, name: str) -> Person:
    """Somebody whose address is theirs."""
    person = sign_up(auth, name)
    code = code_of(mails(auth, person.email)[0])
    assert person.call("POST", "/v1/auth/verify", json={"code": code}).status_code == 200
    return person


def through(auth: UnderTest, provider: IdentityProvider, name: str = "club", **query: str) -> httpx.Response:
    """A whole sign-in."""
    browser = Browser(auth)
    return browser.come_back(provider.visit(browser.set_out(name, **query)), name)


def identity(auth: UnderTest, answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = resolve(auth, answer.headers["X-Session-Token"]).json()
    return found


def refused(answer: httpx.Response) -> str:
    """The code that a sign-in which can't be trusted is refused with."""
    assert answer.status_code == 400, answer.text
    assert "X-Session-Token" not in answer.headers
    return str(answer.json()["code"])


def sent_back(answer: httpx.Response) -> str:
    """Why somebody is sent to the sign-in."""
    assert answer.status_code == 303, answer.text
    assert "X-Session-Token" not in answer.headers
    page, _, code = answer.headers["location"].partition("#problem=")
    assert page in ("/sign-in", "/account")
    return str(code)


def test_who_is_new_gets_an_account_and_is_known_again(auth: UnderTest, provider: IdentityProvider) -> None:
    listed = auth.call("GET", "/v1/auth/oidc").json()["items"]
    assert listed == [{"id": "club", "name": "Club"}, {"id": "other", "name": "Other"}]
    first = through(auth, provider, next="/groups")
    assert (first.status_code, first.headers["location"]) == (303, "/groups")
    person = identity(auth, first)
    assert (person["email"], person["display_name"]) == ("anna@example.org", "Anna A.")

    # Known by issuer and subject, whatever address the provider tells later.
    provider.bend(claims={**ANNA, "email": "anna@elsewhere.example", "name": "Somebody"})
    again = identity(auth, through(auth, provider))
    assert (again["user_id"], again["email"], again["display_name"]) == (
        person["user_id"],
        "anna@example.org",
        "Anna A.",
    )
    provider.bend(claims={**ANNA, "sub": "subject-2", "email": "bert@example.org"})
    assert identity(auth, through(auth, provider))["user_id"] != person["user_id"]
    assert auth.rows("SELECT email_verified_at IS NOT NULL, password_hash IS NULL FROM users") == [(True, True)] * 2


def test_what_is_asked_of_the_provider(auth: UnderTest) -> None:
    address = urlsplit(Browser(auth).set_out())
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert asked["redirect_uri"] == "https://clips.example.org/api/v1/auth/oidc/club/callback"
    assert (asked["response_type"], asked["client_id"]) == ("code", "clipstead-club")
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert min(len(asked["state"]), len(asked["nonce"])) == 43
    assert asked["scope"] == "openid email profile"


@pytest.mark.parametrize("page", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_one_comes_back_to_a_page_of_ours(auth: UnderTest, provider: IdentityProvider, page: str) -> None:
    assert through(auth, provider, next=page).headers["location"] == "/"


# T21 ---------------------------------------------------------------------------------------------------------------------


def test_an_answer_counts_once(auth: UnderTest, provider: IdentityProvider) -> None:
    browser = Browser(auth)
    answer = provider.visit(browser.set_out())
    assert browser.come_back(answer).status_code == 303
    assert refused(browser.come_back(answer)) == "bad_state"


def test_another_browsers_answer_is_nobodys(auth: UnderTest, provider: IdentityProvider) -> None:
    attacker, victim = Browser(auth), Browser(auth)
    victim.set_out()
    answer = provider.visit(attacker.set_out())
    assert refused(victim.come_back(answer)) == "other_browser"
    victim.cookie = ""
    assert refused(victim.come_back(answer)) == "other_browser"
    assert refused(attacker.come_back({**answer, "state": "x" * 43})) == "bad_state"
    assert refused(attacker.come_back({"code": answer["code"]})) == "bad_state"
    # Whose it is may still use it.
    assert attacker.come_back(answer).status_code == 303


def test_a_code_of_another_request_is_worth_nothing(auth: UnderTest, provider: IdentityProvider) -> None:
    # PKCE: the code was asked for with another verifier's challenge.
    stolen = provider.visit(Browser(auth).set_out())
    browser = Browser(auth)
    own = provider.visit(browser.set_out())
    assert refused(browser.come_back({**own, "code": stolen["code"]})) in ("bad_code", "no_id_token")


@pytest.mark.parametrize(
    "bent",
    [
        {"claims": {**ANNA, "iss": "https://accounts.google.com"}},
        {"claims": {**ANNA, "aud": "somebody-else"}},
        {"claims": {**ANNA, "aud": ["clipstead-club", "somebody-else"], "azp": "somebody-else"}},
        {"claims": {**ANNA, "nonce": "n" * 43}},
        {"claims": ANNA, "without": ["nonce"]},
        {"claims": ANNA, "without": ["sub"]},
        {"claims": {**ANNA, "exp": 1_600_000_000}},
        {"claims": ANNA, "alg": "none"},
        {"claims": ANNA, "alg": "HS256"},
        {"claims": ANNA, "alg": "tampered"},
        {"claims": ANNA, "answer": {"iss": "https://accounts.google.com"}},
    ],
    ids=["iss", "aud", "azp", "nonce", "no-nonce", "no-sub", "expired", "none", "hs256", "tampered", "mix-up"],
)
def test_what_is_not_exactly_right_opens_no_session(
    auth: UnderTest, provider: IdentityProvider, bent: dict[str, Any]
) -> None:
    provider.bend(**bent)
    assert refused(through(auth, provider)) in ("bad_id_token", "wrong_issuer")
    assert auth.rows("SELECT count(*) FROM sessions") == [(0,)]
    assert auth.rows("SELECT count(*) FROM users") == [(0,)]
    assert [result for _, result in audited(auth, "oidc.refused")] in (["bad_id_token"], ["wrong_issuer"])


def test_an_answer_for_one_provider_does_not_count_at_another(auth: UnderTest, provider: IdentityProvider) -> None:
    browser = Browser(auth)
    answer = provider.visit(browser.set_out("club"))
    assert refused(browser.come_back(answer, "other")) == "other_provider"


def test_people_see_a_page_with_the_same_status(auth: UnderTest) -> None:
    answer = Browser(auth).come_back({"code": "x", "state": "y"}, accept="text/html,*/*")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert 'href="/sign-in"' in answer.text


def test_a_provider_may_change_its_keys(auth: UnderTest, provider: IdentityProvider) -> None:
    assert through(auth, provider).status_code == 303
    provider.bend(claims=ANNA, rotate=True)
    for _ in range(3):  # it signs with either
        assert through(auth, provider).status_code == 303


def test_who_cancels_is_back_at_the_sign_in(auth: UnderTest, provider: IdentityProvider) -> None:
    browser = Browser(auth)
    answer = provider.visit(browser.set_out())
    cancelled = {"state": answer["state"], "error": "access_denied"}
    assert sent_back(browser.come_back(cancelled)) == "access_denied"
    assert refused(browser.come_back(answer)) == "bad_state"


def test_a_provider_that_is_away_is_said_to_be(
    start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"id": "away", "name": "Away", "discovery_url": "http://127.0.0.1:9/x", "client_id": "c"}
    auth = start("auth", CLIPSTEAD_OIDC_PROVIDERS=json.dumps([away]))
    assert sent_back(auth.call("GET", "/v1/auth/oidc/away/begin")) == "provider_away"
    assert auth.call("GET", "/v1/auth/oidc/nobody/begin").status_code == 404
    anna = proved(auth, "anna")
    assert anna.call("POST", "/v1/auth/oidc/away/link").status_code == 503


def test_google_is_set_up_by_two_settings(start: Callable[..., UnderTest]) -> None:
    auth = start("auth", CLIPSTEAD_OIDC_GOOGLE_CLIENT_ID="id", CLIPSTEAD_OIDC_GOOGLE_CLIENT_SECRET="secret")
    assert auth.call("GET", "/v1/auth/oidc").json()["items"] == [{"id": "google", "name": "Google"}]
    assert providers.listed()[0].discovery_url == "https://accounts.google.com/.well-known/openid-configuration"


# T22 ---------------------------------------------------------------------------------------------------------------------


def test_an_account_that_was_prepared_for_somebody_is_theirs_alone_once_they_come(
    auth: UnderTest, provider: IdentityProvider
) -> None:
    attacker = sign_up(auth, "anna")
    key = attacker.call("POST", "/v1/auth/api-keys", json={"name": "trap", "scopes": ["read"]}).json()["key"]
    victim = identity(auth, through(auth, provider))
    assert victim["user_id"] == str(attacker.id)
    assert resolve(auth, attacker.token).status_code == 404
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 404
    assert sign_in(auth, attacker.email).status_code == 401
    assert audited(auth, "account.claimed") == [("anna@example.org", "ok")]


def test_an_account_that_is_its_owners_is_taken_by_no_provider(auth: UnderTest, provider: IdentityProvider) -> None:
    anna = proved(auth, "anna")
    assert sent_back(through(auth, provider)) == "link_first"
    assert audited(auth, "oidc.refused") == [("anna@example.org", "link_first")]
    assert auth.rows("SELECT count(*) FROM oidc_identities") == [(0,)]
    assert resolve(auth, anna.token).status_code == 200


@pytest.mark.parametrize("unproved", [{"email_verified": False}, {"email_verified": "no"}, {"email": "nonsense"}])
def test_an_address_that_the_provider_does_not_vouch_for_finds_nobody(
    auth: UnderTest, provider: IdentityProvider, unproved: dict[str, Any]
) -> None:
    anna = sign_up(auth)
    provider.bend(claims={**ANNA, **unproved})
    assert sent_back(through(auth, provider)) == "email_unverified"
    assert resolve(auth, anna.token).status_code == 200
    assert auth.rows("SELECT count(*) FROM users") == [(1,)]


def test_what_only_the_userinfo_says_is_heard(auth: UnderTest, provider: IdentityProvider) -> None:
    told = {"sub": "subject-1", "email": "anna@example.org", "email_verified": True, "name": "Anna"}
    provider.bend(claims={"sub": "subject-1"}, userinfo=told)
    assert identity(auth, through(auth, provider))["email"] == "anna@example.org"
    provider.bend(claims={"sub": "subject-2"}, userinfo=told)
    assert refused(through(auth, provider)) == "other_subject"


def test_nothing_is_linked_to_an_address_that_is_not_proved(auth: UnderTest) -> None:
    unproved = sign_up(auth).call("POST", "/v1/auth/oidc/club/link")
    assert (unproved.status_code, unproved.json()["code"]) == (403, "email_unverified")


def test_it_is_linked_in_a_live_session_that_proved_itself(auth: UnderTest, provider: IdentityProvider) -> None:
    anna = proved(auth, "anna")
    provider.bend(claims={**ANNA, "email": "other@elsewhere.example", "email_verified": False})
    browser = Browser(auth, anna)
    done = browser.come_back(provider.visit(browser.set_out_to_link()))
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    assert "X-Session-Token" not in done.headers
    [one] = anna.call("GET", "/v1/auth/identities").json()["items"]
    assert (one["provider"], one["email"]) == ("Club", "other@elsewhere.example")
    assert identity(auth, through(auth, provider))["user_id"] == str(anna.id)

    assert anna.call("DELETE", f"/v1/auth/identities/{one['id']}").status_code == 204
    assert anna.call("DELETE", f"/v1/auth/identities/{one['id']}").status_code == 404
    assert sent_back(through(auth, provider)) == "email_unverified"
    auth.execute("UPDATE sessions SET proved_at = now() - interval '1 hour' WHERE id = %s", anna.session)
    stale = anna.call("POST", "/v1/auth/oidc/club/link")
    assert (stale.status_code, stale.json()["code"]) == (403, "reauthentication_needed")


def test_a_link_belongs_to_the_session_that_asked_for_it(auth: UnderTest, provider: IdentityProvider) -> None:
    anna, eve = proved(auth, "anna"), proved(auth, "eve")
    browser = Browser(auth, eve)
    answer = provider.visit(browser.set_out_to_link())
    browser.person = anna  # signed in as somebody else meanwhile
    assert sent_back(browser.come_back(answer)) == "session_changed"
    answer = provider.visit(Browser.set_out_to_link(browser))
    browser.person = None
    assert sent_back(browser.come_back(answer)) == "session_changed"
    assert auth.rows("SELECT count(*) FROM oidc_identities") == [(0,)]


def test_an_account_elsewhere_belongs_to_one_account_here(auth: UnderTest, provider: IdentityProvider) -> None:
    through(auth, provider)
    eve = proved(auth, "eve")
    browser = Browser(auth, eve)
    assert sent_back(browser.come_back(provider.visit(browser.set_out_to_link()))) == "identity_taken"


def test_the_last_way_in_stays(auth: UnderTest, provider: IdentityProvider) -> None:
    answer = through(auth, provider)
    person = identity(auth, answer)
    anna = Person(auth, person["user_id"], person["email"], answer.headers["X-Session-Token"], person["session_id"])
    [one] = anna.call("GET", "/v1/auth/identities").json()["items"]
    kept = anna.call("DELETE", f"/v1/auth/identities/{one['id']}")
    assert (kept.status_code, kept.json()["code"]) == (409, "last_way_in")
    assert anna.call("POST", "/v1/auth/password", json={"new": PASSWORD}).status_code == 200
    assert anna.call("DELETE", f"/v1/auth/identities/{one['id']}").status_code == 204
    assert str(signed_in(auth, anna.email).id) == person["user_id"]


def test_a_second_factor_is_still_asked_for(auth: UnderTest, provider: IdentityProvider) -> None:
    person = identity(auth, through(auth, provider))
    auth.execute("INSERT INTO totps (user_id, secret, confirmed_at) VALUES (%s, 'x', now())", person["user_id"])
    answer = through(auth, provider)
    assert "X-Session-Token" not in answer.headers
    told = answer.headers["location"].removeprefix("/sign-in#second=")
    second = json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)))
    assert second["methods"] == ["totp", "recovery"]
    wrong = {"challenge": second["challenge"], "totp": "000000"}
    assert auth.call("POST", "/v1/auth/sign-in/second", json=wrong).json()["code"] != "challenge_over"


def test_who_may_not_come_in_is_told(auth: UnderTest, provider: IdentityProvider) -> None:
    person = identity(auth, through(auth, provider))
    auth.execute("UPDATE users SET disabled_at = now() WHERE id = %s", person["user_id"])
    assert sent_back(through(auth, provider)) == "account_disabled"
    provider.bend(claims={**ANNA, "sub": "new", "email": "new@example.org"})
    auth.execute("INSERT INTO platform (id, sign_up) VALUES (1, 'closed')")
    assert sent_back(through(auth, provider)) == "sign_up_closed"
    auth.execute("UPDATE platform SET sign_up = 'invitation'")
    assert sent_back(through(auth, provider)) == "invitation_needed"
    assert auth.rows("SELECT count(*) FROM users") == [(1,)]


def test_an_invitation_comes_along(auth: UnderTest, provider: IdentityProvider) -> None:
    host = sign_up(auth, "host")
    group = made(host)
    auth.execute("INSERT INTO platform (id, sign_up) VALUES (1, 'invitation')")
    person = identity(auth, through(auth, provider, invitation=invited(host, group)))
    assert person["groups"] == [group]
