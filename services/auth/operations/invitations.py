"""Invitations: links, or mails, that let people onto the server and into a group.

Whoever holds the secret of one may use it, as often as it says, until it is over or revoked; one that was mailed is good for
that address alone. Stored is a hash of the secret; the address of the page has it after ``#``, where no server sees it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.web import UNKEYED, Once, Principal, idempotency
from libs.web.problems import Conflict, Forbidden, NotFound
from services.auth import credentials, queries
from services.auth.forgetting import forget
from services.auth.models import Group, Invitation, Membership, User
from services.auth.operations import audit, groups, mailing
from services.auth.operations.audit import Actor
from services.auth.operations.groups import STAFF, GroupView
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = ["Draft", "InvitationView", "Look", "accept", "forget_old", "invitations", "invite", "look", "revoke", "use"]

ADMIN = "admin"  # the scope that invitations to the server alone take
MOST_OPEN = 200  # of one group, or of the server


@dataclass(frozen=True)
class Draft:
    """What an invitation is to be: for one address or for whoever has the link, for some days and uses."""

    email: str | None = None  # normalised
    days: int = 7
    most_uses: int = 1


@dataclass(frozen=True)
class InvitationView:
    """An invitation as those see it who may give one; ``url`` is there once, when it is made."""

    id: UUID
    email: str | None
    most_uses: int
    uses: int
    expires_at: datetime
    created_at: datetime
    created_by_name: str
    url: str | None = None


@dataclass(frozen=True)
class Look:
    """What whoever holds one sees before accepting. ``member``: they are in that group already."""

    group_id: UUID | None
    group_name: str | None
    invited_by: str
    email: str | None
    expires_at: datetime
    member: bool


def invite(
    group_id: UUID | None, draft: Draft, by: Principal, origin: Origin = NOWHERE, once: Once = UNKEYED
) -> InvitationView:
    """Make an invitation into a group, or (None) onto the server, and mail it where it has an address.

    Raises NotFound, Forbidden for who may not invite, and Conflict where too many are open.
    """
    giver = by.require("write")
    with database.transaction() as session:
        known = once.remembered(session, InvitationView)
        if known is not None:
            return known
        idempotency.forget_old(session)
        found = _may(session, group_id, by)
        open_ones = select(func.count()).select_from(Invitation).where(*_open(), Invitation.group_id == group_id)
        if session.scalars(open_ones).one() >= MOST_OPEN:
            raise Conflict("Too many invitations are open. Revoke some first.", code="too_many_invitations")
        secret = secrets.token_urlsafe(32)
        person = queries.person(session, giver)
        made = Invitation(
            token_hash=credentials.digest(secret),
            group_id=group_id,
            email=draft.email,
            created_by=giver,
            most_uses=1 if draft.email is not None else draft.most_uses,
            expires_at=session.scalars(select(database.now())).one() + timedelta(days=draft.days),
        )
        session.add(made)
        session.flush()
        url = f"{settings().public_url.rstrip('/')}/join#token={secret}"
        if draft.email is not None:
            mailing.send(
                session,
                "invitation",
                draft.email,
                name=person.display_name,
                group=found.name if found is not None else None,
                token=secret,
                days=draft.days,
            )
        audit.note(
            session,
            "invitation.made",
            Actor.of(by),
            origin,
            on=made.id,
            called=draft.email or "a link",
            group=str(group_id) if group_id is not None else None,
        )
        return once.remember(session, _view(made, person.display_name, url))


def invitations(group_id: UUID | None, by: Principal) -> Sequence[InvitationView]:
    """The open invitations into a group, or onto the server, newest first. Raises NotFound and Forbidden."""
    by.require("read")
    with database.transaction() as session:
        _may(session, group_id, by)
        rows = session.execute(
            select(Invitation, User.display_name)
            .join(User, User.id == Invitation.created_by)
            .where(*_open(), Invitation.group_id == group_id)
            .order_by(Invitation.id.desc())
        ).all()
        return [_view(made, name) for made, name in rows]


def revoke(group_id: UUID | None, invitation_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Make an invitation useless. Raises NotFound and Forbidden."""
    with database.transaction() as session:
        _may(session, group_id, by)
        revoked = update(Invitation).where(Invitation.id == invitation_id, Invitation.group_id == group_id)
        found = session.execute(
            revoked.values(revoked_at=func.coalesce(Invitation.revoked_at, database.now())).returning(Invitation.email)
        ).one_or_none()
        if found is None:
            raise NotFound
        audit.note(
            session, "invitation.revoked", Actor.of(by), origin, on=invitation_id, called=found.email or "a link"
        )


def look(secret: str, by: Principal) -> Look:
    """Show what an invitation is to. Raises NotFound once it is over, used up or revoked."""
    with database.transaction() as session:
        made = _live(session, secret)
        group = session.get(Group, made.group_id) if made.group_id is not None else None
        inside = (
            group is not None and by.acting is not None and session.get(Membership, (group.id, by.acting)) is not None
        )
        giver = session.get_one(User, made.created_by)
        return Look(
            group.id if group is not None else None,
            group.name if group is not None else None,
            giver.display_name,
            made.email,
            made.expires_at,
            inside,
        )


def accept(secret: str, by: Principal, origin: Origin = NOWHERE) -> GroupView:
    """Join the group that an invitation is into. Raises NotFound, Forbidden where it was mailed to another address."""
    user_id = by.require("write")
    with database.transaction() as session:
        person = queries.held(session, user_id)
        made = use(session, secret, person, origin)
        if made.group_id is None:
            raise Conflict("This invitation is to this server, where you are already.", code="already_here")
    forget(user_id)
    return groups.group(made.group_id, by)


def use(session: Transaction, secret: str, person: User, origin: Origin = NOWHERE) -> Invitation:
    """Use an invitation in the name of a person, who joins its group, if it is into one. ``forget`` them afterwards.

    Whoever is in that group already uses nothing up. Raises NotFound and Forbidden.
    """
    made = _live(session, secret, hold=True)
    if made.email is not None and made.email != person.email:
        raise Forbidden("This invitation was sent to another e-mail address.", code="invitation_for_another")
    joined = made.group_id is None or groups.join(session, made.group_id, person.id)
    if joined:
        made.uses += 1
        actor = Actor(person.id, person.email)
        audit.note(
            session,
            "invitation.used",
            actor,
            origin,
            on=made.id,
            called=made.email or "a link",
            group=str(made.group_id) if made.group_id is not None else None,
        )
    session.flush()
    return made


def forget_old() -> None:
    """Remove invitations that are long over."""
    with database.transaction() as session:
        session.execute(delete(Invitation).where(Invitation.expires_at < database.now() - timedelta(days=30)))


def _may(session: Transaction, group_id: UUID | None, by: Principal) -> Group | None:
    if group_id is None:
        by.require(ADMIN)
        return None
    return groups.require(session, group_id, by, STAFF)


def _open() -> tuple[ColumnElement[bool], ...]:
    return (
        Invitation.revoked_at.is_(None),
        Invitation.expires_at > database.now(),
        Invitation.uses < Invitation.most_uses,
    )


def _live(session: Transaction, secret: str, *, hold: bool = False) -> Invitation:
    """The open invitation of a secret, given by somebody who still may. Raises NotFound."""
    wanted = (
        select(Invitation)
        .join(User, User.id == Invitation.created_by)
        .where(Invitation.token_hash == credentials.digest(secret), *_open(), User.disabled_at.is_(None))
    )
    found = session.scalar(wanted.with_for_update(of=Invitation) if hold else wanted)
    if found is None:
        raise NotFound("This invitation is over, was used up or was taken back.", code="no_invitation")
    return found


def _view(made: Invitation, giver: str, url: str | None = None) -> InvitationView:
    return InvitationView(made.id, made.email, made.most_uses, made.uses, made.expires_at, made.created_at, giver, url)
