"""Groups ("circles" of friends): who belongs to them, and who may decide that.

A group has one owner, who may do everything; moderators, who invite, rename and remove members; and members. To everybody
else there is no such group: a foreign one and a missing one are the same NotFound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.contracts.events import GroupChanged, MemberLeft
from libs.web import UNKEYED, Once, Principal, idempotency
from libs.web.problems import Conflict, Forbidden, NotFound
from services.auth import queries
from services.auth.forgetting import forget
from services.auth.models import Avatar, Group, Invitation, Membership, MembershipRole, User
from services.auth.operations import audit
from services.auth.operations.audit import Actor
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = [
    "GroupView",
    "MemberView",
    "change",
    "dissolve",
    "dissolved",
    "group",
    "groups",
    "join",
    "left",
    "make",
    "members",
    "remove",
    "require",
    "set_role",
]

STAFF: tuple[MembershipRole, ...] = ("owner", "moderator")
OWNER: tuple[MembershipRole, ...] = ("owner",)


@dataclass(frozen=True)
class GroupView:
    """A group as one of its members sees it; ``role`` is theirs, ``members`` how many there are."""

    id: UUID
    name: str
    description: str
    role: MembershipRole
    members: int
    created_at: datetime


@dataclass(frozen=True)
class MemberView:
    """A member as the others see them; ``picture`` is the mark of their picture's version, None without one."""

    user_id: UUID
    display_name: str
    role: MembershipRole
    joined_at: datetime
    picture: str | None


def make(name: str, description: str, by: Principal, origin: Origin = NOWHERE, once: Once = UNKEYED) -> GroupView:
    """Make a group, whose owner its maker is. Raises Conflict where they are in as many as one person may be."""
    owner = by.require("write")
    with database.transaction() as session:
        known = once.remembered(session, GroupView)
        if known is not None:
            return known
        idempotency.forget_old(session)
        queries.held(session, owner)  # makes counting and adding one step
        _refuse_too_many_groups(session, owner)
        made = Group(name=name, description=description)
        session.add(made)
        session.flush()
        session.add(Membership(group_id=made.id, user_id=owner, role="owner"))
        session.flush()
        bus.publish(session, GroupChanged(group_id=made.id, group_name=name))
        audit.note(session, "group.made", Actor.of(by), origin, on=made.id, called=name)
        answer = once.remember(session, _one(session, made.id, owner))
    forget(owner)
    return answer


def groups(by: Principal) -> Sequence[GroupView]:
    """The groups that the caller is in, by name."""
    with database.transaction() as session:
        rows = session.execute(_views(by.require("read")).order_by(func.lower(Group.name), Group.id)).all()
        return [_view(row) for row in rows]


def group(group_id: UUID, by: Principal) -> GroupView:
    """One of them. Raises NotFound."""
    with database.transaction() as session:
        return _one(session, group_id, by.require("read"))


def members(group_id: UUID, by: Principal) -> Sequence[MemberView]:
    """Who is in a group of the caller's: the owner first, then moderators, then by name. Raises NotFound."""
    viewer = by.require("read")
    rank = case((Membership.role == "owner", 0), (Membership.role == "moderator", 1), else_=2)
    with database.transaction() as session:
        _one(session, group_id, viewer)
        found = session.execute(_members(group_id).order_by(rank, func.lower(User.display_name), User.id)).all()
        return [MemberView(*row) for row in found]


def change(group_id: UUID, changed: Mapping[str, str], by: Principal, origin: Origin = NOWHERE) -> GroupView:
    """Change ``name`` and ``description``. Raises NotFound, and Forbidden for plain members."""
    with database.transaction() as session:
        found = require(session, group_id, by, STAFF)
        for name, value in changed.items():
            setattr(found, name, value)
        session.flush()
        bus.publish(session, GroupChanged(group_id=group_id, group_name=found.name))
        audit.note(
            session, "group.changed", Actor.of(by), origin, on=group_id, called=found.name, fields=sorted(changed)
        )
        return _one(session, group_id, by.user_id)


def dissolve(group_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Delete a group; its members stop seeing each other's things. Raises NotFound, and Forbidden but for its owner."""
    with database.transaction() as session:
        found = require(session, group_id, by, OWNER)
        people = session.scalars(select(Membership.user_id).where(Membership.group_id == group_id)).all()
        audit.note(
            session, "group.dissolved", Actor.of(by), origin, on=group_id, called=found.name, members=len(people)
        )
        dissolved(session, found)
    forget(*people)


def dissolved(session: Transaction, found: Group) -> None:
    """Delete it and tell everybody. ``forget`` its members once this is committed."""
    bus.publish(session, GroupChanged(group_id=found.id, group_name=found.name, deleted=True))
    session.execute(delete(Group).where(Group.id == found.id))


def join(session: Transaction, group_id: UUID, user_id: UUID) -> bool:
    """Make somebody a member. False: they were one. ``forget`` them once this is committed. Raises Conflict when full."""
    count = select(func.count()).select_from(Membership).where(Membership.group_id == group_id)
    session.execute(select(Group.id).where(Group.id == group_id).with_for_update())
    if session.get(Membership, (group_id, user_id)) is not None:
        return False
    if session.scalars(count).one() >= settings().group_members:
        raise Conflict("This group has as many members as one may have.", code="group_full")
    _refuse_too_many_groups(session, user_id)
    session.execute(insert(Membership).values(group_id=group_id, user_id=user_id, role="member"))
    return True


def set_role(
    group_id: UUID, user_id: UUID, role: MembershipRole, by: Principal, origin: Origin = NOWHERE
) -> MemberView:
    """Make a member a moderator, or no longer; or, with “owner”, hand the group over and become a moderator oneself.

    Raises NotFound, Forbidden but for the owner, and Conflict for the owner's own role: it goes with handing over.
    """
    with database.transaction() as session:
        found = require(session, group_id, by, OWNER)
        held = session.get(Membership, (group_id, user_id), with_for_update=True)
        if held is None:
            raise NotFound
        if user_id == by.user_id:
            raise Conflict("Hand the group over to somebody else instead.", code="owner_stays")
        before = held.role
        if role == "owner":
            own = session.get_one(Membership, (group_id, by.user_id), with_for_update=True)
            own.role = "moderator"
            session.flush()  # in this order: there is never a second owner
        held.role = role
        session.flush()
        audit.note(
            session,
            "group.handed_over" if role == "owner" else "group.member.role",
            Actor.of(by),
            origin,
            on=user_id,
            called=found.name,
            group=str(group_id),
            before=before,
            role=role,
        )
        return MemberView(*session.execute(_members(group_id).where(Membership.user_id == user_id)).one())


def remove(group_id: UUID, user_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Remove a member, or leave. What they had shown the group is theirs alone from then on.

    Moderators remove members, the owner everybody else. Raises NotFound, Forbidden, and Conflict for an owner who leaves.
    """
    by.require("write")
    leaving = user_id == by.user_id
    with database.transaction() as session:
        found = require(session, group_id, by, ("owner", "moderator", "member") if leaving else STAFF)
        held = session.get(Membership, (group_id, user_id), with_for_update=True)
        if held is None:
            raise NotFound
        if held.role == "owner":
            if not leaving:
                raise Forbidden("Nobody removes the owner.", code="owner_stays")
            raise Conflict("Hand the group over first, or delete it.", code="owner_stays")
        if held.role == "moderator" and not leaving:
            require(session, group_id, by, OWNER)
        left(session, held)
        action = "group.member.left" if leaving else "group.member.removed"
        audit.note(session, action, Actor.of(by), origin, on=user_id, called=found.name, group=str(group_id))
    forget(user_id)


def left(session: Transaction, held: Membership) -> None:
    """End a membership, and the invitations that its holder gave. ``forget`` them once this is committed."""
    session.execute(
        delete(Invitation).where(Invitation.group_id == held.group_id, Invitation.created_by == held.user_id)
    )
    bus.publish(session, MemberLeft(group_id=held.group_id, user_id=held.user_id))
    session.delete(held)
    session.flush()


def require(session: Transaction, group_id: UUID, by: Principal, roles: Sequence[MembershipRole]) -> Group:
    """A group whose member the caller is, in one of these roles, its row held. Raises NotFound and Forbidden."""
    user_id = by.require("write")
    found = session.get(Group, group_id, with_for_update=True)
    held = session.get(Membership, (group_id, user_id), populate_existing=True)
    if found is None or held is None:
        raise NotFound
    if held.role not in roles:
        needed = "its owner" if tuple(roles) == OWNER else "its owner or a moderator"
        raise Forbidden(f"In this group, only {needed} may do that.", code="group_role_needed")
    return found


def _refuse_too_many_groups(session: Transaction, user_id: UUID) -> None:
    held = select(func.count()).select_from(Membership).where(Membership.user_id == user_id)
    if session.scalars(held).one() >= settings().groups_each:
        raise Conflict("You are in as many groups as one person may be. Leave one first.", code="too_many_groups")


def _views(user_id: UUID) -> Select[Group, MembershipRole, int]:
    everybody = (
        select(func.count())
        .select_from(Membership)
        .where(Membership.group_id == Group.id)
        .correlate(Group)
        .scalar_subquery()
    )
    return (
        select(Group, Membership.role, everybody)
        .join(Membership, Membership.group_id == Group.id)
        .where(Membership.user_id == user_id)
    )


def _members(group_id: UUID) -> Select[UUID, str, MembershipRole, datetime, str]:
    return (
        select(User.id, User.display_name, Membership.role, Membership.joined_at, Avatar.etag)
        .join(Membership, Membership.user_id == User.id)
        .outerjoin(Avatar, Avatar.user_id == User.id)
        .where(Membership.group_id == group_id)
    )


def _one(session: Transaction, group_id: UUID, user_id: UUID) -> GroupView:
    row = session.execute(_views(user_id).where(Group.id == group_id)).one_or_none()
    if row is None:
        raise NotFound
    return _view(row)


def _view(row: Row[Group, MembershipRole, int]) -> GroupView:
    found, role, count = row
    return GroupView(found.id, found.name, found.description, role, count, found.created_at)
