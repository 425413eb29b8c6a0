"""Service tokens: one audience, one minute, one issuer's key."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest

from infra.onehost.secrets import make_key
from libs.database import new_id
from libs.web import problems
from libs.web.tokens import BadToken, Principal, Signer, Verifier
from tests.factories.services import Keys


@pytest.fixture
def verifier(keys: Keys) -> Verifier:
    return Verifier("catalog", keys.folder)


def test_round_trip(keys: Keys, verifier: Verifier) -> None:
    user, session = new_id(), new_id()
    token = keys.signer("gateway").sign("catalog", acting=user, scopes={"read"}, session_id=session)
    assert verifier.verify(token) == Principal("gateway", user, frozenset({"read"}), session)


def test_wrong_audience_is_refused(keys: Keys, verifier: Verifier) -> None:
    with pytest.raises(BadToken):
        verifier.verify(keys.signer("gateway").sign("render"))


def test_a_leaked_key_speaks_for_its_service_only(keys: Keys, verifier: Verifier) -> None:
    forged = jwt.encode(
        {**_claims(), "iss": "gateway"},
        keys.signer("stream")._key,
        algorithm="EdDSA",
    )
    with pytest.raises(BadToken):
        verifier.verify(forged)


@pytest.mark.parametrize(
    "change",
    [{"exp": 0}, {"iat": 9999999999}, {"exp": 9999999999}, {"aud": ["render"]}, {"iss": "../gateway"}, {"iss": ""}],
)
def test_claims_that_do_not_fit(keys: Keys, verifier: Verifier, change: dict[str, object]) -> None:
    token = jwt.encode({**_claims(), **change}, keys.signer("gateway")._key, algorithm="EdDSA")
    with pytest.raises(BadToken):
        verifier.verify(token)


def test_small_clock_skew_is_forgiven_and_a_minute_is_not(keys: Keys, verifier: Verifier) -> None:
    now = int(time.time())
    for ago, good in ((63, True), (70, False)):
        claims = {**_claims(), "iat": now - ago, "exp": now - ago + 60}
        token = jwt.encode(claims, keys.signer("gateway")._key, algorithm="EdDSA")
        if good:
            verifier.verify(token)
        else:
            with pytest.raises(BadToken):
                verifier.verify(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", jwt.encode({"iss": "gateway"}, "k" * 32, algorithm="HS256")])
def test_what_is_no_token(verifier: Verifier, token: str) -> None:
    with pytest.raises(BadToken):
        verifier.verify(token)


def test_no_algorithm_is_no_signature(verifier: Verifier) -> None:
    with pytest.raises(BadToken):
        verifier.verify(jwt.encode(_claims(), None, algorithm="none"))


def test_keys_rotate_by_listing_the_new_one_first(tmp_path: Path) -> None:
    (old, old_public), (new, new_public) = make_key(), make_key()
    (tmp_path / "auth.pub").write_text(new_public + old_public)
    verifier = Verifier("catalog", tmp_path)
    for private in (old, new):
        assert verifier.verify(Signer("auth", private).sign("catalog")).service == "auth"


def test_scopes_and_people() -> None:
    with pytest.raises(problems.Unauthenticated):
        Principal("gateway").require("read")
    with pytest.raises(problems.Forbidden):
        Principal("gateway", new_id(), frozenset({"upload"})).require("read")


def _claims() -> dict[str, object]:
    now = int(time.time())
    return {"iss": "gateway", "aud": "catalog", "iat": now, "exp": now + 60, "jti": "x", "scopes": []}
