"""Signed links: what a token says, and that this server said it.

A token is base64url of ``kind (1) | media id (16) | link id (16) | expiry (8) | tag (16)``: 57 bytes, so 76 characters
without padding and with one spelling only. The tag is HMAC-SHA-256 cut to its leftmost 128 bits (RFC 2104, section 5). A
genuine token opens nothing by itself: the row it names is looked up at every request, so that revoking bites at once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

__all__ = ["LENGTH", "Forged", "Kind", "Link", "read", "sign"]

LENGTH = 76  # characters
_BODY = struct.Struct("!c16s16sQ")
_SPELLING = re.compile(rf"[A-Za-z0-9_-]{{{LENGTH}}}")
_TAG = 16  # bytes
_PURPOSE = b"clipstead link 1\0"  # so that no other use of the secret can ever make a link
_LAST = datetime.max.replace(tzinfo=UTC).timestamp()


class Forged(Exception):
    """The token was not made by this server, or was changed, or is of the other kind."""


class Kind(Enum):
    """What a link is for; a token of one kind never opens the other's door."""

    SHARE = b"s"
    GRANT = b"g"


@dataclass(frozen=True)
class Link:
    """What a token binds together. ``id`` is the share's or the grant's; ``expires_at`` counts in whole seconds."""

    kind: Kind
    media_id: UUID
    id: UUID
    expires_at: datetime


def sign(link: Link, secret: bytes) -> str:
    """Write a link as a token. The same link and secret give the same token."""
    expiry = int(link.expires_at.timestamp())
    body = _BODY.pack(link.kind.value, link.media_id.bytes, link.id.bytes, expiry)
    return urlsafe_b64encode(body + _tag(body, secret)).decode()


def read(token: str, kind: Kind, secrets: Sequence[bytes]) -> Link:
    """Read a token signed with any of the secrets (the current one first, then those being retired).

    Raises Forged for everything else; how much of it was right can't be told from outside, in time or in words.
    """
    body, tag = _parts(token)
    genuine = [hmac.compare_digest(tag, _tag(body, secret)) for secret in secrets]
    if not any(genuine):
        raise Forged
    said, media_id, link_id, expiry = _BODY.unpack(body)
    if said != kind.value or expiry > _LAST:
        raise Forged
    return Link(kind, UUID(bytes=media_id), UUID(bytes=link_id), datetime.fromtimestamp(expiry, UTC))


def _parts(token: str) -> tuple[bytes, bytes]:
    """Take a token apart into body and tag."""
    if not _SPELLING.fullmatch(token):
        raise Forged
    raw = urlsafe_b64decode(token)
    return raw[: _BODY.size], raw[_BODY.size :]


def _tag(body: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + body, hashlib.sha256)[:_TAG]
