"""Identity providers: what they publish about themselves, and whether what they say of somebody can be believed.

The flow is OAuth 2.0's authorization code with PKCE (RFC 7636), as RFC 9700 wants it; what is checked of an ID token is
OpenID Connect Core 1.0, 3.1.3.7. Nothing is believed that was not signed by a key that the provider publishes, with an
algorithm that is neither “none” nor symmetric.
"""

from __future__ import annotations

import json
import re
import threading
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from libs.telemetry import log
from libs.web.problems import BadRequest, NotFound, Unavailable
from services.auth.addresses import normalised
from services.auth.settings import settings

__all__ = ["Known", "Person", "Provider", "Untrusted", "address", "find", "listed", "named", "redeem"]

GOOGLE = "https://accounts.google.com/.well-known/openid-configuration"
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
PATIENCE = 10.0  # seconds for each answer of a provider
KEPT = 3600.0  # seconds that what it publishes is believed
LEEWAY = 60  # seconds that its clock may differ
MOST_BYTES = 1 << 20
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Untrusted(BadRequest):
    """400: what came back is not what was asked for. ``code`` says what is wrong with it."""

    def __init__(self, code: str) -> None:
        super().__init__("This sign-in can't be trusted. Please start again.", code=code)


class Provider(BaseModel):
    """A provider as the administrator set it up."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    discovery_url: str
    client_id: str
    client_secret: Annotated[str, Field(repr=False)] = ""
    scopes: str = "openid email profile"


@dataclass(frozen=True)
class Known:
    """A provider with what it publishes about itself."""

    provider: Provider
    metadata: Mapping[str, Any]
    keys: KeySet

    @property
    def issuer(self) -> str:
        """Its name in everything that it signs."""
        return str(self.metadata["issuer"])


@dataclass(frozen=True)
class Person:
    """Whom a provider speaks of. ``email`` is normalised, or empty; ``verified``: the provider vouches for it."""

    issuer: str
    subject: str
    email: str
    verified: bool
    name: str


@dataclass
class _Cache:
    """What providers published, by their ids."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: dict[str, tuple[float, Known]] = field(default_factory=dict)


_cache = _Cache()


def listed() -> tuple[Provider, ...]:
    """All providers that are set up."""
    chosen = settings()
    return _configured(
        chosen.oidc_google_client_id,
        chosen.oidc_google_client_secret.get_secret_value(),
        chosen.oidc_providers.get_secret_value(),
    )


def named(issuer: str) -> str:
    """What people call an issuer: the provider's name where it is set up and was asked already, else the issuer itself."""
    with _cache.lock:
        return next((known.provider.name for _, known in _cache.known.values() if known.issuer == issuer), issuer)


def find(provider_id: str) -> Known:
    """A provider and what it publishes. Raises NotFound, and Unavailable if it can't be asked."""
    provider = next((one for one in listed() if one.id == provider_id), None)
    if provider is None:
        raise NotFound("There is no such identity provider here.")
    with _cache.lock:
        at, known = _cache.known.get(provider_id, (0.0, None))
    if known is None or known.provider != provider or time.monotonic() - at > KEPT:
        known = _learned(provider)
    return known


def address(known: Known, state: str, nonce: str, verifier: str) -> str:
    """Where a browser goes to sign in there."""
    with _client(known) as client:
        url, _ = client.create_authorization_url(
            known.metadata["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
        )
        return str(url)


def redeem(provider_id: str, answer: Mapping[str, str], nonce: str, verifier: str) -> Person:
    """Exchange the code that a browser came back with for who it is. Raises Untrusted and Unavailable."""
    known = find(provider_id)
    said = answer.get("iss")
    required = known.metadata.get("authorization_response_iss_parameter_supported") is True
    if said != known.issuer if said is not None else required:
        raise Untrusted("wrong_issuer")  # an answer of another provider's, passed on (RFC 9207)
    if "error" in answer:
        raise Untrusted("access_denied" if answer["error"] == "access_denied" else "provider_refused")
    with _client(known) as client:
        try:
            token = client.fetch_token(
                known.metadata["token_endpoint"],
                grant_type="authorization_code",
                code=answer.get("code", ""),
                code_verifier=verifier,
            )
        except OAuthError as error:
            log.warning("an identity provider took no code", extra={"provider": provider_id, "error": str(error.error)})
            raise Untrusted("bad_code") from error
        except (httpx.HTTPError, ValueError) as error:
            raise _away(known.provider, error) from error
        if not isinstance(token.get("id_token"), str):
            raise Untrusted("no_id_token")
        claims = _claims(known, token["id_token"], token.get("access_token"), nonce)
        return _person(known, claims if "email" in claims else claims | _more(known, client, claims["sub"]))


def _claims(known: Known, text: str, access_token: object, nonce: str) -> dict[str, Any]:
    said = set(known.metadata.get("id_token_signing_alg_values_supported", ["RS256"]))
    algorithms = sorted(said & ALGORITHMS)
    try:
        decoded = _decoded(known, text, algorithms)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": known.issuer},
                "aud": {"essential": True, "value": known.provider.client_id},
                "sub": {"essential": True},
            },
            params={"nonce": nonce, "client_id": known.provider.client_id, "access_token": access_token},
        )
        claims.validate(leeway=LEEWAY)
    except (JoseError, ValueError) as error:
        log.warning("an ID token was refused", extra={"provider": known.provider.id, "why": type(error).__name__})
        raise Untrusted("bad_id_token") from error
    except Exception as error:
        # Authlib's own refusals of claims have no common base that it publishes.
        if not type(error).__module__.startswith("authlib."):
            raise
        log.warning("an ID token was refused", extra={"provider": known.provider.id, "why": str(error)})
        raise Untrusted("bad_id_token") from error
    return dict(claims)


def _more(known: Known, client: OAuth2Client, subject: str) -> dict[str, Any]:
    """What a provider tells at its UserInfo endpoint alone (OpenID Connect Core 1.0, 5.3). Raises Untrusted, Unavailable."""
    endpoint = known.metadata.get("userinfo_endpoint")
    if not isinstance(endpoint, str):
        return {}
    try:
        said = client.get(endpoint).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise _away(known.provider, error) from error
    if not isinstance(said, dict) or said.get("sub") != subject:
        raise Untrusted("other_subject")  # somebody else's (5.3.2)
    return {name: said[name] for name in ("email", "email_verified", "name") if name in said}


def _decoded(known: Known, text: str, algorithms: list[str]) -> jwt.Token:
    try:
        return jwt.decode(text, known.keys, algorithms=algorithms)
    except (JoseError, ValueError):
        # Perhaps signed with a key that is newer than what we know: look once.
        fresh = _learned(known.provider)
        if fresh.keys.as_dict() == known.keys.as_dict():
            raise
        return jwt.decode(text, fresh.keys, algorithms=algorithms)


def _person(known: Known, claims: Mapping[str, Any]) -> Person:
    try:
        email = normalised(str(claims.get("email", "")))
    except ValueError:
        email = ""
    name = " ".join(_ODD.sub(" ", unicodedata.normalize("NFC", str(claims.get("name", "")))).split())[:80]
    # Some say it as a word.
    verified = claims.get("email_verified") in (True, "true")
    return Person(known.issuer, str(claims["sub"]), email, verified, name)


def _client(known: Known) -> OAuth2Client:
    secret = known.provider.client_secret
    taken = known.metadata.get("token_endpoint_auth_methods_supported", ())
    basic, post = "client_secret_basic", "client_secret_post"
    method = (post if post in taken and basic not in taken else basic) if secret else "none"
    return OAuth2Client(
        client_id=known.provider.client_id,
        client_secret=secret or None,
        scope=known.provider.scopes,
        redirect_uri=f"{settings().public_url.rstrip('/')}/api/v1/auth/oidc/{known.provider.id}/callback",
        token_endpoint_auth_method=method,
        code_challenge_method="S256",
        timeout=PATIENCE,
        trust_env=False,
        follow_redirects=False,
    )


def _learned(provider: Provider) -> Known:
    """Ask a provider what it publishes. Raises Unavailable."""
    try:
        with httpx.Client(timeout=PATIENCE, trust_env=False, follow_redirects=False) as client:
            metadata = _read(client, provider.discovery_url)
            keys = KeySet.import_key_set(_read(client, metadata["jwks_uri"]))
        for endpoint in ("issuer", "authorization_endpoint", "token_endpoint"):
            if not isinstance(metadata[endpoint], str):
                raise TypeError(f"{endpoint} is no address")
    except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
        raise _away(provider, error) from error
    known = Known(provider, metadata, keys)
    with _cache.lock:
        _cache.known[provider.id] = (time.monotonic(), known)
    return known


def _read(client: httpx.Client, url: str) -> Any:
    answer = client.get(url).raise_for_status()
    if len(answer.content) > MOST_BYTES:
        raise ValueError("more than any provider has to say")
    return json.loads(answer.content)


def _away(provider: Provider, error: Exception) -> Unavailable:
    log.warning("an identity provider can't be asked", extra={"provider": provider.id, "error": repr(error)})
    return Unavailable(f"{provider.name} can't be reached right now.", code="provider_away")


@lru_cache(maxsize=4)
def _configured(google_id: str, google_secret: str, others: str) -> tuple[Provider, ...]:
    found = TypeAdapter(list[Provider]).validate_json(others) if others else []
    if google_id:
        google = Provider(
            id="google", name="Google", discovery_url=GOOGLE, client_id=google_id, client_secret=google_secret
        )
        found.insert(0, google)
    return tuple(found)
