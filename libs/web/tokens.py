"""Service tokens: who calls, whom, for which person, for at most a minute (JWT with Ed25519, RFC 8037).

Each service signs with its own key and verifies with the public keys of the others, so that a leaked key speaks for one
service only. A token is good for one request: its method, its path with the query, and the SHA-256 of its body are in it
(the first two named as DPoP names them, RFC 9449; a body that streams is left out, as AWS's signatures do). They never leave
the private network; people's sign-in is another thing altogether (opaque, in the database).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Collection, Generator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

__all__ = ["HEADER", "LIFETIME", "SKEW", "Asked", "BadToken", "Principal", "Signature", "Signer", "Token", "Verifier"]

HEADER = "X-Service-Token"
SKEW = 5  # seconds that two machines' clocks may differ
LIFETIME = 55  # seconds: with the skew that is forgiven, nobody believes a token a minute after it was made
UNSIGNED = "UNSIGNED-PAYLOAD"  # in place of a body's SHA-256 where it streams
ALGORITHM = "EdDSA"
REQUIRED = ["exp", "iat", "aud", "iss", "jti", "htm", "htu", "sha256"]
END = "-----END PUBLIC KEY-----"


class BadToken(Exception):
    """Not signed by a known service, not for us, not for this request, used before, or too old."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The one request that a token is good for. ``target`` is path and query as they go over the wire."""

    method: str
    target: str
    digest: str = UNSIGNED  # SHA-256 of the body, in hexadecimal

    @classmethod
    def with_body(cls, method: str, target: str, body: bytes) -> Asked:
        """A request whose whole body is known."""
        return cls(method, target, hashlib.sha256(body).hexdigest())


@dataclass(frozen=True)
class Principal:
    """Who asks: a service, and the person it acts for (None: nobody, or the service for itself)."""

    service: str
    acting: UUID | None = None
    scopes: frozenset[str] = frozenset()
    session_id: UUID | None = None
    groups: frozenset[UUID] = frozenset()  # that the person is a member of
    role: str = "user"
    key_id: UUID | None = None  # of the API key that it came with
    delegate: str | None = None  # the name of that key where it acts for the person

    @property
    def user_id(self) -> UUID:
        """The person. Raises a 401 problem where nobody is signed in."""
        if self.acting is None:
            from libs.web.problems import Unauthenticated

            raise Unauthenticated
        return self.acting

    def require(self, scope: str) -> UUID:
        """Return the person if this key or session may do that; else raise a 401 or 403 problem."""
        user = self.user_id
        if scope not in self.scopes:
            from libs.web.problems import Forbidden

            lacking = "Your account" if self.session_id is not None else "This API key"
            raise Forbidden(f"{lacking} lacks the scope “{scope}”.", code="missing_scope")
        return user


class Signer:
    """Signs in the name of one service."""

    def __init__(self, service: str, private_key: str) -> None:
        key = load_pem_private_key(private_key.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("a service key is an Ed25519 private key in PEM")
        self._service = service
        self._key = key

    def sign(
        self,
        audience: str,
        asked: Asked,
        *,
        acting: UUID | None = None,
        scopes: Collection[str] = (),
        session_id: UUID | None = None,
        groups: Collection[UUID] = (),
        role: str = "user",
        key_id: UUID | None = None,
        delegate: str | None = None,
    ) -> str:
        """Make a token for one request to one service."""
        now = int(time.time())
        claims: dict[str, object | None] = {
            "iss": self._service,
            "aud": audience,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": uuid4().hex,
            "htm": asked.method,
            "htu": asked.target,
            "sha256": asked.digest,
            "scopes": sorted(scopes),
            "sub": _text(acting),
            "session_id": _text(session_id),
            "groups": sorted(map(str, groups)),
            "role": role,
            "key_id": _text(key_id),
            "delegate": delegate,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(said, self._key, algorithm=ALGORITHM)


class Signature(httpx.Auth):
    """Signs each request of an httpx client as it goes out, so that one that is sent again has a token of its own."""

    def __init__(
        self,
        signer: Signer,
        audience: str,
        *,
        acting: UUID | None = None,
        scopes: Collection[str] = (),
        session_id: UUID | None = None,
        groups: Collection[UUID] = (),
    ) -> None:
        self._signer = signer
        self._audience = audience
        self._acting = acting
        self._scopes = scopes
        self._session_id = session_id
        self._groups = groups

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token."""
        request.headers[HEADER] = self._signer.sign(
            self._audience,
            _asked(request),
            acting=self._acting,
            scopes=self._scopes,
            session_id=self._session_id,
            groups=self._groups,
        )
        yield request


def _asked(request: httpx.Request) -> Asked:
    target = request.url.raw_path.decode("ascii")
    try:
        return Asked.with_body(request.method, target, request.content)
    except httpx.RequestNotRead:
        return Asked(request.method, target)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was verified, but for the body, which ``covers`` looks at."""

    principal: Principal
    id: str
    digest: str
    ends: float  # seconds since 1970, after which nobody believes it

    @property
    def streams(self) -> bool:
        """Whether the body is left out."""
        return self.digest == UNSIGNED

    def covers(self, body: bytes) -> bool:
        """Whether it was made for this body."""
        return hmac.compare_digest(self.digest, hashlib.sha256(body).hexdigest())


class Verifier:
    """Verifies tokens meant for one service, by a folder of public keys: ``<service>.pub``, newest key first."""

    def __init__(self, service: str, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._known: dict[str, tuple[float, list[Ed25519PublicKey]]] = {}

    def verify(self, token: str, method: str, target: str) -> Token:
        """Tell who asks for this path and query. Raises BadToken."""
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.InvalidTokenError as error:
            raise BadToken("not a token") from error
        if not isinstance(issuer, str) or not issuer.isalpha():
            raise BadToken("no issuer")
        problem: Exception | None = None
        for key in self._keys(issuer):
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    audience=self._service,
                    issuer=issuer,
                    leeway=SKEW,
                    options={"require": REQUIRED},
                )
            except jwt.InvalidTokenError as error:
                problem = error
                continue
            if claims["exp"] - claims["iat"] > LIFETIME:
                raise BadToken("valid for too long")
            if (claims["htm"], claims["htu"]) != (method, target):
                raise BadToken("made for another request")
            return Token(_principal(claims), str(claims["jti"]), str(claims["sha256"]), claims["exp"] + SKEW)
        raise BadToken(f"no key of {issuer} fits") from problem

    def _keys(self, issuer: str) -> list[Ed25519PublicKey]:
        path = self._folder / f"{issuer}.pub"
        try:
            changed = path.stat().st_mtime
        except FileNotFoundError:
            return []
        if issuer not in self._known or self._known[issuer][0] != changed:
            blocks = [part + END for part in path.read_text().split(END) if part.strip()]
            keys = [load_pem_public_key(block.strip().encode()) for block in blocks]
            self._known[issuer] = (changed, [key for key in keys if isinstance(key, Ed25519PublicKey)])
        return self._known[issuer][1]


def _principal(claims: dict[str, object]) -> Principal:
    return Principal(
        service=str(claims["iss"]),
        acting=_uuid(claims.get("sub")),
        scopes=frozenset(_many(claims.get("scopes"))),
        session_id=_uuid(claims.get("session_id")),
        groups=frozenset(map(UUID, _many(claims.get("groups")))),
        role=str(claims.get("role", "user")),
        key_id=_uuid(claims.get("key_id")),
        delegate=str(claims["delegate"]) if "delegate" in claims else None,
    )


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _uuid(value: object) -> UUID | None:
    return UUID(str(value)) if value else None


def _many(value: object) -> list[str]:
    return value if isinstance(value, list) else []
