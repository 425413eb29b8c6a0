"""Groups that end or lose members, and people who are suspended: what others no longer see."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from libs import database
from libs.bus import Delivery
from libs.contracts import events
from services.catalog import queries
from services.catalog.models import Media, Suspension
from services.catalog.operations.announcing import announce
from services.catalog.operations.hearing import changed
from services.catalog.operations.library import tell


def group_changed(event: events.GroupChanged, delivery: Delivery) -> None:
    """A group is no more: what was for its members is for its owners alone."""
    with database.transaction() as session:
        if delivery.first(session) and event.deleted:
            _close(session, Media.group_id == event.group_id)


def member_left(event: events.MemberLeft, delivery: Delivery) -> None:
    """Whoever leaves a group takes along what they had shown it."""
    with database.transaction() as session:
        if delivery.first(session):
            _close(session, (Media.group_id == event.group_id) & (Media.owner_id == event.user_id))


def suspended(event: events.UserSuspended, delivery: Delivery) -> None:
    """Nobody else sees anything of somebody who is suspended, until they are let in again."""
    with database.transaction() as session:
        if delivery.first(session):
            delivery.keep_newest(session, Suspension, {"user_id": event.user_id}, suspended=event.suspended)
            shared = select(Media.id).where(Media.owner_id == event.user_id, Media.visibility != "private")
            for media_id in session.scalars(shared).all():
                announce(session, media_id, event.user_id)


def _close(session: Session, which: ColumnElement[bool]) -> None:
    for media_id in session.scalars(select(Media.id).where(which).order_by(Media.id)).all():
        media = queries.locked(session, media_id)
        if media is None or media.visibility != "group":
            continue
        media.visibility, media.group_id = "private", None
        changed(session, media)
        tell(session, media)
