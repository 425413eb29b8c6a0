"""Learning what there is to deliver, from what other services tell. Each event has its effect once, in whatever order."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from libs import bus, database
from libs.contracts import events
from services.stream.models import Appearance, Deliverable

__all__ = ["changed", "clip_dropped", "clip_ready", "forget", "original_dropped", "received"]

_PLAYABLE = re.compile(r"(?:audio|video)/[a-z0-9][a-z0-9.+-]*")
_UNKNOWN = "application/octet-stream"


def received(event: events.MediaReceived, delivery: bus.Delivery) -> None:
    """A recording is whole: it can be played from now on."""
    original = event.original
    with database.transaction() as session:
        if delivery.first(session) and _appears(session, event.media_id, original.title):
            _put(
                session,
                media_id=event.media_id,
                owner_id=event.owner_id,
                kind="original",
                object_key=original.object_key,
                mime=_harmless(original.mime),
                size=original.size,
                sha256=original.sha256,
                width=original.width,
                height=original.height,
                duration=original.duration,
            )


def clip_ready(event: events.RenditionReady, delivery: bus.Delivery) -> None:
    """A clip was rendered, perhaps anew: its newest file is what its links lead to."""
    with database.transaction() as session:
        if delivery.first(session) and _appears(session, event.clip_id, event.title):
            _put(
                session,
                media_id=event.clip_id,
                owner_id=event.owner_id,
                kind="clip",
                rendition_id=event.rendition_id,
                object_key=event.object_key,
                poster_key=event.poster_key or None,
                mime=_harmless(event.mime),
                size=event.size,
                sha256=event.sha256,
                width=event.width,
                height=event.height,
                duration=event.duration,
            )


def original_dropped(event: events.OriginalDropped, delivery: bus.Delivery) -> None:
    """The bytes of a recording are gone; the recording is not."""
    with database.transaction() as session:
        if delivery.first(session):
            _drop(session, event.media_id, event.object_key)


def clip_dropped(event: events.RenditionDropped, delivery: bus.Delivery) -> None:
    """The file of a clip is gone. Links to it play again once it is rendered again."""
    with database.transaction() as session:
        if delivery.first(session):
            _drop(session, event.clip_id, event.object_key)


def changed(event: events.MediaChanged, delivery: bus.Delivery) -> None:
    """The owner renamed it, or changed who may see it. Of two changes the later one stands, whichever comes first."""
    change = {
        "title": event.title,
        "visibility": event.visibility,
        "group_id": event.group_id,
        "changed_by": delivery.event_id,
    }
    with database.transaction() as session:
        if delivery.first(session):
            session.execute(
                insert(Appearance)
                .values(media_id=event.media_id, **change)
                .on_conflict_do_update(
                    index_elements=[Appearance.media_id],
                    set_=change,
                    where=and_(
                        Appearance.deleted.is_(False),
                        or_(Appearance.changed_by.is_(None), Appearance.changed_by < delivery.event_id),
                    ),
                )
            )


def forget(event: events.MediaDeleted, delivery: bus.Delivery) -> None:
    """It is gone, and with it every share and grant. A tombstone keeps what is still on its way from bringing it back."""
    with database.transaction() as session:
        if delivery.first(session):
            session.execute(
                insert(Appearance)
                .values(media_id=event.media_id, title="", deleted=True)
                .on_conflict_do_update(index_elements=[Appearance.media_id], set_={"title": "", "deleted": True})
            )
            session.execute(delete(Deliverable).where(Deliverable.media_id == event.media_id))


def _appears(session: Session, media_id: UUID, title: str) -> bool:
    """Make the appearance unless there is one, and hold it until the commit. False: it was deleted meanwhile.

    A title that is there already was given by the owner, and stays.
    """
    session.execute(insert(Appearance).values(media_id=media_id, title=title).on_conflict_do_nothing())
    deleted = session.scalar(select(Appearance.deleted).where(Appearance.media_id == media_id).with_for_update())
    return not deleted


def _put(session: Session, **facts: Any) -> None:
    """Write a deliverable. An older rendering never replaces a newer one (ids are in the order of making)."""
    facts["dropped_at"] = None
    new = insert(Deliverable).values(**facts)
    session.execute(
        new.on_conflict_do_update(
            index_elements=[Deliverable.media_id],
            set_={name: new.excluded[name] for name in facts if name != "media_id"},
            where=or_(Deliverable.rendition_id.is_(None), Deliverable.rendition_id <= new.excluded.rendition_id),
        )
    )


def _drop(session: Session, media_id: UUID, object_key: str) -> None:
    """Note that a file is gone, unless a newer one took its place: keys are never used twice."""
    session.execute(
        update(Deliverable)
        .where(Deliverable.media_id == media_id, Deliverable.object_key == object_key)
        .values(dropped_at=database.now())
    )


def _harmless(mime: str) -> str:
    """The type a browser is told: sound or moving pictures, or else nothing that it would open."""
    return mime if _PLAYABLE.fullmatch(mime) else _UNKNOWN
