"""HTTP of the auth service: parse, call one operation, shape the reply."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from libs.contracts.identity import Identity
from libs.web import Caller, Internal, Keyed, OptionalCaller
from libs.web.describing import refuses
from libs.web.problems import Conflict, Forbidden, NotFound, Unauthenticated
from services.auth import passwords
from services.auth.addresses import normalised
from services.auth.models import Role, User
from services.auth.operations import accounts, keys, resolving, sessions
from services.auth.origin import From, Origin, device_of

__all__ = ["Email", "Name", "Password", "Request", "Scope", "UserReply", "UserView", "router", "shown", "signed_in"]

router = APIRouter()

# Control characters, and those that turn the direction of all text after them.
_DISRUPTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _one_line(text: str) -> str:
    if _DISRUPTIVE.search(text):
        raise ValueError("control characters are not allowed")
    return text


Email = Annotated[str, StringConstraints(max_length=320), AfterValidator(normalised)]
Password = Annotated[str, StringConstraints(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), AfterValidator(_one_line)]
Scope = Literal["upload", "read", "write", "admin", "delegate"]


class Request(BaseModel):
    """A body, in which nothing unknown may be."""

    model_config = ConfigDict(extra="forbid")


class SignUp(Request):
    """An account to be made. ``invitation`` is the secret of one, where the server asks for it."""

    email: Email
    password: Password
    display_name: Name | None = None
    invitation: Annotated[str, StringConstraints(max_length=100)] | None = None


class SignIn(Request):
    """Who wants in. A password that no account can have is refused before anything is hashed."""

    email: Email
    password: Password


class NewApiKey(Request):
    """A key to be made, good for some days, or else until it is revoked."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)]
    days: Annotated[int, Field(ge=1, le=3650)] | None = None


class Credential(Request):
    """Exactly one of the first three."""

    session_token: Annotated[str, StringConstraints(max_length=512)] | None = None
    api_key: Annotated[str, StringConstraints(max_length=512)] | None = None
    dev_email: Annotated[str, StringConstraints(max_length=320)] | None = (
        None  # whom a developer's machine takes all for
    )
    delegated_email: Annotated[str, StringConstraints(max_length=320)] | None = None  # whom the key wants to act for
    address: Annotated[str, StringConstraints(max_length=60)] = ""  # that the gateway saw the request come from
    device: Annotated[str, StringConstraints(max_length=2000)] = ""  # its User-Agent

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(given is not None for given in (self.session_token, self.api_key, self.dev_email)) != 1:
            raise ValueError("give one of session_token, api_key and dev_email")
        if self.delegated_email is not None and self.api_key is None:
            raise ValueError("delegated_email goes with api_key")
        return self


class ActBody(Request):
    """What the gateway says of a delegated request."""

    user_id: UUID
    key_id: UUID
    delegate: Annotated[str, StringConstraints(max_length=80)]
    method: Annotated[str, StringConstraints(max_length=10)]
    path: Annotated[str, StringConstraints(max_length=8192)]
    correlation_id: Annotated[str, StringConstraints(max_length=200)]


class UserView(BaseModel):
    """A person, as they see themselves."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    email_verified: bool
    display_name: str
    role: Role
    language: str
    year_of_birth: int | None
    consent_version: str | None
    has_password: bool
    created_at: datetime
    delete_after: datetime | None


class UserReply(BaseModel):
    """The person who asks; null where nobody is signed in yet, because a mail has to be answered first."""

    user: UserView | None


class SecondFactor(BaseModel):
    """What ``POST /v1/auth/sign-in/second`` wants. ``passkey_options`` is what a browser asks a passkey with."""

    challenge: str
    methods: list[Literal["totp", "passkey", "recovery"]]
    passkey_options: dict[str, Any] | None


class SignInReply(UserReply):
    """The person who is signed in, or, with no person, the second factor that is still to be proved."""

    second_factor: SecondFactor | None = None


class MeReply(UserReply):
    """The person who asks. ``second_factor_missing``: as an administrator they need one, and have no rights before."""

    second_factor_missing: bool


class ApiKeyView(BaseModel):
    """A key as its owner sees it afterwards: all but the key."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


class NewApiKeyView(ApiKeyView):
    """A key just made. ``key`` is shown this once."""

    key: str


class ApiKeyList(BaseModel):
    """All of a person's keys."""

    items: list[ApiKeyView]


@router.post(
    "/v1/auth/sign-up",
    status_code=201,
    responses={
        202: {"model": UserReply, "description": "A mail was sent; nobody is signed in yet."},
        **refuses(
            {
                Conflict: "email_taken or group_full",
                Forbidden: "sign_up_closed, invitation_needed or invitation_for_another",
                NotFound: "no_invitation",
            }
        ),
    },
)
def sign_up(wanted: SignUp, response: Response, caller: OptionalCaller, origin: From) -> UserReply:
    """Make an account and sign in to it. Where addresses are proved first: 202, and a mail."""
    given = accounts.SignUp(wanted.email, wanted.password, wanted.display_name, wanted.invitation)
    made = accounts.sign_up(given, origin, ending=caller.session_id)
    if made is None:
        response.status_code = 202
        return UserReply(user=None)
    return signed_in(made, response)


@router.post(
    "/v1/auth/sign-in",
    responses=refuses({Unauthenticated: "wrong_credentials", Forbidden: "account_disabled or email_unverified"}),
)
def sign_in(given: SignIn, response: Response, caller: OptionalCaller, origin: From) -> SignInReply:
    """Sign in: a new session each time. Whoever has a second factor is asked for it next."""
    made = accounts.sign_in(given.email, given.password, origin, ending=caller.session_id)
    if isinstance(made, accounts.Second):
        response.headers["Cache-Control"] = "no-store"
        return SignInReply(user=None, second_factor=SecondFactor.model_validate(made, from_attributes=True))
    return SignInReply(user=signed_in(made, response).user)


@router.post("/v1/auth/sign-out", status_code=204, responses=refuses({Conflict: "no_session"}))
def sign_out(caller: Caller, origin: From) -> None:
    """End the session that this request came with."""
    if caller.session_id is None:
        raise Conflict("An API key has no session to end. Revoke the key instead.", code="no_session")
    sessions.sign_out(caller.session_id, caller, origin)


@router.get("/v1/auth/me")
def me(caller: Caller) -> MeReply:
    """Tell who asks."""
    person, missing = accounts.me(caller)
    return MeReply(user=shown(person).user, second_factor_missing=missing)


@router.get("/v1/auth/api-keys")
def api_keys(caller: Caller) -> ApiKeyList:
    """List one's keys."""
    return ApiKeyList(items=[ApiKeyView.model_validate(key) for key in keys.keys(caller)])


@router.post("/v1/auth/api-keys", status_code=201, responses=refuses({Conflict: "too_many_api_keys"}))
def create_api_key(wanted: NewApiKey, response: Response, caller: Caller, origin: From, once: Keyed) -> NewApiKeyView:
    """Make a key, of no more scopes than the maker has. One that acts for others (delegate) takes an administrator."""
    made = keys.create(wanted.name, wanted.scopes, caller, origin, once, days=wanted.days)
    response.headers["Cache-Control"] = "no-store"
    return NewApiKeyView.model_validate(made)


@router.delete("/v1/auth/api-keys/{key_id}", status_code=204)
def revoke_api_key(key_id: UUID, caller: Caller, origin: From) -> None:
    """Revoke a key for good."""
    keys.revoke(key_id, caller, origin)


@router.post("/internal/resolve", dependencies=[Depends(Internal("gateway"))], include_in_schema=False)
def resolve(given: Credential) -> Identity:
    """Tell the gateway who is behind a session token or an API key, or whom a trusted system acts for."""
    origin = Origin(given.address, device_of(given.device))
    if given.session_token is not None:
        identity = resolving.by_session(given.session_token, origin)
    elif given.dev_email is not None:
        identity = resolving.by_email(_spelled(given.dev_email))
    elif given.delegated_email is not None:
        identity = resolving.by_delegation(given.api_key or "", _spelled(given.delegated_email), origin)
    else:
        identity = resolving.by_api_key(given.api_key or "")
    if identity is None:
        raise NotFound
    return identity


@router.post("/internal/acts", dependencies=[Depends(Internal("gateway"))], include_in_schema=False, status_code=204)
def record_act(act: ActBody, origin: From) -> None:
    """Write down what a trusted system is about to do in somebody's name."""
    resolving.record_act(resolving.Act(**act.model_dump()), origin)


def _spelled(email: str) -> str:
    """An address as accounts have it; what is no address stays as it is, and is nobody's."""
    try:
        return normalised(email)
    except ValueError:
        return email


def signed_in(made: accounts.SignedIn, response: Response) -> UserReply:
    """The gateway takes these headers off and makes a cookie of them."""
    response.headers["X-Session-Token"] = made.token
    response.headers["X-Session-Expires"] = made.expires_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    response.headers["Cache-Control"] = "no-store"
    return shown(made.user)


def shown(person: User) -> UserReply:
    """Show somebody to themselves."""
    return UserReply(
        user=UserView(
            id=person.id,
            email=person.email,
            email_verified=person.email_verified_at is not None,
            display_name=person.display_name,
            role=person.role,
            language=person.language,
            year_of_birth=person.year_of_birth,
            consent_version=person.consent_version,
            has_password=person.password_hash is not None,
            created_at=person.created_at,
            delete_after=person.delete_after,
        )
    )
