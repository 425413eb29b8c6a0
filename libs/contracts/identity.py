"""Who is asking, as it crosses service borders."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from libs.contracts.media import Contract

SCOPES = ("upload", "read", "write", "admin")
"""What an API key may do. A signed-in person has the first three; an administrator all four."""


class Identity(Contract):
    """Reply of auth's ``POST /internal/resolve``: the person behind a session token or an API key."""

    user_id: UUID
    session_id: UUID | None  # None for an API key
    scopes: tuple[str, ...]
    email: str
    display_name: str
    expires_at: datetime | None = None
