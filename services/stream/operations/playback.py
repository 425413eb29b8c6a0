"""Playback grants: short-lived addresses for whoever may see a recording or clip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs import database
from libs.web import Principal
from libs.web.problems import NotFound
from services.stream import queries
from services.stream.links import Kind, Link
from services.stream.models import Deliverable, Grant
from services.stream.operations.access import url_of
from services.stream.settings import settings

__all__ = ["Playback", "grant"]


@dataclass(frozen=True)
class Playback:
    """Where to play it from until ``expires_at``, and what to expect there."""

    url: str
    mime: str
    expires_at: datetime
    width: int
    height: int
    duration: float  # seconds
    poster_url: str | None


def grant(media_id: UUID, by: Principal) -> Playback:
    """Let the owner, members of its group, or anybody if it is public, play a recording or clip for a while.

    Raises NotFound for all others, and Gone where the file was dropped.
    """
    viewer = by.require("read") if by.acting else None
    lifetime = timedelta(seconds=settings().playback_lifetime)
    with database.transaction() as session:
        found = queries.visible_to(session, media_id, viewer, by.groups if viewer is not None else ())
        if found is None:
            raise NotFound
        if found.dropped is not None:
            raise found.dropped
        made = Grant(
            media_id=media_id,
            viewer_id=viewer,
            session_id=by.session_id,
            group_id=found.appearance.group_id if viewer != found.owner_id else None,
            expires_at=queries.ends_in(session, lifetime),
        )
        session.add(made)
        session.flush()
        return _playback(made, found)


def _playback(made: Grant, found: Deliverable) -> Playback:
    url = url_of(Link(Kind.GRANT, made.media_id, made.id, made.expires_at))
    return Playback(
        url=url,
        mime=found.mime,
        expires_at=made.expires_at,
        width=found.width,
        height=found.height,
        duration=found.duration,
        poster_url=f"{url}/poster.jpg" if found.poster_key else None,
    )
