"""Sessions, passwords and addresses over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from libs.web import Caller, OptionalCaller
from libs.web.describing import refuses
from libs.web.problems import Conflict, Malformed, Unauthenticated
from services.auth.api import Email, Password, Request, UserReply, signed_in
from services.auth.operations import changing, sessions
from services.auth.origin import From

__all__ = ["router"]

router = APIRouter(prefix="/v1/auth")

MailedCode = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=100)]
# What an account has is checked against, not chosen: one that no account can have is merely wrong.
Given = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class SessionView(BaseModel):
    """A place where one is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    device: str
    address: str
    strong: bool
    current: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class SessionList(BaseModel):
    """All places, the latest seen first."""

    items: list[SessionView]


class Ended(BaseModel):
    """How many sessions ended."""

    ended: int


class Proof(Request):
    """That it is oneself."""

    password: Given


class NewPassword(Request):
    """Another password. ``current`` is left out by who has none yet."""

    current: Given | None = None
    new: Password


class Forgotten(Request):
    """Whose password was forgotten."""

    email: Email


class Reset(Request):
    """The code from the mail, and another password."""

    code: MailedCode
    password: Password


class Verification(Request):
    """The code from the mail; and the password, from who isn't signed in."""

    code: MailedCode
    password: Given | None = None


class NewAddress(Request):
    """Another e-mail address."""

    email: Email
    password: Given | None = None


class Confirmation(Request):
    """The code from the mail."""

    code: MailedCode


@router.get("/sessions")
def listed(caller: Caller) -> SessionList:
    """List where one is signed in."""
    return SessionList(items=[SessionView.model_validate(one) for one in sessions.sessions(caller)])


@router.delete("/sessions/{session_id}", status_code=204)
def end(session_id: UUID, caller: Caller, origin: From) -> None:
    """End one session."""
    sessions.end(session_id, caller, origin)


@router.delete("/sessions", responses=refuses({Conflict: "no_session"}))
def end_others(caller: Caller, origin: From) -> Ended:
    """Sign out everywhere else."""
    return Ended(ended=sessions.sign_out_everywhere(caller, origin, others_only=True))


@router.post("/sign-out/everywhere", status_code=204)
def sign_out_everywhere(caller: Caller, origin: From) -> None:
    """Sign out everywhere, here too."""
    sessions.sign_out_everywhere(caller, origin)


@router.post("/refresh", responses=refuses({Conflict: "just_refreshed or no_session"}))
def refresh(caller: Caller, response: Response) -> UserReply:
    """Get a new token for the session; the old one ends, and using it later ends the session."""
    return signed_in(sessions.refresh(caller), response)


@router.post("/prove", responses=refuses({Conflict: "no_session", Unauthenticated: "wrong_credentials"}))
def prove(given: Proof, caller: Caller, origin: From, response: Response) -> UserReply:
    """Prove again that it is oneself, before locks are changed."""
    return signed_in(sessions.prove(given.password, caller, origin), response)


@router.post("/password", responses=refuses({Unauthenticated: "wrong_credentials"}))
def change_password(given: NewPassword, caller: Caller, origin: From, response: Response) -> UserReply:
    """Change one's password; every other session ends."""
    return signed_in(changing.change_password(given.current, given.new, caller, origin), response)


@router.post("/password/forgotten", status_code=202)
def forgotten(given: Forgotten) -> None:
    """Have a code mailed, if there is such an account. The answer is always the same."""
    changing.forgotten(given.email)


@router.post("/password/reset", status_code=204, responses=refuses({Malformed: "bad_code"}))
def reset(given: Reset, origin: From) -> None:
    """Set another password with a code. Then sign in with it."""
    changing.reset_password(given.code, given.password, origin)


@router.post("/verification", status_code=202, responses=refuses({Conflict: "already_verified"}))
def send_verification(caller: Caller) -> None:
    """Have another code mailed that proves one's address."""
    changing.send_verification(caller)


@router.post(
    "/verify",
    responses=refuses({Malformed: "bad_code", Conflict: "email_taken", Unauthenticated: "wrong_credentials"}),
)
def verify(given: Verification, caller: OptionalCaller, origin: From, response: Response) -> UserReply | None:
    """Prove one's address with the code from the mail. With the password, this signs in."""
    made = changing.verify(given.code, given.password, caller, origin, ending=caller.session_id)
    return None if made is None else signed_in(made, response)


@router.post(
    "/address", status_code=202, responses=refuses({Conflict: "email_taken", Unauthenticated: "wrong_credentials"})
)
def change_address(given: NewAddress, caller: Caller, origin: From) -> None:
    """Ask for another e-mail address; a code goes there."""
    changing.change_address(given.email, given.password, caller, origin)


@router.post("/address/confirm", responses=refuses({Malformed: "bad_code", Conflict: "email_taken"}))
def confirm_address(given: Confirmation, caller: Caller, origin: From, response: Response) -> UserReply:
    """Take the new address."""
    return signed_in(changing.confirm_address(given.code, caller, origin), response)
