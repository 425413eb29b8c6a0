"""Refuses changes that another site makes a signed-in browser send (OWASP CSRF prevention: fetch metadata, signed token)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit
from uuid import UUID

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Makes and checks tokens that are bound to a session, and judges where a request came from.

    A token needs no storage: it is the HMAC of the session's id. Whoever can set a cookie on the domain still can't make
    one (no naive double submit), and it ends with the session.
    """

    def __init__(self, secret: str, public_url: str, trusted_origins: Collection[str] = ()) -> None:
        self._key = (secret or secrets.token_hex(32)).encode()
        self._origins = frozenset(map(_origin, (public_url, *trusted_origins)))

    def token(self, session_id: UUID) -> str:
        """The token of a session."""
        return hmac.new(self._key, b"clipstead csrf " + session_id.bytes, hashlib.sha256).hexdigest()

    def matches(self, session_id: UUID, given: str | None) -> bool:
        """Whether a request brought its session's token."""
        return given is not None and hmac.compare_digest(self.token(session_id).encode(), given.encode())

    def foreign(self, site: str | None, origin: str | None, host: str | None) -> bool:
        """Whether another site's page sent the request. Arguments: Sec-Fetch-Site, Origin, Host.

        Programs that are no browsers send neither of the first two, and are no danger: they carry nobody's cookies.
        A subdomain's page ("same-site") counts as foreign: it may be somebody else's.
        """
        if origin is not None and _origin(origin) in self._origins:
            return False
        if site is not None:
            return site not in ("same-origin", "none")
        if origin is None:
            return False
        # Reached by another name than public_url (a LAN address): the page is ours if it came from the very same place.
        return origin == "null" or urlsplit(origin).netloc.lower() != (host or "").lower()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
