"""Counting who played a share."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from libs import bus, database
from libs.contracts.events import ShareViewed
from services.stream.models import Play, Share
from services.stream.settings import settings

__all__ = ["count"]


def count(share_id: UUID, media_id: UUID, viewer: str) -> None:
    """Count a play, once for each viewer and share until the viewer's cookie has run out."""
    until = database.now() + timedelta(seconds=settings().viewer_lifetime)
    play = insert(Play).values(share_id=share_id, viewer=hashlib.sha256(viewer.encode()).digest(), expires_at=until)
    with database.transaction() as session:
        fresh = session.scalar(
            play.on_conflict_do_update(
                index_elements=[Play.share_id, Play.viewer],
                set_={"expires_at": play.excluded.expires_at},
                where=Play.expires_at < database.now(),
            ).returning(Play.share_id)
        )
        if fresh is not None:
            session.execute(update(Share).where(Share.id == share_id).values(views=Share.views + 1))
            bus.publish(session, ShareViewed(share_id=share_id, media_id=media_id))
