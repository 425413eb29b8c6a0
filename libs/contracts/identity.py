"""Who is asking, as it crosses service borders."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from libs.contracts.media import Contract

Role = Literal["user", "speaker", "moderator", "admin"]
"""What somebody is on this server. Speakers may record recitals; moderators may take down; administrators rule."""

ROLES: tuple[Role, ...] = get_args(Role)

SCOPES = ("upload", "read", "write", "admin")
"""What an API key may do. A signed-in person has the first three; an administrator all four."""

DELEGATE = "delegate"
"""The scope of keys of trusted systems, which act for the people whom they name in ``X-Delegated-User-Email``."""

FORGET = "clipstead.identities"
"""The Redis channel on which auth names people (their ids, in text) of whom nothing may be believed any longer."""


class Identity(Contract):
    """Reply of auth's ``POST /internal/resolve``: the person behind a session token or an API key."""

    user_id: UUID
    session_id: UUID | None  # None for an API key
    scopes: tuple[str, ...]
    email: str
    display_name: str
    expires_at: datetime | None = None
    role: Role = "user"
    groups: tuple[UUID, ...] = ()  # that this person is a member of
    key_id: UUID | None = None  # None for a session
    delegate: str | None = None  # the name of the key that acts for this person, where one does
