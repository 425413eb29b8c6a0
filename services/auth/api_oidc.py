"""Identity providers over HTTP."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from libs.web import Caller, OptionalCaller
from libs.web.describing import refuses
from libs.web.problems import Conflict, Forbidden, NotFound, Problem, Unavailable
from services.auth import providers
from services.auth.api import signed_in
from services.auth.operations import challenges, oidc
from services.auth.operations.accounts import Second, SignedIn
from services.auth.operations.oidc import Departure, Wish
from services.auth.origin import From
from services.auth.providers import Untrusted
from services.auth.settings import settings

__all__ = ["router"]

router = APIRouter(prefix="/v1/auth")

COOKIE = "clipstead_oidc"  # as the gateway's route table names it
_LOCAL = re.compile(r"/(?!/)[A-Za-z0-9/_.~-]{0,500}")  # a page of ours, and no address elsewhere
_FAILED = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sign-in failed – Clipstead</title>
<h1>This sign-in can’t be trusted</h1>
<p>It took too long, was begun in another browser, or is not what the provider should have answered ({code}).</p>
<p><a href="/sign-in">Back to the sign-in</a></p>
</html>
"""


class ProviderView(BaseModel):
    """A provider that one may sign in with."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str


class ProviderList(BaseModel):
    """All that are set up."""

    items: list[ProviderView]


class IdentityView(BaseModel):
    """An account elsewhere that one may sign in with."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    email: str
    created_at: datetime
    last_used_at: datetime | None


class IdentityList(BaseModel):
    """All of one's own."""

    items: list[IdentityView]


class Address(BaseModel):
    """Where the browser goes next."""

    url: str


@router.get("/oidc")
def listed() -> ProviderList:
    """List the identity providers that one may sign in with."""
    return ProviderList(items=[ProviderView.model_validate(one) for one in providers.listed()])


@router.get(
    "/oidc/{provider}/begin",
    status_code=303,
    response_class=RedirectResponse,
    responses={303: {"description": "Go there."}},
)
def begin(
    provider: str,
    next: Annotated[str, Query(max_length=500)] = "/",  # noqa: A002  what everybody calls it
    invitation: Annotated[str | None, StringConstraints(min_length=20), Query(max_length=100)] = None,
) -> Response:
    """Go to a provider to sign in, and come back to the page ``next``."""
    try:
        departure = oidc.begin(provider, Wish(next if _LOCAL.fullmatch(next) else "/", invitation))
    except Unavailable as problem:
        return _to_sign_in(problem.code)
    response = RedirectResponse(departure.url, 303)
    _remember(response, departure)
    return response


@router.post("/oidc/{provider}/link", responses=refuses({Unavailable: "provider_away"}))
def link(provider: str, caller: Caller, response: Response) -> Address:
    """Get the address at which a provider is connected to one's account. It takes a recent proof."""
    departure = oidc.link(provider, caller)
    _remember(response, departure)
    response.headers["Cache-Control"] = "no-store"
    return Address(url=departure.url)


@router.get(
    "/oidc/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    responses={
        303: {"description": "Signed in, or to the sign-in with what is missing."},
        400: {"content": {"text/html": {}}},
    },
)
def callback(
    provider: str,
    request: HttpRequest,
    caller: OptionalCaller,
    origin: From,
) -> Response:
    """Come back from a provider."""
    browser = request.cookies.get(_cookie().name, "")
    try:
        outcome, page = oidc.finish(provider, dict(request.query_params), browser, caller, origin)
    except Untrusted as problem:
        if problem.code == "access_denied":
            return _to_sign_in(problem.code)
        return _refused(problem, request)
    except (Forbidden, Conflict, NotFound, Unavailable) as problem:
        return _to_sign_in(problem.code) if caller.acting is None else _back(f"/account#problem={problem.code}")
    if isinstance(outcome, Second):
        # Behind the #, where neither servers nor logs see it.
        told = base64.urlsafe_b64encode(json.dumps(asdict(outcome)).encode()).decode().rstrip("=")
        return _done(RedirectResponse(f"/sign-in#second={told}", 303))
    response = _done(RedirectResponse(page, 303))
    if isinstance(outcome, SignedIn):
        signed_in(outcome, response)
    return response


@router.get("/identities")
def identities(caller: Caller) -> IdentityList:
    """List the accounts elsewhere that one may sign in with."""
    return IdentityList(items=[IdentityView.model_validate(one) for one in oidc.identities(caller)])


@router.delete("/identities/{identity_id}", status_code=204, responses=refuses({Conflict: "last_way_in"}))
def drop(identity_id: UUID, caller: Caller, origin: From) -> None:
    """Sign in with one no longer."""
    oidc.drop(identity_id, caller, origin)


class _Cookie(NamedTuple):
    """Over TLS with the prefix that keeps other hosts of the same site from planting it, which takes the path ``/``."""

    name: str
    path: str
    secure: bool


def _cookie() -> _Cookie:
    if settings().public_url.startswith("https://"):
        return _Cookie(f"__Host-{COOKIE}", "/", secure=True)
    return _Cookie(COOKIE, "/api/v1/auth/oidc", secure=False)


def _set(response: Response, value: str, seconds: int) -> None:
    cookie = _cookie()
    response.set_cookie(
        cookie.name,
        value,
        max_age=seconds,
        path=cookie.path,
        secure=cookie.secure,
        httponly=True,
        samesite="lax",  # so that it comes along when the provider sends the browser back
    )
    response.headers["Cache-Control"] = "no-store"


def _remember(response: Response, departure: Departure) -> None:
    _set(response, departure.browser, int(challenges.LIFETIME.total_seconds()))


def _done(response: Response) -> Response:
    _set(response, "", 0)
    return response


def _to_sign_in(code: str) -> Response:
    return _back(f"/sign-in#problem={code}")


def _back(page: str) -> Response:
    return _done(RedirectResponse(page, 303))


def _refused(problem: Problem, request: HttpRequest) -> Response:
    """For people a page, for programs the problem document."""
    if "text/html" not in request.headers.get("accept", ""):
        raise problem
    return HTMLResponse(_FAILED.format(code=problem.code), problem.status, {"Cache-Control": "no-store"})
