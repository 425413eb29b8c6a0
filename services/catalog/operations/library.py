"""The library as its owner, and everybody else, meets it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from libs import bus, database
from libs.contracts import events
from libs.web import Principal
from libs.web.problems import NotFound, PreconditionFailed, Unusable
from services.catalog import queries
from services.catalog.models import Like, Media, Tombstone
from services.catalog.operations.announcing import announce
from services.catalog.operations.hearing import CLIP, changed, is_found, refresh
from services.catalog.queries import Filter, Viewer

MOST_RECENT = 50


def listed(wanted: Filter, viewer: UUID | None, sort: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """Read one page. Raises Malformed for a strange cursor."""
    with database.transaction() as session:
        page = queries.page(session, wanted, sort, cursor, limit)
        items = _shown(session, page.items, viewer)
        return {"items": items, "next_cursor": page.next_cursor, "total": page.total}


def view(media_id: UUID, viewer: Viewer) -> dict[str, Any]:
    """Show one. Raises NotFound where there is none that this viewer may see."""
    with database.transaction() as session:
        media = queries.visible(session, media_id, viewer)
        if media is None:
            raise NotFound
        return _shown(session, [media], viewer.user_id)[0]


def recent(owner_id: UUID) -> list[dict[str, Any]]:
    """Show what changed last in a person's library, oldest change first."""
    with database.transaction() as session:
        return _shown(session, queries.recent(session, owner_id, MOST_RECENT), owner_id)


def edit(media_id: UUID, by: Principal, edits: dict[str, Any], version: int | None) -> dict[str, Any]:
    """Change title, description, visibility or ``expires_at`` (None: it stays). ``version`` None: whatever it is now.

    Raises NotFound for a foreign or missing one, PreconditionFailed if it is no longer at that version, and Unusable for an
    expiry that is past already or a group that the owner is not in.
    """
    owner = by.require("write")
    with database.transaction() as session:
        media = _own(session, media_id, owner)
        if version is not None and version != media.version:
            raise PreconditionFailed(f"It is at version {media.version} by now; look again and repeat the change.")
        if "title" in edits:
            media.title = media.own_title = edits["title"]
        media.description = edits.get("description", media.description)
        if "visibility" in edits or "group_id" in edits:
            _open_to(media, edits.get("visibility", media.visibility), edits.get("group_id"), by)
        if "expires_at" in edits:
            media.expires_at = _ahead(session, edits["expires_at"])
        changed(session, media)
        tell(session, media)
        return _shown(session, [media], owner)[0]


def tell(session: Session, media: Media) -> None:
    """Tell others what may be seen of it now, and by whom."""
    told = events.MediaChanged(
        media_id=media.id,
        owner_id=media.owner_id,
        title=media.title,
        visibility=media.visibility,
        group_id=media.group_id,
    )
    bus.publish(session, told)


def like(media_id: UUID, by: Viewer, *, liked: bool) -> dict[str, Any]:
    """Like what one may see, or no longer. Saying it again changes nothing. It is no edit: the version stays.

    Raises NotFound where there is none that this person may see.
    """
    with database.transaction() as session:
        if queries.visible(session, media_id, by) is None:
            raise NotFound
        media = queries.locked(session, media_id)
        if media is None:
            raise NotFound
        known = session.get(Like, (media_id, by.user_id))
        if liked and known is None:
            session.add(Like(media_id=media_id, user_id=by.user_id))
            media.likes += 1
        if not liked and known is not None:
            session.delete(known)
            media.likes -= 1
        session.flush()
        announce(session, media_id, media.owner_id)
        return media.shown(by.user_id, liked=liked)


def delete(media_id: UUID, by: UUID) -> None:
    """Delete a clip, or a recording and all its clips. Raises NotFound for a foreign or missing one."""
    with database.transaction() as session:
        known = queries.owned(session, media_id, by)
        if known is None:
            raise NotFound
        recording = queries.locked(session, known.parent_id) if known.parent_id is not None else None
        remove(session, _own(session, media_id, by), recording, by)


def remove(session: Session, media: Media, recording: Media | None, owner_id: UUID) -> None:
    """Delete what was locked before, and have the recording of a clip wait for it no longer."""
    bury(session, media, owner_id)
    if recording is not None:
        recording.dropped += is_found(media)
        session.flush()
        refresh(session, recording)


def bury(session: Session, media: Media, owner_id: UUID) -> None:
    """Delete a row and its clips' rows for good, remember their ids, and tell everybody."""
    clips = [] if media.kind == CLIP else queries.clips_of(session, media.id)
    for gone in [*clips, media]:
        session.add(Tombstone(media_id=gone.id))
        session.delete(gone)
        bus.publish(session, events.MediaDeleted(media_id=gone.id, owner_id=owner_id, parent_id=gone.parent_id))
        announce(session, gone.id, owner_id)


def _ahead(session: Session, wanted: datetime | None) -> datetime | None:
    """Return a time of deletion that is still to come by the database's clock. Raises Unusable."""
    if wanted is not None and wanted <= session.scalars(select(database.now())).one():
        raise Unusable("It can only expire at a time that is still to come.", code="expiry_in_the_past")
    return wanted


def _open_to(media: Media, visibility: str, group_id: UUID | None, by: Principal) -> None:
    """Say who may see it. Raises Unusable for a group that does not go with it, or that the owner is not in."""
    if (visibility == "group") != (group_id is not None):
        raise Unusable("Name the group in group_id, with the visibility “group” and no other.", code="group_needed")
    if group_id is not None and group_id not in by.groups:
        raise Unusable("You are in no such group.", code="no_such_group")
    media.visibility, media.group_id = visibility, group_id


def _own(session: Session, media_id: UUID, by: UUID) -> Media:
    """Take a person's own for writing. Raises NotFound."""
    media = queries.locked(session, media_id)
    if media is None or media.owner_id != by:
        raise NotFound
    return media


def _shown(session: Session, media: Sequence[Media], viewer: UUID | None) -> list[dict[str, Any]]:
    liked = queries.liked(session, viewer, media)
    return [one.shown(viewer, liked=one.id in liked) for one in media]
