"""Service tokens: who calls, whom, for which person, for at most a minute (JWT with Ed25519, RFC 8037).

Each service signs with its own key and verifies with the public keys of the others, so that a leaked key speaks for one
service only. They never leave the private network; people's sign-in is another thing altogether (opaque, in the database).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

__all__ = ["HEADER", "LIFETIME", "BadToken", "Principal", "Signer", "Verifier"]

HEADER = "X-Service-Token"
LIFETIME = 60  # seconds
SKEW = 5  # seconds that two machines' clocks may differ
ALGORITHM = "EdDSA"
END = "-----END PUBLIC KEY-----"


class BadToken(Exception):
    """Not signed by a known service, not for us, or too old."""


@dataclass(frozen=True)
class Principal:
    """Who asks: a service, and the person it acts for (None: nobody, or the service for itself)."""

    service: str
    acting: UUID | None = None
    scopes: frozenset[str] = frozenset()
    session_id: UUID | None = None

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
        *,
        acting: UUID | None = None,
        scopes: frozenset[str] | set[str] = frozenset(),
        session_id: UUID | None = None,
    ) -> str:
        """Make a token for one service."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self._service,
            "aud": audience,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": uuid4().hex,
            "scopes": sorted(scopes),
        }
        if acting is not None:
            claims["sub"] = str(acting)
        if session_id is not None:
            claims["session_id"] = str(session_id)
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)


class Verifier:
    """Verifies tokens meant for one service, by a folder of public keys: ``<service>.pub``, newest key first."""

    def __init__(self, service: str, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._known: dict[str, tuple[float, list[Ed25519PublicKey]]] = {}

    def verify(self, token: str) -> Principal:
        """Tell who asks. Raises BadToken."""
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
                    options={"require": ["exp", "iat", "aud", "iss", "jti"]},
                )
            except jwt.InvalidTokenError as error:
                problem = error
                continue
            if claims["exp"] - claims["iat"] > LIFETIME:
                raise BadToken("valid for too long")
            return _principal(claims)
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
    subject, session = claims.get("sub"), claims.get("session_id")
    scopes = claims.get("scopes")
    return Principal(
        service=str(claims["iss"]),
        acting=UUID(str(subject)) if subject else None,
        scopes=frozenset(scopes if isinstance(scopes, list) else ()),
        session_id=UUID(str(session)) if session else None,
    )
