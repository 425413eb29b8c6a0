"""Signing up, signing in, signing out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.contracts.events import UserChanged
from libs.web.problems import Conflict, Unauthenticated
from services.auth import credentials, passwords, queries
from services.auth.models import Role, Session, User
from services.auth.settings import settings

__all__ = ["SignedIn", "sign_in", "sign_out", "sign_up", "user"]


@dataclass(frozen=True)
class SignedIn:
    """A new session: whose, the token (nowhere else to be had again), and when it ends however busy it is."""

    user: User
    token: str
    expires_at: datetime


def sign_up(email: str, password: str, display_name: str | None, *, ending: UUID | None = None) -> SignedIn:
    """Make an account and sign in to it, ending the session ``ending``. Raises Conflict if the address has one already.

    ``email`` is normalised. Without a name of their own, people start with the part before the @.
    """
    password_hash = passwords.hashed(password)
    name = display_name or email.partition("@")[0]
    with database.transaction() as session:
        person = session.scalar(
            insert(User)
            .values(email=email, display_name=name, password_hash=password_hash, role=_role(email))
            .on_conflict_do_nothing(index_elements=[User.email])
            .returning(User)
        )
        if person is None:
            raise Conflict("There is an account with this e-mail address. Sign in instead.", code="email_taken")
        bus.publish(session, UserChanged(user_id=person.id, display_name=name))
        return _begin(session, person, ending)


def sign_in(email: str, password: str, *, ending: UUID | None = None) -> SignedIn:
    """Begin a session with a fresh token, ending the session ``ending``.

    Raises Unauthenticated with the same words, after the same work, whether the account or the password is wrong.
    """
    with database.transaction() as session:
        known = queries.user_by_email(session, email)
    # Outside of any transaction: hashing takes its time, and would hold a connection that others need.
    stored = known.password_hash if known else None
    if not passwords.verify(password, stored) or known is None or stored is None:
        raise Unauthenticated("The e-mail address or the password is wrong.", code="wrong_credentials")
    renewed = passwords.hashed(password) if passwords.outdated(stored) else None
    with database.transaction() as session:
        person = session.get(User, known.id, with_for_update=True)
        if person is None or person.password_hash != known.password_hash:
            raise Unauthenticated("The e-mail address or the password is wrong.", code="wrong_credentials")
        if renewed:
            person.password_hash = renewed
        if _role(email) == "admin":
            person.role = "admin"
        return _begin(session, person, ending)


def sign_out(session_id: UUID) -> None:
    """End a session everywhere. Ending it again changes nothing."""
    with database.transaction() as session:
        session.execute(delete(Session).where(Session.id == session_id))


def user(user_id: UUID) -> User:
    """The person who asks. Raises Unauthenticated if the account is gone."""
    with database.transaction() as session:
        person = session.get(User, user_id)
        if person is None:
            raise Unauthenticated("This account no longer exists.")
        return person


def _role(email: str) -> Role:
    """What somebody who proves to have this address begins as. A role that was given stays when the setting goes."""
    return "admin" if email == settings().admin_bootstrap_email else "user"


def _begin(session: Transaction, person: User, ending: UUID | None) -> SignedIn:
    """Begin a session, and sweep away what the person's earlier ones left behind."""
    chosen = settings()
    over = or_(
        Session.expires_at < func.now(),
        Session.last_seen_at < func.now() - timedelta(seconds=chosen.session_idle),
    )
    # ``ending`` may be somebody else's: the one this browser was signed in as a moment ago.
    session.execute(delete(Session).where(or_(Session.id == ending, and_(Session.user_id == person.id, over))))
    token = credentials.new_session_token()
    lifetime = timedelta(seconds=chosen.session_lifetime)
    begun = Session(user_id=person.id, token_hash=credentials.digest(token), expires_at=_clock(session) + lifetime)
    session.add(begun)
    session.flush()
    return SignedIn(person, token, begun.expires_at)


def _clock(session: Transaction) -> datetime:
    """The database's time."""
    return session.scalars(select(database.now())).one()
