"""Decides whether a request may pass: its rate, its caller, where it comes from, its rights and the shape of its body."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from gateway.addresses import Client
from gateway.csrf import SAFE, Guard
from gateway.failures import BadCredential, Foreign, Limited, NoCsrfToken
from gateway.headers import Headers, value_of
from gateway.limits import Limits, Tally
from gateway.routes import Body, Route, Who
from gateway.sessions import Cookie, Credential, Sessions, credential_of
from libs.contracts.identity import Identity
from libs.web.problems import BadRequest, Forbidden, Unauthenticated, UnsupportedMedia

_TYPES = {
    Body.JSON: ("application/json", "application/merge-patch+json"),
    Body.FORM: ("multipart/form-data",),
    Body.PICTURE: ("image/jpeg", "image/png", "image/webp"),
    Body.BYTES: ("application/offset+octet-stream",),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, as far as it is known."""

    client: Client
    credential: Credential | None = None
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """What every request to the API has to pass."""

    sessions: Sessions
    guard: Guard
    limits: Limits
    cookie: Cookie
    otherwise: Credential | None = None  # of requests without one: in development somebody may be signed in always

    async def admit(
        self, route: Route, method: str, query: bytes, headers: Headers, client: Client, tally: Tally
    ) -> Caller:
        """Let a request pass, and say who sent it. Raises the Problem that it is refused with."""
        await self._count(tally, (route.address_limit, client.bucket))
        check_body(route, method, headers)
        caller = await self._caller(route, headers, client)
        await self._count(tally, *_counted_by(route, caller, query))
        if method not in SAFE:
            self._check_origin(caller, headers)
        _check_rights(route, caller)
        return caller

    async def admit_about(self, route: Route, body: bytes, tally: Tally) -> None:
        """Let a request pass that says whose account it is about. Raises Limited."""
        email = _email_of(body) if route.email_limit is not None else None
        if route.email_limit is not None and email is not None:
            # Its digest, because Redis needs to know nobody's address.
            await self._count(tally, (route.email_limit, hashlib.sha256(email.encode()).hexdigest()))

    async def _count(self, tally: Tally, *wanted: tuple[str, str]) -> None:
        wait = await self.limits.refuse(tally, wanted)
        if wait is not None:
            raise Limited(wait)

    async def _caller(self, route: Route, headers: Headers, client: Client) -> Caller:
        if route.who is Who.NOBODY:
            return Caller(client)
        credential = credential_of(headers, self.cookie) or self.otherwise
        if credential is None:
            return Caller(client)
        identity = await self.sessions.identify(credential, client)
        if identity is None and credential.kind == "api_key":
            raise BadCredential
        return Caller(client, credential, identity)

    def _check_origin(self, caller: Caller, headers: Headers) -> None:
        """No other site may change anything with a browser's cookie, nor sign a browser in as somebody else."""
        if caller.credential is not None and caller.credential.kind == "api_key":
            return  # a browser never adds that by itself
        given = [value_of(headers, name) for name in (b"sec-fetch-site", b"origin", b"host")]
        if self.guard.foreign(*given):
            raise Foreign
        session = caller.identity.session_id if caller.identity is not None else None
        if session is not None and not self.guard.matches(session, value_of(headers, b"x-csrf-token")):
            raise NoCsrfToken


def _counted_by(route: Route, caller: Caller, query: bytes) -> Iterator[tuple[str, str]]:
    """The limits that count by who is calling, each with the name that it counts under."""
    identity, credential = caller.identity, caller.credential
    if identity is not None:
        yield route.user_limit, str(identity.user_id)
        if credential is not None and credential.kind == "api_key":
            yield "key", str(identity.key_id) if identity.key_id is not None else credential.digest.hex()
    if route.search_limit is not None and any(name == "q" for name, _ in parse_qsl(query.decode("latin-1"))):
        yield route.search_limit, str(identity.user_id) if identity is not None else caller.client.bucket


def _email_of(body: bytes) -> str | None:
    """The e-mail address in a JSON body, in the one form that all its spellings have."""
    try:
        content = json.loads(body)
    except ValueError:
        return None  # the service says what is wrong with it
    email = content.get("email") if isinstance(content, dict) else None
    return unicodedata.normalize("NFKC", email).strip().casefold() if isinstance(email, str) else None


def _check_rights(route: Route, caller: Caller) -> None:
    if caller.identity is None:
        if route.who is Who.SOMEBODY:
            raise Unauthenticated("Sign in, or send an API key.", headers={"WWW-Authenticate": "Bearer"})
    elif route.scope is not None and route.scope not in caller.identity.scopes:
        lacking = "Your account" if caller.identity.session_id is not None else "This API key"
        raise Forbidden(f"{lacking} lacks the scope “{route.scope}”.", code="missing_scope")


def has_body(headers: Headers) -> bool:
    """Whether a request announces a body."""
    chunked = value_of(headers, b"transfer-encoding") is not None
    return chunked or value_of(headers, b"content-length") not in (None, "0")


def check_body(route: Route, method: str, headers: Headers) -> None:
    """Refuse bodies of another kind than the route takes: a form, or text, is what foreign pages can send unasked."""
    if (value_of(headers, b"content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMedia("Compressed bodies are not taken; send it without Content-Encoding.")
    if not has_body(headers):
        return
    if method in SAFE:
        raise BadRequest(f"A {method} request takes no body.")
    given = (value_of(headers, b"content-type") or "").partition(";")[0].strip().lower()
    taken: Sequence[str] = _TYPES[route.body]
    if given not in taken:
        raise UnsupportedMedia(f"This takes {' or '.join(taken)}, not {given or 'a body without Content-Type'}.")
