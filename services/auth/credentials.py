"""Session tokens and API keys: 256 random bits each, of which only the SHA-256 is ever stored.

A plain hash suffices because there is nothing to guess: slow hashing makes up for low entropy, and these have none missing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

__all__ = ["MARK", "ApiKey", "digest", "new_api_key", "new_session_token"]

MARK = "csk"  # what secret scanners and people know a key by
_PREFIX_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that reads as something else


@dataclass(frozen=True)
class ApiKey:
    """A key as it is shown once: ``text`` is all of it, ``prefix`` the part that stays visible."""

    text: str
    prefix: str


def new_session_token() -> str:
    """Make a session token: 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def new_api_key() -> ApiKey:
    """Make an API key: ``csk_<prefix>_<secret>``."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(8))
    return ApiKey(f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}", prefix)


def digest(secret: str) -> bytes:
    """What is stored of a token or key, and looked up by: 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()
