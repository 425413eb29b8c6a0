"""What people may no longer see, or show, because of something that happened to their account."""

from __future__ import annotations

from sqlalchemy import delete

from libs import bus, database
from libs.contracts import events
from services.stream.models import Grant, Suspension

__all__ = ["member_left", "sessions_ended", "suspended"]


def sessions_ended(event: events.SessionsEnded, delivery: bus.Delivery) -> None:
    """Whoever signs out leaves no address behind that still plays."""
    with database.transaction() as session:
        if delivery.first(session):
            session.execute(delete(Grant).where(Grant.session_id.in_(event.session_ids)))


def member_left(event: events.MemberLeft, delivery: bus.Delivery) -> None:
    """Whoever leaves a group plays nothing of it any more."""
    with database.transaction() as session:
        if delivery.first(session):
            session.execute(delete(Grant).where(Grant.viewer_id == event.user_id, Grant.group_id == event.group_id))


def suspended(event: events.UserSuspended, delivery: bus.Delivery) -> None:
    """Somebody who is suspended plays nothing, and shows nothing until they are let in again."""
    with database.transaction() as session:
        if delivery.first(session):
            delivery.keep_newest(session, Suspension, {"user_id": event.user_id}, suspended=event.suspended)
            if event.suspended:
                session.execute(delete(Grant).where(Grant.viewer_id == event.user_id))
