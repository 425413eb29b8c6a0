"""Whose media these are: names, and leaving."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from libs import database
from libs.bus import Delivery
from libs.contracts import events
from services.catalog import queries
from services.catalog.models import Like, Media, Person
from services.catalog.operations.library import bury


def renamed(event: events.UserChanged, delivery: Delivery) -> None:
    """Note a person's name; an older event than the one it is from changes nothing."""
    with database.transaction() as session:
        if delivery.first(session):
            delivery.keep_newest(session, Person, {"user_id": event.user_id}, display_name=event.display_name)


def left(event: events.UserDeleted, delivery: Delivery) -> None:
    """Delete everything of a person who left: recordings first, which takes their clips along."""
    with database.transaction() as session:
        if not delivery.first(session):
            return
        theirs = (
            select(Media.id).where(Media.owner_id == event.user_id).order_by(Media.parent_id.is_not(None), Media.id)
        )
        for media_id in session.scalars(theirs).all():
            media = queries.locked(session, media_id)
            if media is not None:
                bury(session, media, event.user_id)
                session.flush()
        liked = session.scalars(delete(Like).where(Like.user_id == event.user_id).returning(Like.media_id)).all()
        session.execute(update(Media).where(Media.id.in_(liked)).values(likes=Media.likes - 1))
        person = session.get(Person, event.user_id)
        if person is not None:
            session.delete(person)
