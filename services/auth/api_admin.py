"""What administrators do with accounts, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from libs.contracts.identity import Role
from libs.web import Caller, Keyed
from libs.web.describing import refuses
from libs.web.problems import Conflict
from services.auth.api import Request
from services.auth.api_groups import Invitation, InvitationList, InvitationMade, NewInvitation, drafted
from services.auth.models import SignUpMode
from services.auth.operations import administration, audit, invitations, mailing
from services.auth.operations.administration import ADMIN, Rules
from services.auth.origin import From

__all__ = ["router"]

router = APIRouter(prefix="/v1/admin")

SOMEBODY_RULES = refuses({Conflict: "own_account or last_administrator"})

Limit = Annotated[int, Query(ge=1, le=200)]
Word = Annotated[str | None, Query(max_length=100)]


class AdminUser(BaseModel):
    """A person as administrators see them."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    email_verified: bool
    display_name: str
    role: Role
    disabled_at: datetime | None
    delete_after: datetime | None
    second_factor: bool
    sessions: int
    groups: int
    last_seen_at: datetime | None
    created_at: datetime


class People(BaseModel):
    """One page. ``next_cursor`` is null on the last."""

    model_config = ConfigDict(from_attributes=True)

    items: list[AdminUser]
    next_cursor: str | None
    total: int


class UserChanges(Request):
    """What may be changed; fields left out, or null, stay as they are."""

    role: Role | None = None
    disabled: bool | None = None


class NewRules(Request):
    """Who may make an account, and what that takes. All three have to be said."""

    sign_up: SignUpMode
    verify_email: bool
    admins_need_second_factor: bool


class RulesView(NewRules):
    """The rules, and since when they are so; null while nobody chose."""

    changed_at: datetime | None


class MailView(BaseModel):
    """A mail that was sent, or is to be. ``how``: over SMTP, or (without a server) into a file; null while neither."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    recipient: str
    subject: str
    how: Literal["smtp", "file"] | None
    problem: str | None
    created_at: datetime
    sent_at: datetime | None


class OpenMail(MailView):
    """The same with its words, which are kept only of mails that no server took."""

    text: str | None


class MailList(BaseModel):
    """One page, newest first. ``next_cursor`` is null on the last."""

    items: list[MailView]
    next_cursor: UUID | None


class Entry(BaseModel):
    """One act: who did what on whom, from where, and how it ended."""

    model_config = ConfigDict(from_attributes=True)

    position: int
    at: datetime
    action: str
    result: str
    actor_id: UUID | None
    actor: str
    delegate: str | None
    target_id: UUID | None
    target: str
    address: str
    device: str
    facts: dict[str, Any]


class AuditLog(BaseModel):
    """One page, newest first. ``next_cursor`` is null on the last."""

    items: list[Entry]
    next_cursor: int | None


@router.get("/users")
def people(
    caller: Caller,
    q: Annotated[str, StringConstraints(strip_whitespace=True), Query(max_length=200)] = "",
    role: Role | None = None,
    disabled: bool | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Limit = 50,
) -> People:
    """Find people by part of their name or address, newest first."""
    found = administration.people(caller, q=q, role=role, disabled=disabled, cursor=cursor, limit=limit)
    return People.model_validate(found)


@router.get("/users/{user_id}")
def person(user_id: UUID, caller: Caller) -> AdminUser:
    """Show one person."""
    return AdminUser.model_validate(administration.person(user_id, caller))


@router.patch("/users/{user_id}", responses=SOMEBODY_RULES)
def change(user_id: UUID, changes: UserChanges, caller: Caller, origin: From) -> AdminUser:
    """Give somebody another role, disable them, or let them in again."""
    changed = administration.change(user_id, caller, origin, role=changes.role, disabled=changes.disabled)
    return AdminUser.model_validate(changed)


@router.delete("/users/{user_id}", status_code=204, responses=SOMEBODY_RULES)
def remove(user_id: UUID, caller: Caller, origin: From) -> None:
    """Delete somebody's account at once, with everything in it."""
    administration.remove(user_id, caller, origin)


@router.post("/users/{user_id}/sign-out", status_code=204)
def sign_out(user_id: UUID, caller: Caller, origin: From) -> None:
    """End all sessions of somebody."""
    administration.sign_out(user_id, caller, origin)


@router.delete("/users/{user_id}/factors", status_code=204, responses=SOMEBODY_RULES)
def drop_factors(user_id: UUID, caller: Caller, origin: From) -> None:
    """Take away all second factors of somebody who lost them."""
    administration.drop_factors(user_id, caller, origin)


@router.get("/accounts")
def rules(caller: Caller) -> RulesView:
    """Show who may make an account, and what that takes."""
    return _ruled(administration.rules(caller))


@router.put("/accounts", responses=refuses({Conflict: "second_factor_first"}))
def rule(wanted: NewRules, caller: Caller, origin: From) -> RulesView:
    """Choose who may make an account, and what that takes."""
    chosen = Rules(wanted.sign_up, wanted.verify_email, wanted.admins_need_second_factor)
    return _ruled(administration.rule(chosen, caller, origin))


@router.get("/invitations")
def open_invitations(caller: Caller) -> InvitationList:
    """List the open invitations onto this server that are into no group."""
    return InvitationList(items=[Invitation.model_validate(one) for one in invitations.invitations(None, caller)])


@router.post("/invitations", status_code=201, responses=refuses({Conflict: "too_many_invitations"}))
def invite(wanted: NewInvitation, response: Response, caller: Caller, origin: From, once: Keyed) -> InvitationMade:
    """Invite somebody onto this server, by mail or by link."""
    response.headers["Cache-Control"] = "no-store"
    made = invitations.invite(None, drafted(wanted), caller, origin, once)
    return InvitationMade.model_validate(made, from_attributes=True)


@router.delete("/invitations/{invitation_id}", status_code=204)
def revoke(invitation_id: UUID, caller: Caller, origin: From) -> None:
    """Take an invitation back."""
    invitations.revoke(None, invitation_id, caller, origin)


@router.get("/mails")
def mails(caller: Caller, cursor: UUID | None = None, limit: Limit = 50) -> MailList:
    """List the newest mails, without their words."""
    caller.require(ADMIN)
    found = mailing.mails(limit + 1, cursor)
    page = found[:limit]
    following = page[-1].id if len(found) > limit else None
    return MailList(items=[MailView.model_validate(one) for one in page], next_cursor=following)


@router.get("/mails/{mail_id}")
def mail(mail_id: UUID, caller: Caller, response: Response) -> OpenMail:
    """Read a mail, where no server took it."""
    caller.require(ADMIN)
    response.headers["Cache-Control"] = "no-store"
    return OpenMail.model_validate(mailing.opened(mail_id), from_attributes=True)


@router.get("/audit")
def audit_log(
    caller: Caller,
    person: UUID | None = None,
    action: Word = None,
    result: Word = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    cursor: Annotated[int | None, Query(ge=1, le=1 << 62)] = None,
    limit: Limit = 50,
) -> AuditLog:
    """Read the audit log, newest first. ``person`` finds what they did, and what was done to them."""
    caller.require(ADMIN)
    page = audit.entries(
        limit=limit, before=cursor, person=person, action=action, result=result, since=since, until=until
    )
    return AuditLog(items=[Entry.model_validate(entry) for entry in page.entries], next_cursor=page.next)


def _ruled(found: Rules) -> RulesView:
    return RulesView.model_validate(found, from_attributes=True)
