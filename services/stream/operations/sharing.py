"""Share links: made, listed and revoked by the owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, update

from libs import database
from libs.web import UNKEYED, Once, Principal
from libs.web.problems import NotFound
from services.stream import queries
from services.stream.links import Kind, Link
from services.stream.models import Share
from services.stream.operations.access import url_of
from services.stream.settings import settings

__all__ = ["ShareLink", "links_of", "revoke", "share"]


@dataclass(frozen=True)
class ShareLink:
    """A share and the address that leads to it."""

    id: UUID
    url: str
    media_id: UUID
    created_at: datetime
    expires_at: datetime
    views: int
    revoked_at: datetime | None


def share(media_id: UUID, expires_in: int | None, by: Principal, once: Once = UNKEYED) -> ShareLink:
    """Make a link to a recording or clip of the caller's, valid for ``expires_in`` seconds. Raises NotFound, Gone."""
    owner = by.require("write")
    lifetime = timedelta(seconds=expires_in or settings().share_lifetime)
    with database.transaction() as session:
        known = once.remembered(session, ShareLink)
        if known is not None:
            return known
        found = queries.deliverable_of(session, media_id, owner)
        if found is None:
            raise NotFound
        if found.dropped is not None:
            raise found.dropped
        made = Share(media_id=media_id, owner_id=owner, expires_at=queries.ends_in(session, lifetime))
        session.add(made)
        session.flush()
        return once.remember(session, _link(made))


def links_of(media_id: UUID, by: Principal, *, limit: int, before: UUID | None) -> tuple[list[ShareLink], UUID | None]:
    """List the links to a recording or clip of the caller's, newest first, and where the next page begins.

    Raises NotFound.
    """
    owner = by.require("read")
    with database.transaction() as session:
        if queries.deliverable_of(session, media_id, owner) is None:
            raise NotFound
        found = queries.shares_of(session, media_id, limit=limit + 1, before=before)
        page = found[:limit]
        return [_link(made) for made in page], page[-1].id if len(found) > limit else None


def revoke(share_id: UUID, by: Principal) -> None:
    """Make a link useless from its next request on. Raises NotFound; revoking it again changes nothing."""
    owner = by.require("write")
    with database.transaction() as session:
        found = session.scalar(
            update(Share)
            .where(Share.id == share_id, Share.owner_id == owner)
            .values(revoked_at=func.coalesce(Share.revoked_at, database.now()))
            .returning(Share.id)
        )
        if found is None:
            raise NotFound


def _link(made: Share) -> ShareLink:
    return ShareLink(
        id=made.id,
        url=url_of(Link(Kind.SHARE, made.media_id, made.id, made.expires_at)),
        media_id=made.media_id,
        created_at=made.created_at,
        expires_at=made.expires_at,
        views=made.views,
        revoked_at=made.revoked_at,
    )
