"""Who is calling: finds the credential of a request, asks auth whom it belongs to, and keeps the session cookie."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal
from uuid import UUID

from gateway.addresses import Client
from gateway.failures import BadCredential, Down, UnknownPerson
from gateway.headers import Headers, value_of, values_of
from gateway.upstreams import Upstreams
from libs.contracts.identity import Identity
from libs.web.problems import BadRequest, Forbidden, Unauthenticated

API_KEY = "csk_"
_LONGEST = 512  # characters of a credential
_LONGEST_ADDRESS = 254  # of an e-mail address (RFC 5321)
_LONGEST_DEVICE = 400  # characters of a User-Agent that auth is told
_ON_BEHALF = b"x-delegated-user-email"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request proves its caller with, and for whom. It is never shown or kept: the cache knows its digest."""

    kind: Literal["session_token", "api_key", "dev_email"]
    text: str = field(repr=False)
    delegated_email: str | None = None  # the person whom a trusted system's key wants to act for

    @property
    def digest(self) -> bytes:
        """Names the credential, and the person it is used for, without giving it away."""
        return hashlib.sha256(f"{self.kind} {self.text}\n{self.delegated_email or ''}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Cookie:
    """The session cookie. Over TLS it has the ``__Host-`` prefix, so that no other host or path can plant one."""

    secure: bool

    @property
    def name(self) -> str:
        """Its name."""
        return "__Host-clipstead" if self.secure else "clipstead"

    def read(self, headers: Headers) -> str | None:
        """The session token that a request carries."""
        # Not http.cookies: it gives up at the first cookie that it finds odd, which may be another application's.
        for line in values_of(headers, b"cookie"):
            for pair in line.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self.name:
                    return value
        return None

    def set(self, token: str, expires: datetime) -> tuple[bytes, bytes]:
        """The header that hands a browser its session."""
        seconds = max(0, int((expires - datetime.now(UTC)).total_seconds()))
        return self._header(f"{self.name}={token}; Max-Age={seconds}; Expires={format_datetime(expires, usegmt=True)}")

    def clear(self) -> tuple[bytes, bytes]:
        """The header that makes a browser forget its session."""
        return self._header(f"{self.name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")

    def _header(self, value: str) -> tuple[bytes, bytes]:
        flags = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if self.secure else "")
        return b"set-cookie", (value + flags).encode("latin-1")


def credential_of(headers: Headers, cookie: Cookie) -> Credential | None:
    """Find a request's credential. ``Authorization`` wins over the cookie; one that is no API key is refused."""
    authorization = value_of(headers, b"authorization")
    email = _on_behalf(headers)
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.startswith(API_KEY) or len(key) > _LONGEST:
            raise BadCredential
        return Credential("api_key", key, email)
    token = cookie.read(headers)
    if email is not None:
        if token:
            raise BadRequest("X-Delegated-User-Email goes with an API key; a session is its own person's.")
        raise Unauthenticated("X-Delegated-User-Email needs an API key.", headers={"WWW-Authenticate": "Bearer"})
    return Credential("session_token", token) if token and len(token) <= _LONGEST else None


def _on_behalf(headers: Headers) -> str | None:
    given = values_of(headers, _ON_BEHALF)
    if not given:
        return None
    if len(given) > 1 or not 0 < len(given[0].strip()) <= _LONGEST_ADDRESS:
        raise BadRequest("X-Delegated-User-Email holds one e-mail address.")
    return given[0].strip()


class Sessions:
    """Resolves credentials through auth, and believes each answer for ``ttl`` seconds. Refusals are not kept."""

    def __init__(self, upstreams: Upstreams, *, ttl: float, size: int) -> None:
        self._upstreams = upstreams
        self._ttl = ttl
        self._size = size
        self._known: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()
        self._forgotten = 0  # how often something was forgotten: answers asked for before that are not kept

    async def identify(self, credential: Credential, client: Client) -> Identity | None:
        """The person behind a credential; None if it is unknown, expired or ended.

        ``client`` is where it is used, which auth shows people beside their sessions. Raises Down if auth can't say, and
        Forbidden or UnknownPerson of somebody who is acted for.
        """
        known = self._recall(credential.digest)
        if known is not None:
            return known
        before, until = self._forgotten, time.monotonic() + self._ttl
        identity = await self._ask(credential, client)
        if identity is not None and before == self._forgotten:
            self._keep(credential.digest, identity, until)
        return identity

    def forget(self, credential: Credential) -> None:
        """Believe nothing about a credential any longer: its session has ended."""
        self._forgotten += 1
        self._known.pop(credential.digest, None)

    def forget_person(self, known_as: UUID) -> None:
        """Believe nothing about a person, or about all whom an API key acts for, any longer."""
        self._forgotten += 1
        ended = [key for key, (_, identity) in self._known.items() if known_as in (identity.user_id, identity.key_id)]
        for key in ended:
            del self._known[key]

    def forget_all(self) -> None:
        """Believe nothing about anybody any longer."""
        self._forgotten += 1
        self._known.clear()

    async def _ask(self, credential: Credential, client: Client) -> Identity | None:
        question = {
            credential.kind: credential.text,
            "delegated_email": credential.delegated_email,
            "address": str(client.address),
            "device": client.device[:_LONGEST_DEVICE],
        }
        told = {name: value for name, value in question.items() if value}
        status, reply = await self._upstreams["auth"].ask("POST", "/internal/resolve", json=told)
        code = reply.get("code") if isinstance(reply, dict) else None
        if status == 404 and code == UnknownPerson.code:
            raise UnknownPerson
        if status == 403:
            raise Forbidden(
                "This API key may not act for anybody: it lacks the scope “delegate”.", code="missing_scope"
            )
        if status == 404:
            return None
        if status != 200:
            raise Down("auth")
        return Identity.model_validate(reply)

    def _recall(self, digest: bytes) -> Identity | None:
        entry = self._known.get(digest)
        if entry is None or time.monotonic() >= entry[0]:
            self._known.pop(digest, None)
            return None
        self._known.move_to_end(digest)
        identity = entry[1]
        expired = identity.expires_at is not None and identity.expires_at <= datetime.now(UTC)
        return None if expired else identity

    def _keep(self, digest: bytes, identity: Identity, until: float) -> None:
        self._known[digest] = (until, identity)
        self._known.move_to_end(digest)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
