"""Questions that are put to a browser and answered once, within minutes."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.web.problems import Malformed
from services.auth import credentials
from services.auth.models import Challenge

__all__ = ["LIFETIME", "forget_old", "issue", "look", "take"]

LIFETIME = timedelta(minutes=5)


def issue(
    session: Transaction,
    purpose: str,
    facts: dict[str, Any],
    *,
    user_id: UUID | None = None,
    lasts: timedelta = LIFETIME,
) -> str:
    """Remember a question. Returns the secret that its answer has to come with."""
    secret = secrets.token_urlsafe(32)
    clock = session.scalars(select(database.now())).one()
    session.add(
        Challenge(
            purpose=purpose,
            secret_hash=credentials.digest(secret),
            user_id=user_id,
            facts=facts,
            expires_at=clock + lasts,
        )
    )
    session.flush()
    return secret


def look(session: Transaction, purpose: str, secret: str) -> Challenge:
    """The question that a secret belongs to, its row held; whoever answers it rightly deletes it.

    Raises Malformed if it was answered, is too old, or never was.
    """
    found = session.scalar(
        select(Challenge)
        .where(
            Challenge.secret_hash == credentials.digest(secret),
            Challenge.purpose == purpose,
            Challenge.expires_at > database.now(),
        )
        .with_for_update()
    )
    if found is None:
        raise Malformed("This took too long, or was answered already. Please start again.", code="challenge_over")
    return found


def take(session: Transaction, purpose: str, secret: str) -> Challenge:
    """The same, used up whatever the answer."""
    found = look(session, purpose, secret)
    session.delete(found)
    return found


def forget_old() -> None:
    """Remove what nobody answered."""
    with database.transaction() as session:
        session.execute(delete(Challenge).where(Challenge.expires_at < database.now()))
