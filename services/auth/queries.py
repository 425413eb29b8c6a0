"""Reads worth a name. Whether something is over is judged by the database's clock alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.web.problems import Unauthenticated
from services.auth.models import ApiKey, OidcIdentity, Passkey, Session, User

__all__ = ["held", "live_key", "live_keys", "live_session", "person", "user_by_email", "ways_in"]


def person(session: Transaction, user_id: UUID) -> User:
    """Whoever asks. Raises Unauthenticated if they were deleted a moment ago, while a gateway still believed in them."""
    found = session.get(User, user_id)
    if found is None:
        raise Unauthenticated("This account no longer exists.")
    return found


def held(session: Transaction, user_id: UUID) -> User:
    """The same with their row held until the transaction ends."""
    found = session.get(User, user_id, with_for_update=True)
    if found is None:
        raise Unauthenticated("This account no longer exists.")
    return found


def user_by_email(session: Transaction, email: str) -> User | None:
    """The account of a normalised address."""
    return session.scalar(select(User).where(User.email == email))


def ways_in(session: Transaction, user_id: UUID) -> int:
    """By how many passkeys and accounts elsewhere somebody could sign in without a password."""
    passkeys = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id)
    identities = select(func.count()).select_from(OidcIdentity).where(OidcIdentity.user_id == user_id)
    return session.scalars(passkeys).one() + session.scalars(identities).one()


def live_session(session: Transaction, token_hash: bytes, idle: timedelta) -> tuple[Session, User] | None:
    """A session that is neither too old nor idle for too long, and whose it is. Somebody who is disabled has none."""
    return session.execute(
        select(Session, User)
        .join(User, User.id == Session.user_id)
        .where(
            Session.token_hash == token_hash,
            User.disabled_at.is_(None),
            Session.expires_at > database.now(),
            Session.last_seen_at > database.now() - idle,
        )
    ).one_or_none()


def live_key(session: Transaction, key_hash: bytes) -> tuple[ApiKey, User] | None:
    """An API key that is neither revoked nor over, and whose it is. Of somebody who is disabled there is none."""
    return session.execute(
        select(ApiKey, User)
        .join(User, User.id == ApiKey.user_id)
        .where(
            ApiKey.key_hash == key_hash,
            User.disabled_at.is_(None),
            User.delete_after.is_(None),  # nothing works in the name of who is leaving, until they come back
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > database.now()),
        )
    ).one_or_none()


def live_keys(session: Transaction, user_id: UUID) -> list[ApiKey]:
    """A person's API keys that were not revoked, newest first."""
    return list(
        session.scalars(
            select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id.desc())
        )
    )
