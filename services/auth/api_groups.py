"""Groups and invitations over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from libs.web import Caller, Keyed, OptionalCaller
from libs.web.describing import refuses
from libs.web.problems import Conflict, Forbidden, NotFound
from services.auth.api import Email, Name, Request
from services.auth.models import MembershipRole
from services.auth.operations import groups, invitations
from services.auth.operations.groups import MemberView
from services.auth.operations.invitations import Draft
from services.auth.origin import From

__all__ = ["Invitation", "InvitationList", "InvitationMade", "NewInvitation", "drafted", "router"]

router = APIRouter(prefix="/v1")

STAFF_ONLY = refuses({Forbidden: "group_role_needed"})
OWNER_STAYS = refuses({Forbidden: "group_role_needed or owner_stays", Conflict: "owner_stays"})

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[^\x00]*$")]
Token = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=100)]


class Group(BaseModel):
    """A group as one of its members sees it: ``role`` is the caller's, ``members`` how many there are."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    description: str
    role: MembershipRole
    members: int
    created_at: datetime


class GroupList(BaseModel):
    """All groups that one is in."""

    items: list[Group]


class NewGroup(Request):
    """A group to be made."""

    name: Name
    description: Words = ""


class GroupChanges(Request):
    """What may be changed; fields left out stay as they are."""

    name: Name = ""
    description: Words = ""


class Member(BaseModel):
    """Somebody in a group. ``avatar`` is the address of their picture, null without one."""

    user_id: UUID
    display_name: str
    role: MembershipRole
    joined_at: datetime
    avatar: str | None


class MemberList(BaseModel):
    """Everybody in a group."""

    items: list[Member]


class NewRole(Request):
    """Another role; “owner” hands the group over."""

    role: MembershipRole


class Invitation(BaseModel):
    """An open invitation."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str | None
    most_uses: int
    uses: int
    expires_at: datetime
    created_at: datetime
    created_by_name: str


class InvitationList(BaseModel):
    """All open ones."""

    items: list[Invitation]


class InvitationMade(Invitation):
    """One just made. ``url`` is told this once."""

    url: str


class NewInvitation(Request):
    """For one address, which gets a mail and may use it once; or for whoever has the link."""

    email: Email | None = None
    days: Annotated[int, Field(ge=1, le=30)] = 7
    most_uses: Annotated[int, Field(ge=1, le=100)] = 1

    @model_validator(mode="after")
    def _mailed_ones_are_for_one(self) -> Self:
        if self.email is not None and self.most_uses != 1:
            raise ValueError("an invitation for one address is used once")
        return self


class Held(Request):
    """The secret of an invitation: what follows “token=” in its link."""

    token: Token


class GroupName(BaseModel):
    """A group by its name alone."""

    id: UUID
    name: str


class Offer(BaseModel):
    """What an invitation is to. ``member``: the caller is in that group already."""

    group: GroupName | None
    invited_by: str
    email: str | None
    expires_at: datetime
    member: bool


@router.get("/groups")
def listed(caller: Caller) -> GroupList:
    """List the groups that one is in."""
    return GroupList(items=[Group.model_validate(one) for one in groups.groups(caller)])


@router.post("/groups", status_code=201, responses=refuses({Conflict: "too_many_groups"}))
def make(wanted: NewGroup, caller: Caller, origin: From, once: Keyed) -> Group:
    """Make a group and be its owner."""
    return Group.model_validate(groups.make(wanted.name, wanted.description, caller, origin, once))


@router.get("/groups/{group_id}")
def view(group_id: UUID, caller: Caller) -> Group:
    """Show a group that one is in."""
    return Group.model_validate(groups.group(group_id, caller))


@router.patch("/groups/{group_id}", responses=STAFF_ONLY)
def change(group_id: UUID, changes: GroupChanges, caller: Caller, origin: From) -> Group:
    """Rename or describe a group. Its owner and moderators may."""
    return Group.model_validate(groups.change(group_id, changes.model_dump(exclude_unset=True), caller, origin))


@router.delete("/groups/{group_id}", status_code=204, responses=STAFF_ONLY)
def dissolve(group_id: UUID, caller: Caller, origin: From) -> None:
    """Delete a group. What was shared with it is its owners' alone from then on."""
    groups.dissolve(group_id, caller, origin)


@router.get("/groups/{group_id}/members")
def members(group_id: UUID, caller: Caller) -> MemberList:
    """List who is in a group."""
    return MemberList(items=[_member(one) for one in groups.members(group_id, caller)])


@router.patch("/groups/{group_id}/members/{user_id}", responses=OWNER_STAYS)
def set_role(group_id: UUID, user_id: UUID, given: NewRole, caller: Caller, origin: From) -> Member:
    """Give a member another role, or the whole group. Its owner may."""
    return _member(groups.set_role(group_id, user_id, given.role, caller, origin))


@router.delete("/groups/{group_id}/members/{user_id}", status_code=204, responses=OWNER_STAYS)
def remove(group_id: UUID, user_id: UUID, caller: Caller, origin: From) -> None:
    """Remove a member, or leave."""
    groups.remove(group_id, user_id, caller, origin)


@router.get("/groups/{group_id}/invitations", responses=STAFF_ONLY)
def open_invitations(group_id: UUID, caller: Caller) -> InvitationList:
    """List the open invitations into a group. Its owner and moderators may."""
    return InvitationList(items=[Invitation.model_validate(one) for one in invitations.invitations(group_id, caller)])


@router.post(
    "/groups/{group_id}/invitations",
    status_code=201,
    responses=refuses({Conflict: "too_many_invitations", Forbidden: "group_role_needed"}),
)
def invite(
    group_id: UUID, wanted: NewInvitation, response: Response, caller: Caller, origin: From, once: Keyed
) -> InvitationMade:
    """Invite somebody into a group, by mail or by link. Its owner and moderators may."""
    response.headers["Cache-Control"] = "no-store"
    made = invitations.invite(group_id, drafted(wanted), caller, origin, once)
    return InvitationMade.model_validate(made, from_attributes=True)


@router.delete("/groups/{group_id}/invitations/{invitation_id}", status_code=204, responses=STAFF_ONLY)
def revoke(group_id: UUID, invitation_id: UUID, caller: Caller, origin: From) -> None:
    """Take an invitation back."""
    invitations.revoke(group_id, invitation_id, caller, origin)


@router.post("/invitations/look", responses=refuses({NotFound: "no_invitation"}))
def look(given: Held, caller: OptionalCaller) -> Offer:
    """Show what an invitation is to, before accepting it."""
    found = invitations.look(given.token, caller)
    group = (
        GroupName(id=found.group_id, name=found.group_name)
        if found.group_id is not None and found.group_name is not None
        else None
    )
    return Offer(
        group=group,
        invited_by=found.invited_by,
        email=found.email,
        expires_at=found.expires_at,
        member=found.member,
    )


@router.post(
    "/invitations/accept",
    responses=refuses(
        {
            NotFound: "no_invitation",
            Forbidden: "invitation_for_another",
            Conflict: "group_full, too_many_groups or already_here",
        }
    ),
)
def accept(given: Held, caller: Caller, origin: From) -> Group:
    """Join the group that one was invited into. Accepting again changes nothing."""
    return Group.model_validate(invitations.accept(given.token, caller, origin))


def drafted(wanted: NewInvitation) -> Draft:
    """What an invitation is to be, as the operation takes it."""
    return Draft(wanted.email, wanted.days, wanted.most_uses)


def _member(one: MemberView) -> Member:
    picture = f"/api/v1/auth/avatars/{one.user_id}?v={one.picture[:8]}" if one.picture else None
    return Member(
        user_id=one.user_id, display_name=one.display_name, role=one.role, joined_at=one.joined_at, avatar=picture
    )
