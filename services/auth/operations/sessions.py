"""Sessions after they began: listed, ended, and given new tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.contracts.events import SessionsEnded
from libs.web import Principal
from libs.web.problems import Conflict, NotFound, Unauthenticated
from services.auth import credentials, passwords
from services.auth.forgetting import forget
from services.auth.models import RetiredToken, Session, User
from services.auth.operations import audit, throttling
from services.auth.operations.accounts import SignedIn
from services.auth.operations.audit import Actor
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = [
    "SessionView",
    "end",
    "end_all",
    "ended_by_reuse",
    "prove",
    "refresh",
    "rotate",
    "sessions",
    "sign_out",
    "sign_out_everywhere",
]


@dataclass(frozen=True)
class SessionView:
    """A live session as its owner sees it. ``current`` is the one that asks."""

    id: UUID
    device: str
    address: str
    strong: bool
    current: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def sessions(by: Principal) -> Sequence[SessionView]:
    """The caller's live sessions, the latest seen first."""
    owner = by.require("read")
    with database.transaction() as session:
        found = session.scalars(
            select(Session).where(Session.user_id == owner, *_live()).order_by(Session.last_seen_at.desc())
        )
        return [
            SessionView(
                one.id,
                one.device,
                one.address,
                one.strong,
                one.id == by.session_id,
                one.created_at,
                one.last_seen_at,
                one.expires_at,
            )
            for one in found
        ]


def sign_out(session_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """End a session everywhere. Ending it again changes nothing."""
    with database.transaction() as session:
        if session.scalar(delete(Session).where(Session.id == session_id).returning(Session.id)) is not None:
            bus.publish(session, SessionsEnded(user_id=by.user_id, session_ids=(session_id,)))
            audit.note(session, "session.ended", Actor.of(by), origin, on=session_id)
    forget(by.user_id)


def end(session_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """End one of the caller's sessions. Raises NotFound."""
    owner = by.require("write")
    with database.transaction() as session:
        ended = session.execute(
            delete(Session).where(Session.id == session_id, Session.user_id == owner).returning(Session.device)
        ).one_or_none()
        if ended is None:
            raise NotFound
        bus.publish(session, SessionsEnded(user_id=owner, session_ids=(session_id,)))
        audit.note(session, "session.ended", Actor.of(by), origin, on=session_id, called=ended.device)
    forget(owner)


def end_all(session: Transaction, user_id: UUID, *, but: UUID | None = None) -> int:
    """End somebody's sessions, all ``but`` one. Returns how many; ``forget`` them once this is committed."""
    wanted = delete(Session).where(Session.user_id == user_id)
    if but is not None:
        wanted = wanted.where(Session.id != but)
    ended = session.scalars(wanted.returning(Session.id)).all()
    if ended:
        bus.publish(session, SessionsEnded(user_id=user_id, session_ids=tuple(ended)))
    return len(ended)


def sign_out_everywhere(by: Principal, origin: Origin = NOWHERE, *, others_only: bool = False) -> int:
    """End all of the caller's sessions, or all but the one that asks. Returns how many."""
    owner = by.require("write")
    with database.transaction() as session:
        count = end_all(session, owner, but=by.session_id if others_only else None)
        audit.note(session, "session.all_ended", Actor.of(by), origin, on=owner, count=count)
    forget(owner)
    return count


def refresh(by: Principal) -> SignedIn:
    """Give the caller's session a new token; the old one ends.

    Raises Conflict where that happened a moment ago: two tabs that refresh at once must not lock each other out.
    """
    with database.transaction() as session:
        found = _own(session, by)
        overlap = timedelta(seconds=settings().session_overlap)
        if session.scalar(select(found.rotated_at > database.now() - overlap)) and _was_rotated(session, found.id):
            raise Conflict("It was renewed a moment ago.", code="just_refreshed", headers={"Retry-After": "10"})
        renewed = rotate(session, found)
    forget(by.user_id)
    return renewed


def rotate(session: Transaction, found: Session, *, strong: bool | None = None, proved: bool = False) -> SignedIn:
    """Give a session a new token, with a new end; ``strong`` and ``proved`` note what its owner has just shown.

    To be done whenever somebody's rights change (OWASP ASVS 5.0, 7.2.4). ``forget`` its owner once this is committed.
    """
    token = credentials.new_session_token()
    session.add(RetiredToken(token_hash=found.token_hash, session_id=found.id))
    found.token_hash = credentials.digest(token)
    clock = session.scalars(select(database.now())).one()
    found.rotated_at = clock
    if proved:
        found.proved_at = clock
    if strong is not None:
        found.strong = strong
    session.flush()
    person = session.get_one(User, found.user_id)
    return SignedIn(person, token, found.expires_at)


def prove(password: str, by: Principal, origin: Origin = NOWHERE) -> SignedIn:
    """Prove again who one is, so that locks may be changed for a while. Raises Unauthenticated and TooManyRequests."""
    with database.transaction() as session:
        found = _own(session, by)
        person = session.get_one(User, found.user_id)
        throttling.check(session, "proof", str(person.id))
        stored = person.password_hash
    if not passwords.verify(password, stored) or stored is None:
        with database.transaction() as session:
            throttling.failed(session, "proof", str(person.id))
            audit.note(
                session, "session.proof_refused", Actor.of(by), origin, on=by.session_id, result="wrong_password"
            )
        raise Unauthenticated("The password is wrong.", code="wrong_credentials")
    with database.transaction() as session:
        throttling.clear(session, "proof", str(person.id))
        renewed = rotate(session, _own(session, by), proved=True)
    forget(by.user_id)
    return renewed


def ended_by_reuse(session: Transaction, token_hash: bytes, origin: Origin) -> Session | None:
    """What a token that was rotated away still opens: its session for a moment, and after that the end of it.

    Nobody honest has an old token once the new one arrived. So this one was stolen, or the new one was; nobody can tell
    which, and the whole family ends (RFC 9700, 4.14.2).
    """
    retired = session.get(RetiredToken, token_hash)
    if retired is None:
        return None
    overlap = timedelta(seconds=settings().session_overlap)
    if session.scalar(select(retired.retired_at > database.now() - overlap)):
        return session.get(Session, retired.session_id)
    found = session.get(Session, retired.session_id)
    if found is not None:
        actor = Actor(found.user_id)
        audit.note(session, "session.reused", actor, origin, on=found.id, called=found.device, result="token_reused")
        bus.publish(session, SessionsEnded(user_id=found.user_id, session_ids=(found.id,)))
        session.delete(found)
    return None


def _own(session: Transaction, by: Principal) -> Session:
    """The session that asks, its row held. Raises Conflict for an API key, Unauthenticated if it has ended meanwhile."""
    if by.session_id is None:
        raise Conflict("An API key has no session.", code="no_session")
    found = session.get(Session, by.session_id, with_for_update=True)
    if found is None or found.user_id != by.user_id:
        raise Unauthenticated("This session has ended. Sign in again.")
    return found


def _was_rotated(session: Transaction, session_id: UUID) -> bool:
    return bool(session.scalar(select(select(RetiredToken).where(RetiredToken.session_id == session_id).exists())))


def _live() -> tuple[ColumnElement[bool], ...]:
    idle = timedelta(seconds=settings().session_idle)
    return Session.expires_at > func.now(), Session.last_seen_at > database.now() - idle
