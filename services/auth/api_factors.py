"""Second factors and passkeys over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from libs.web import Caller, OptionalCaller
from libs.web.describing import refuses
from libs.web.problems import Conflict, Forbidden, Malformed, Unauthenticated
from services.auth.api import Name, Request, UserReply, UserView, signed_in
from services.auth.operations import factors, passkeys
from services.auth.operations.accounts import Answer
from services.auth.origin import From

__all__ = ["router"]

router = APIRouter(prefix="/v1/auth")

Secret = Annotated[str, StringConstraints(min_length=20, max_length=100)]
Code = Annotated[str, StringConstraints(min_length=6, max_length=40)]
Credential = Annotated[dict[str, Any], Field(max_length=20)]  # as PublicKeyCredential.toJSON() gives it


class PasskeyView(BaseModel):
    """A passkey as its owner sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None


class FactorList(BaseModel):
    """All second factors. ``totp_since`` is null where no authenticator app is in use."""

    model_config = ConfigDict(from_attributes=True)

    totp_since: datetime | None
    passkeys: list[PasskeyView]
    recovery_codes_left: int


class Enrolment(BaseModel):
    """A secret for an authenticator app: to be typed, as an address, and as a QR code (SVG)."""

    model_config = ConfigDict(from_attributes=True)

    secret: str
    uri: str
    qr: str


class OneCode(Request):
    """A code of the app, or a recovery code."""

    code: Code


class RecoveryCodes(BaseModel):
    """Shown this once."""

    recovery_codes: list[str]


class Confirmed(RecoveryCodes):
    """The app is in use. No recovery codes are told where there are some already."""

    user: UserView | None


class Second(Request):
    """The question's secret, and exactly one answer."""

    challenge: Secret
    totp: Code | None = None
    recovery: Code | None = None
    passkey: Credential | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(answer is not None for answer in (self.totp, self.recovery, self.passkey)) != 1:
            raise ValueError("give one of totp, recovery and passkey")
        return self


class Question(BaseModel):
    """What to give to ``navigator.credentials``, and the secret that the answer brings along."""

    model_config = ConfigDict(from_attributes=True)

    challenge: str
    options: dict[str, Any]


class NewPasskey(Request):
    """A passkey that the browser made."""

    challenge: Secret
    credential: Credential
    name: Name


class PasskeyName(Request):
    """Another name."""

    name: Name


class PasskeyAnswer(Request):
    """What the browser's passkey says."""

    challenge: Secret
    credential: Credential


class PasskeyMade(BaseModel):
    """A passkey that is in use now."""

    passkey: PasskeyView
    user: UserView | None


@router.get("/factors")
def listed(caller: Caller) -> FactorList:
    """List one's second factors."""
    return FactorList.model_validate(factors.factors(caller))


@router.post("/totp", responses=refuses({Conflict: "totp_exists"}))
def begin_totp(caller: Caller, response: Response) -> Enrolment:
    """Get a secret for an authenticator app."""
    response.headers["Cache-Control"] = "no-store"
    return Enrolment.model_validate(factors.begin_totp(caller))


@router.post("/totp/confirm", responses=refuses({Conflict: "totp_exists", Malformed: "wrong_code"}))
def confirm_totp(given: OneCode, caller: Caller, origin: From, response: Response) -> Confirmed:
    """Take the app into use with its first code."""
    made = factors.confirm_totp(given.code, caller, origin)
    return Confirmed(user=signed_in(made.signed_in, response).user, recovery_codes=list(made.recovery_codes))


@router.delete("/totp", status_code=204, responses=refuses({Malformed: "wrong_code"}))
def drop_totp(given: OneCode, caller: Caller, origin: From) -> None:
    """Do without the app from now on."""
    factors.drop_totp(given.code, caller, origin)


@router.post("/recovery-codes", responses=refuses({Conflict: "no_second_factor"}))
def new_recovery_codes(caller: Caller, origin: From, response: Response) -> RecoveryCodes:
    """Get ten new recovery codes in place of the old ones."""
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodes(recovery_codes=list(factors.new_recovery_codes(caller, origin)))


@router.post(
    "/sign-in/second",
    responses=refuses(
        {
            Malformed: "challenge_over",
            Unauthenticated: "wrong_second_factor",
            Forbidden: "account_disabled or email_unverified",
        }
    ),
)
def second(given: Second, response: Response, caller: OptionalCaller, origin: From) -> UserReply:
    """Finish a sign-in with the second factor."""
    answer = Answer(given.totp, given.recovery, given.passkey)
    return signed_in(factors.second(given.challenge, answer, origin, ending=caller.session_id), response)


@router.post("/passkeys/options")
def offer(caller: Caller, response: Response) -> Question:
    """Begin to add a passkey."""
    response.headers["Cache-Control"] = "no-store"
    return Question.model_validate(passkeys.offer(caller))


@router.post(
    "/passkeys", status_code=201, responses=refuses({Malformed: "challenge_over or bad_passkey", Conflict: "too_many"})
)
def register(given: NewPasskey, caller: Caller, origin: From, response: Response) -> PasskeyMade:
    """Add a passkey."""
    made, renewed = passkeys.register(given.challenge, given.credential, given.name, caller, origin)
    return PasskeyMade(passkey=PasskeyView.model_validate(made), user=signed_in(renewed, response).user)


@router.patch("/passkeys/{passkey_id}")
def rename(passkey_id: UUID, given: PasskeyName, caller: Caller) -> PasskeyView:
    """Rename a passkey."""
    return PasskeyView.model_validate(passkeys.rename(passkey_id, given.name, caller))


@router.delete("/passkeys/{passkey_id}", status_code=204, responses=refuses({Conflict: "last_way_in"}))
def drop(passkey_id: UUID, caller: Caller, origin: From) -> None:
    """Remove a passkey."""
    passkeys.drop(passkey_id, caller, origin)


@router.post("/sign-in/passkey/options")
def sign_in_options(response: Response) -> Question:
    """Begin to sign in with a passkey."""
    response.headers["Cache-Control"] = "no-store"
    return Question.model_validate(passkeys.sign_in_options())


@router.post(
    "/sign-in/passkey",
    responses=refuses(
        {
            Malformed: "challenge_over",
            Unauthenticated: "wrong_passkey",
            Forbidden: "account_disabled or email_unverified",
        }
    ),
)
def sign_in(given: PasskeyAnswer, response: Response, caller: OptionalCaller, origin: From) -> UserReply:
    """Sign in with a passkey, without a password."""
    return signed_in(passkeys.sign_in(given.challenge, given.credential, origin, ending=caller.session_id), response)
