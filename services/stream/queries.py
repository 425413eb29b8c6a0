"""Reads worth a name. Whether something is over is judged by the database's clock alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from libs import database
from services.stream.links import Link
from services.stream.models import Appearance, Deliverable, Grant, Share, Suspension

__all__ = ["deliverable_of", "ends_in", "grant_of", "share_of", "shares_of", "visible_to"]


_SUSPENDED = select(Suspension.user_id).where(Suspension.user_id == Deliverable.owner_id, Suspension.suspended).exists()
"""Files of somebody whom an administrator disabled."""


def ends_in(session: Session, lifetime: timedelta) -> datetime:
    """When something made now is over. In whole seconds, as tokens have them: so that row and link end together."""
    return session.scalars(select(func.date_trunc("second", database.now() + lifetime, type_=database.Timestamp))).one()


def deliverable_of(session: Session, media_id: UUID, owner_id: UUID) -> Deliverable | None:
    """An owner's deliverable; somebody else's is as good as none."""
    return session.scalar(select(Deliverable).where(Deliverable.media_id == media_id, Deliverable.owner_id == owner_id))


def visible_to(
    session: Session, media_id: UUID, viewer_id: UUID | None, groups: Collection[UUID] = ()
) -> Deliverable | None:
    """A deliverable that this person, or with None anybody, may see: their own, a group's of theirs, and what is public."""
    open_to = or_(Appearance.visibility == "public", Appearance.group_id.in_(groups))
    return session.scalar(
        select(Deliverable)
        .join(Appearance, Appearance.media_id == Deliverable.media_id)
        .where(
            Deliverable.media_id == media_id,
            or_(Deliverable.owner_id == viewer_id, and_(open_to, ~_SUSPENDED)),
        )
    )


def share_of(session: Session, link: Link) -> tuple[Share, Deliverable] | None:
    """The share that a genuine token names and what it leads to, unless it is over."""
    return session.execute(
        select(Share, Deliverable)
        .join(Deliverable, Deliverable.media_id == Share.media_id)
        .where(
            Share.id == link.id,
            Share.media_id == link.media_id,
            Share.revoked_at.is_(None),
            Share.expires_at > database.now(),
            database.now() < link.expires_at,
            ~_SUSPENDED,
        )
    ).one_or_none()


def grant_of(session: Session, link: Link) -> tuple[Grant, Deliverable] | None:
    """The grant that a genuine token names and what it leads to, unless it is over."""
    return session.execute(
        select(Grant, Deliverable)
        .join(Deliverable, Deliverable.media_id == Grant.media_id)
        .where(
            Grant.id == link.id,
            Grant.media_id == link.media_id,
            Grant.expires_at > database.now(),
            database.now() < link.expires_at,
            ~_SUSPENDED,
        )
    ).one_or_none()


def shares_of(session: Session, media_id: UUID, *, limit: int, before: UUID | None) -> list[Share]:
    """The shares of a recording or clip, newest first: at most ``limit`` of those made before the share ``before``."""
    wanted = select(Share).where(Share.media_id == media_id)
    if before is not None:
        wanted = wanted.where(Share.id < before)
    return list(session.scalars(wanted.order_by(Share.id.desc()).limit(limit)))
