"""Leaving: an account is deleted some days after its owner asked, unless they come back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.contracts.events import UserDeleted
from libs.web import Principal
from libs.web.problems import Unauthenticated
from services.auth import passwords, queries
from services.auth.forgetting import forget
from services.auth.models import Group, Mail, Membership, User
from services.auth.operations import accounts, audit, groups, mailing, throttling
from services.auth.operations.audit import Actor
from services.auth.operations.sessions import end_all
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = ["ask", "remove", "remove_due"]


def ask(password: str | None, by: Principal, origin: Origin = NOWHERE) -> None:
    """Ask for one's account to be deleted once the time for second thoughts is over. Ends every session.

    Until then nothing works in its name; signing in takes it all back. It takes a recent proof, and the password of who has
    one. Raises Unauthenticated and Forbidden.
    """
    with database.transaction() as session:
        accounts.require_recent(session, by)
        person = queries.person(session, by.user_id)
        throttling.check(session, "proof", str(person.id))
        stored = person.password_hash
    if stored is not None and not (password is not None and passwords.verify(password, stored)):
        with database.transaction() as session:
            throttling.failed(session, "proof", str(by.user_id))
        raise Unauthenticated("The password is wrong.", code="wrong_credentials")
    with database.transaction() as session:
        person = queries.held(session, by.user_id)
        grace = timedelta(days=settings().deletion_grace)
        person.delete_after = session.scalars(select(database.now())).one() + grace
        end_all(session, person.id)
        audit.note(session, "account.deletion_asked", Actor.of(by), origin, on=person.id, called=person.email)
        mailing.send(
            session,
            "deletion",
            person.email,
            user_id=person.id,
            name=person.display_name,
            day=f"{person.delete_after:%d %B %Y}",
        )
    forget(by.user_id)


def remove(session: Transaction, person: User, actor: Actor, origin: Origin = NOWHERE) -> None:
    """Delete an account with everything in it, here and (by the event) everywhere else.

    Groups of theirs go to the senior moderator, or the oldest member; where nobody is left, the group goes too. The audit
    log keeps what was done, by the address of then. ``forget`` them once this is committed.
    """
    owned = select(Membership.group_id).where(Membership.user_id == person.id, Membership.role == "owner")
    for group_id in session.scalars(owned).all():
        _hand_on(session, group_id, person)
    audit.note(session, "account.deleted", actor, origin, on=person.id, called=person.email)
    session.execute(delete(Mail).where(Mail.user_id == person.id))
    bus.publish(session, UserDeleted(user_id=person.id))
    session.delete(person)


def remove_due() -> None:
    """Delete the accounts whose time is over."""
    due = select(User).where(User.delete_after < database.now()).limit(20).with_for_update(skip_locked=True)
    with database.transaction() as session:
        people = list(session.scalars(due))
        for person in people:
            remove(session, person, Actor(person.id, person.email))
    forget(*(person.id for person in people))


def _hand_on(session: Transaction, group_id: UUID, person: User) -> None:
    heir = session.scalar(
        select(Membership)
        .where(Membership.group_id == group_id, Membership.user_id != person.id)
        .order_by(case((Membership.role == "moderator", 0), else_=1), Membership.joined_at, Membership.user_id)
        .limit(1)
    )
    if heir is None:
        groups.dissolved(session, session.get_one(Group, group_id))
        return
    groups.left(session, session.get_one(Membership, (group_id, person.id)))
    session.execute(
        update(Membership)
        .where(Membership.group_id == group_id, Membership.user_id == heir.user_id)
        .values(role="owner")
    )
